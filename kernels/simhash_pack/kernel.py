"""The Triton form: a tiled projection that keeps only the signs, packed before they leave the registers."""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl

from kernels.checks import contiguous_rows


@dataclass(frozen=True, slots=True)
class Config:
    """Tile of rows, words and depth, and how it is run."""

    rows: int
    words: int
    depth: int
    num_warps: int = 4
    num_stages: int = 3


CONFIGS = {"narrow": Config(64, 2, 64), "wide": Config(64, 4, 64)}
FP32_CONFIGS = {
    "narrow": Config(64, 2, 32),
    "wide": Config(64, 4, 32, num_warps=8),
}  # deeper, or by four, "wide" spills


def config_for(bits: int, itemsize: int) -> Config:
    """As many words a tile as there are, at most four: the vectors are then read once."""
    return (FP32_CONFIGS if itemsize == 4 else CONFIGS)["wide" if bits > 64 else "narrow"]


@triton.jit
def simhash_pack_fwd_kernel(
    x, proj, out, n, d, words, stride_x, stride_p, stride_o,
    ROWS: tl.constexpr, WORDS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """out[i, w] = sum_j (x[i] @ proj[32 w + j] > 0) << j, one program per tile of rows and words."""
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    word = tl.program_id(1).to(tl.int64) * WORDS
    bits = word * 32 + tl.arange(0, WORDS * 32)
    depth = tl.arange(0, DEPTH)
    row_in, bit_in = rows < n, bits < words * 32
    acc = tl.zeros((ROWS, WORDS * 32), dtype=tl.float32)
    for start in range(0, d, DEPTH):
        at = start + depth
        left = tl.load(x + rows[:, None] * stride_x + at[None, :], row_in[:, None] & (at < d)[None, :], other=0.0)
        right = tl.load(proj + bits[None, :] * stride_p + at[:, None], bit_in[None, :] & (at < d)[:, None], other=0.0)
        acc = tl.dot(left, right, acc, input_precision="ieee")
    bit = tl.reshape((acc > 0).to(tl.int32), (ROWS, WORDS, 32))
    packed = tl.sum(bit << tl.arange(0, 32)[None, None, :], axis=2)
    cols = word + tl.arange(0, WORDS)
    tl.store(out + rows[:, None] * stride_o + cols[None, :], packed, row_in[:, None] & (cols < words)[None, :])


def simhash_pack_triton(x: torch.Tensor, proj: torch.Tensor, config: Config | None = None) -> torch.Tensor:
    """See `op.simhash_pack`, which checks; both tensors must be contiguous in their last dimension."""
    (n, d), words = x.shape, proj.shape[0] // 32
    assert contiguous_rows(x, proj)
    out = torch.empty((n, words), dtype=torch.int32, device=x.device)
    if n == 0:
        return out
    c = config or config_for(proj.shape[0], x.element_size())
    simhash_pack_fwd_kernel[(triton.cdiv(n, c.rows), triton.cdiv(words, c.words))](
        x, proj, out, n, d, words, x.stride(0), proj.stride(0), out.stride(0),
        ROWS=c.rows, WORDS=c.words, DEPTH=c.depth, num_warps=c.num_warps, num_stages=c.num_stages,
    )  # fmt: skip
    return out
