"""Which form of the op is fastest for these sizes: arithmetic alone, so that it can be read and tested."""

from enum import StrEnum

from kernels.hopper import DATASHEET_BYTES_PER_S, DATASHEET_FLOPS_PER_S

# Predicted from the data sheet of an H200 by the shares that large products and copies are known to reach; no run has
# measured them. The benchmark prints what its machine reaches.
PEAK_FLOPS = {2: 0.8 * DATASHEET_FLOPS_PER_S[2], 4: DATASHEET_FLOPS_PER_S[4]}  # by bytes an element
BYTES_PER_S = 0.9 * DATASHEET_BYTES_PER_S
EFFICIENCY = 0.8  # our product's rate over the library's: what public Triton kernels reach, not measured here


class Form(StrEnum):
    """The ways to compute the op on a GPU."""

    LIBRARY = "library"  # the product adds the request's part as a bias, nothing else is to do
    FUSED = "fused"  # our product, everything in its epilogue
    SPLIT = "split"  # the library's product, then everything else in one pass over its output


def break_even_k(efficiency: float = EFFICIENCY, itemsize: int = 2) -> float:
    """The depth from which the library's faster product is worth one more pass over the output.

    Per output the library takes `2K / P` and then writes and reads it once more, `2s / W`; ours takes `2K / (e P)`.
    Equal where `K = s P / W / (1/e - 1)`, with P operations and W bytes a second, s bytes an output, e the efficiency.
    """
    return itemsize * PEAK_FLOPS[itemsize] / BYTES_PER_S / (1 / efficiency - 1)


def form_for(b: int, k: int, itemsize: int, finishing: bool, cancelling: bool) -> Form:
    """For B requests and depth K. `finishing`: there is an epilogue or an activation; `cancelling`: it subtracts
    numbers as large as its result (Normed), which must not be rounded in between."""
    if b == 1 and not finishing:
        return Form.LIBRARY
    return Form.SPLIT if k > break_even_k(itemsize=itemsize) and not cancelling else Form.FUSED
