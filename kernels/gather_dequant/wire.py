"""Where a row's bytes stand: whoever knows the cache says it, the kernels do not."""

from dataclasses import dataclass

from kernels.checks import check_choice, check_integer

NUM_BITS = {"fp16": 16, "int8": 8, "int4": 4, "fp8": 8}


@dataclass(frozen=True, slots=True)
class WireFormat:
    """One dtype of rows: `value = (stored - centre) * scale + offset`, in float32, rounded after each step.

    fp16 are half floats, fp8 is e4m3fn, int8 and int4 are unsigned; an int4 of even index is the low half of its byte.
    """

    dtype: str  # fp16, int8, int4, fp8
    width: int  # values of a row
    values_at: int  # bytes before the first value
    scale_at: int | None = None  # bytes before the float32 scale; None: 1
    offset_at: int | None = None  # bytes before the float32 offset; None: 0
    centre: float = 0.0  # what an integer is counted from: 127.5 if 0 and 255 are the ends of a symmetric range

    def __post_init__(self) -> None:
        check_choice("dtype", self.dtype, list(NUM_BITS))
        check_integer("width", self.width, 1)
        check_integer("values_at", self.values_at, 0)
        for name in ("values_at", "scale_at", "offset_at"):
            at, unit = getattr(self, name), (2 if self.dtype == "fp16" else 1) if name == "values_at" else 4
            if at is None:
                continue
            check_integer(name, at, 0)
            if at % unit:
                raise ValueError(f"{name} is {at}; allowed are multiples of {unit}")

    @property
    def num_bytes(self) -> int:
        """Bytes of the values."""
        return (self.width * NUM_BITS[self.dtype] + 7) // 8

    @property
    def min_row_bytes(self) -> int:
        """A row is at least this long."""
        ends = [self.values_at + self.num_bytes]
        return max(ends + [at + 4 for at in (self.scale_at, self.offset_at) if at is not None])
