"""Values of a row as bytes: fp16, 8 or 4 bit integers, or fp8 e4m3; whole batches at once.

| dtype | bytes for W values | value |
|---|---|---|
| FP16 | 2 W | the half float, saturated at 65504 |
| INT8 | W | offset + scale x (q - 127.5), q in 0..255, scale and offset per row |
| INT4 | (W + 1) // 2 | offset + scale x (q - 7.5), q in 0..15, even index in the low half of the byte |
| FP8 | W | scale x e4m3fn, scale per row so that the largest magnitude is 448 |
"""

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

FP16_MAX: Final = 65504.0
FP8_MAX: Final = 448.0

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


class RowDtype(IntEnum):
    """How the values of a row are stored."""

    FP16 = 0
    INT8 = 1
    INT4 = 2
    FP8 = 3


def num_bytes(dtype: RowDtype, width: int) -> int:
    """Bytes that `width` values take, before padding."""
    return {RowDtype.FP16: 2 * width, RowDtype.INT4: (width + 1) // 2}.get(dtype, width)


def quantise(values: Floats, dtype: RowDtype) -> tuple[Bytes, Floats, Floats]:
    """Finite values [N, W] as bytes [N, num_bytes], scale [N] and offset [N]."""
    n = values.shape[0]
    if dtype is RowDtype.FP16:
        halves = np.clip(values, -FP16_MAX, FP16_MAX).astype("<f2")
        return halves.view(np.uint8).reshape(n, 2 * values.shape[1]), np.ones(n, np.float32), np.zeros(n, np.float32)
    if dtype is RowDtype.FP8:
        scale = (np.abs(values).max(axis=1) / np.float32(FP8_MAX)).astype(np.float32)
        return _to_fp8(_divided(values, scale)), scale, np.zeros(n, np.float32)
    levels = 255 if dtype is RowDtype.INT8 else 15
    low, high = values.min(axis=1).astype(np.float64), values.max(axis=1).astype(np.float64)
    scale = ((high - low) / levels).astype(np.float32)
    steps = np.rint(_divided(values - low[:, None], scale))
    quantised: Bytes = np.clip(steps, 0, levels).astype(np.uint8)
    if dtype is RowDtype.INT4:
        quantised = np.pad(quantised, ((0, 0), (0, quantised.shape[1] % 2)))
        quantised = quantised[:, 0::2] | (quantised[:, 1::2] << np.uint8(4))
    return quantised, scale, ((high + low) / 2).astype(np.float32)


def dequantise(data: Bytes, dtype: RowDtype, width: int, scale: Floats, offset: Floats) -> Floats:
    """Values [N, width] float32 from bytes [N, num_bytes]; the inverse of `quantise` up to rounding."""
    if dtype is RowDtype.FP16:
        return data.view("<f2").astype(np.float32)
    if dtype is RowDtype.FP8:
        return _FP8_VALUES[data] * scale[:, None]
    if dtype is RowDtype.INT8:
        return (data - np.float32(127.5)) * scale[:, None] + offset[:, None]
    steps = np.stack([data & 15, data >> 4], axis=2).reshape(data.shape[0], -1)[:, :width]
    return (steps - np.float32(7.5)) * scale[:, None] + offset[:, None]


def _divided(values: NDArray[np.floating], scale: Floats) -> NDArray[np.float64]:
    """values / scale row by row; zeros where the scale is zero (a constant row, or one too narrow to tell)."""
    divisor = np.where(scale > 0, scale, 1).astype(np.float64)[:, None]
    return np.where(scale[:, None] > 0, values / divisor, 0.0)


def _fp8_magnitudes() -> NDArray[np.float64]:
    """The magnitude of every e4m3fn code 0..126 (127 is NaN), ascending: bias 7, 3 bits of mantissa."""
    code = np.arange(127)
    exponent, mantissa = code >> 3, code & 7
    return np.where(exponent == 0, mantissa / 8 * 2.0**-6, (1 + mantissa / 8) * 2.0 ** (exponent - 7))


_FP8_MAGNITUDES: Final = _fp8_magnitudes()
_FP8_MIDPOINTS: Final = (_FP8_MAGNITUDES[1:] + _FP8_MAGNITUDES[:-1]) / 2
_FP8_VALUES: Final = np.concatenate(
    [_FP8_MAGNITUDES, [np.nan], -_FP8_MAGNITUDES, [np.nan]],
).astype(np.float32)


def _to_fp8(values: NDArray[np.float64]) -> Bytes:
    """Nearest e4m3fn codes, ties to even, saturated at 448."""
    magnitude = np.abs(values)
    below = np.searchsorted(_FP8_MIDPOINTS, magnitude, side="left")
    above = np.searchsorted(_FP8_MIDPOINTS, magnitude, side="right")
    code: Bytes = np.where(below % 2 == 1, above, below).astype(np.uint8)
    return code | (np.signbit(values).astype(np.uint8) << np.uint8(7))
