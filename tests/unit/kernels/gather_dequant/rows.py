"""Rows of every dtype, the bytes around their values noise, and those values read byte by byte."""

import struct

import torch

from kernels.gather_dequant.wire import WireFormat

WIRES = [
    WireFormat("fp16", 19, 64),
    WireFormat("int8", 24, 64, 48, 52, 127.5),
    WireFormat("int8", 5, 9, 4, 0),  # scale and offset in front, as FBGEMM has them
    WireFormat("int4", 21, 16, 4, 8, 7.5),
    WireFormat("fp8", 16, 32, 0),
]


def staging_of(num_rows: int, wire: WireFormat, device: torch.device, seed: int = 0) -> torch.Tensor:
    """Rows [S, row_bytes] of random bytes; scales, offsets and values are finite."""
    generator = torch.Generator().manual_seed(seed)
    length = -(-wire.min_row_bytes // 16) * 16
    rows = torch.randint(0, 256, (num_rows, length), generator=generator, dtype=torch.uint8)
    values = rows[:, wire.values_at : wire.values_at + wire.num_bytes]
    if wire.dtype == "fp16":
        values[:, 1::2] &= 0xBB  # the exponent's top bit: neither infinite nor NaN
    if wire.dtype == "fp8":
        values &= 0xBF
    for at in (wire.scale_at, wire.offset_at):
        if at is not None:
            rows[:, at : at + 4] = torch.randn(num_rows, 1, generator=generator).view(torch.uint8)
    return rows.to(device)


def naive_rows(staging: torch.Tensor, wire: WireFormat) -> torch.Tensor:
    """Values [S, width] float32: each step is one operation on two floats of 32 bits."""
    decoded = torch.zeros(staging.shape[0], wire.width)
    for number, row in enumerate(staging.cpu()):
        data = bytes(row.tolist())
        for column in range(wire.width):
            decoded[number, column] = _value(data, column, wire)
    return decoded


def _value(data: bytes, column: int, wire: WireFormat) -> torch.Tensor:
    at = wire.values_at
    if wire.dtype == "fp16":
        stored = float(struct.unpack_from("<e", data, at + 2 * column)[0])
    elif wire.dtype == "int4":
        stored = float(data[at + column // 2] >> (4 * (column % 2)) & 15)
    elif wire.dtype == "int8":
        stored = float(data[at + column])
    else:
        code = data[at + column]
        exponent, mantissa = code >> 3 & 15, code & 7
        magnitude = mantissa / 8 * 2.0**-6 if exponent == 0 else (1 + mantissa / 8) * 2.0 ** (exponent - 7)
        stored = -magnitude if code & 128 else magnitude
    value = torch.tensor(stored) - torch.tensor(wire.centre)
    if wire.scale_at is not None:
        value = value * torch.tensor(struct.unpack_from("<f", data, wire.scale_at)[0])
    if wire.offset_at is not None:
        value = value + torch.tensor(struct.unpack_from("<f", data, wire.offset_at)[0])
    return value
