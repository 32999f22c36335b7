"""Stored rows to a ranker's input, against the eager chain and, on a CPU, against the cache's own decoder."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F

from benchmarks.kernels.case import COMPILED, DECOMPOSED, OURS, Case, Inputs
from kernels.gather_dequant import reference
from kernels.gather_dequant.op import gather_dequant, gather_dequant_pool
from kernels.gather_dequant.roofline import GatherDequantPoolWork, GatherDequantWork
from kernels.gather_dequant.wire import NUM_BITS, WireFormat

CHAIN = "eager, row by row"  # gathers bytes, then decodes each as often as it is asked for
DECODE_ROWS = "cache.decode_rows"  # which also verifies checksum, version and expiry

HEADER_BYTES = 64
CENTRES = {"int8": 127.5, "int4": 7.5}
SHAPES = [(100, 64, 64), (1000, 64, 64), (10_000, 64, 64), (10_000, 128, 128)]
GPU_BAGS, CPU_BAGS = [(1000, 50, 64), (10_000, 20, 64)], [(100, 50, 64), (1000, 20, 64)]  # (bags, rows of one, d)


def cases(device: torch.device) -> Iterator[Case]:
    """(N, F, d) by dtype on the wire, share found, and how often a row is asked for."""
    if device.type == "cuda":
        for n, features, d in SHAPES:
            for wire in ("int8", "fp8", "fp16"):
                for hit_rate in (1.0, 0.7, 0.0):
                    for skewed in (False, True):
                        yield _case(n, features, d, wire, hit_rate, skewed, torch.bfloat16)
        return
    for wire in NUM_BITS:
        yield _case(500, 1, 64, wire, 1.0, False, torch.float32)  # the candidates' rows of one request
    yield _case(500, 1, 64, "fp16", 0.7, False, torch.float32)
    yield _case(1000, 16, 64, "int8", 0.7, True, torch.float32)


def pool_cases(device: torch.device) -> Iterator[Case]:
    """Bags of rows, by dtype on the wire."""
    gpu = device.type == "cuda"
    for bags, mean, d in GPU_BAGS if gpu else CPU_BAGS:
        for wire in ("int8", "fp16") if gpu else ("int8",):
            yield _pool_case(bags, mean, d, wire, torch.bfloat16 if gpu else torch.float32)


CASES = {"gather_dequant": cases, "gather_dequant_pool": pool_cases}


def _case(n: int, features: int, d: int, name: str, hit_rate: float, skewed: bool, dtype: torch.dtype) -> Case:
    pairs = n * features
    num_rows = min(pairs, 100_000)
    each_once = features == 1 and hit_rate == 1.0 and not skewed
    wire = _wire(name, d)

    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        if each_once and device.type == "cpu":
            staging, rows = _cache_rows(num_rows, d, name, generator)
            slot = torch.arange(pairs).view(n, features)
        else:
            staging, rows = _random_rows(num_rows, wire, generator, device), None
            uniform = torch.rand(n, features, generator=generator, device=device)
            slot = ((uniform**4 if skewed else uniform) * num_rows).long().clamp(max=num_rows - 1)
            lost = torch.rand(n, features, generator=generator, device=device) >= hit_rate
            slot = slot.masked_fill(lost, -1)
        default = torch.randn(features, 1, d, generator=generator, device=device)
        return staging, slot.to(device, torch.int32), default, rows

    def chain(staging, slot, default, rows):
        hit = slot >= 0
        decoded = reference.decode(staging.index_select(0, slot.clamp(min=0).flatten()), wire)
        return torch.where(hit[..., None], decoded.view(n, features, d), default[:, 0]).to(dtype)

    def decomposed(staging, slot, default, rows):
        return reference.gather_dequant(staging, slot, default, wire, dtype)[0]

    def ours(staging, slot, default, rows):
        return gather_dequant(staging, slot, default, wire, dtype=dtype)[0]

    def exact(staging, slot, default, rows):
        return chain(staging, slot, default.double(), rows).double()

    providers = {CHAIN: chain, DECOMPOSED: decomposed, OURS: ours}
    if dtype is torch.float32 or (hit_rate, skewed) == (0.7, False):  # on a GPU compiling 72 cases takes the run's time
        providers[COMPILED] = torch.compile(chain)
    if each_once and dtype is torch.float32:
        providers[DECODE_ROWS] = lambda staging, slot, default, rows: _decoded_by_the_cache(rows, d)
    return Case(
        op="gather_dequant",
        shape=f"N={n} F={features} d={d} {name} hit={hit_rate} {'skewed' if skewed else 'uniform'}",
        dtype=dtype,
        work=GatherDequantWork(n, features, d, NUM_BITS[name], 8, dtype.itemsize, hit_rate),
        inputs=inputs,
        providers=providers,
        exact=exact,
        tolerance=5e-3 if dtype is torch.bfloat16 else 1e-6,
    )


def _pool_case(bags: int, mean: int, d: int, name: str, dtype: torch.dtype) -> Case:
    """Bags of none to twice `mean` rows out of 100,000, one in ten of them missing."""
    wire, slots, num_rows, hit_rate = _wire(name, d), bags * mean, 100_000, 0.9

    def inputs(generator: torch.Generator, device: torch.device) -> Inputs:
        ends = torch.randint(0, slots + 1, (bags - 1,), generator=generator, device=device).sort().values
        offsets = F.pad(ends, (1, 1))
        offsets[-1] = slots
        slot = torch.randint(0, num_rows, (slots,), generator=generator, device=device)
        slot = slot.masked_fill(torch.rand(slots, generator=generator, device=device) >= hit_rate, -1)
        default = torch.randn(d, generator=generator, device=device)
        return _random_rows(num_rows, wire, generator, device), slot.int(), offsets.int(), default

    def chain(staging, slot, offsets, default, wide=torch.float32):
        hit = (slot >= 0).to(wide)
        decoded = reference.decode(staging.index_select(0, slot.clamp(min=0)), wire).to(wide) * hit[:, None]
        bag = torch.searchsorted(offsets, torch.arange(slots, device=slot.device, dtype=torch.int32), right=True) - 1
        sums = torch.zeros(bags, d, dtype=wide, device=slot.device).index_add_(0, bag, decoded)
        counts = torch.zeros(bags, dtype=wide, device=slot.device).index_add_(0, bag, hit)[:, None]
        return torch.where(counts > 0, sums / counts.clamp(min=1), default.to(wide))

    def decomposed(staging, slot, offsets, default):
        return reference.gather_dequant_pool(staging, slot, offsets, default, wire, "mean", dtype)[0]

    def ours(staging, slot, offsets, default):
        return gather_dequant_pool(staging, slot, offsets, default, wire, dtype=dtype)[0]

    compiled = torch.compile(chain)
    return Case(
        op="gather_dequant_pool",
        shape=f"M={bags} T={slots} d={d} {name} hit={hit_rate}",
        dtype=dtype,
        work=GatherDequantPoolWork(bags, slots, d, NUM_BITS[name], 8, dtype.itemsize, hit_rate),
        inputs=inputs,
        providers={
            CHAIN: lambda *given: chain(*given).to(dtype),
            DECOMPOSED: decomposed,
            COMPILED: lambda *given: compiled(*given).to(dtype),
            OURS: ours,
        },
        exact=lambda staging, slot, offsets, default: chain(staging, slot, offsets, default, torch.float64),
        tolerance=5e-3 if dtype is torch.bfloat16 else 1e-5,
    )


def _wire(name: str, d: int) -> WireFormat:
    return WireFormat(
        name, d, HEADER_BYTES, None if name == "fp16" else 48, 52 if name in CENTRES else None, CENTRES.get(name, 0.0)
    )


def _random_rows(num_rows: int, wire: WireFormat, generator: torch.Generator, device: torch.device) -> torch.Tensor:
    length = -(-wire.min_row_bytes // 16) * 16
    rows = torch.randint(0, 256, (num_rows, length), generator=generator, device=device, dtype=torch.uint8)
    if wire.dtype in ("fp16", "fp8"):
        rows[:, HEADER_BYTES:] &= 0xBB  # neither infinite nor NaN
    rows[:, 48:56] = torch.rand(num_rows, 2, generator=generator, device=device).view(torch.uint8)
    return rows


def _cache_rows(num_rows: int, d: int, name: str, generator: torch.Generator) -> tuple[torch.Tensor, list[bytes]]:
    from cache.row import RowDtype, RowKind, encode_rows

    values = torch.randn(num_rows, d, generator=generator).numpy()
    numbers = [1] * num_rows
    dtype = RowDtype[name.upper()]
    rows = encode_rows(RowKind.ITEM, _release(), values, rev=numbers, as_of_ms=numbers, dtype=dtype)
    return torch.frombuffer(bytearray(b"".join(rows)), dtype=torch.uint8).view(num_rows, -1), rows


def _decoded_by_the_cache(rows, d):
    from cache.row import RowKind, decode_rows

    return torch.from_numpy(decode_rows(rows, RowKind.ITEM, _release(), d, now_ms=0).values)[:, None]


def _release():
    from runtime.ids import ModelVersion

    return ModelVersion("main", "20261121-093000-1a2b3c")
