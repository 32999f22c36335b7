"""How many operations the ranker's forward pass needs: with what it shares, and as if it shared nothing.

Counted by PyTorch over the modules themselves, not written down beside them: matrix products and attention, which is
all but a few per cent.
"""

from dataclasses import dataclass, replace

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from inference.models.ranker import Ranker
from inference.protocol import RankInputs


@dataclass(frozen=True, slots=True)
class RankerWork:
    """N candidates of B requests through one variant whose weights are `weight_bytes` long."""

    n: int
    b: int
    flops_per_request: int
    flops_per_candidate: int
    input_bytes: int
    weight_bytes: int

    @property
    def flops(self) -> int:
        """Useful operations: the request's layers B times, the candidates' N times."""
        return self.b * self.flops_per_request + self.n * self.flops_per_candidate

    @property
    def unshared_flops(self) -> int:
        """What the same scores would need with the request's layers run for every candidate; never part of an MFU."""
        return self.n * (self.flops_per_request + self.flops_per_candidate)

    @property
    def bytes_moved(self) -> int:
        """Inputs and weights in, two probabilities out; what passes between layers is not compulsory."""
        return self.input_bytes + self.weight_bytes + 8 * self.n


def ranker_work(ranker: Ranker, one: RankInputs, n: int, b: int) -> RankerWork:
    """The work of N candidates of B requests; `one` is any batch of one request with one candidate."""
    single, double = count_flops(ranker, one), count_flops(ranker, each_twice(one))
    per_candidate = double - single
    tensors = [getattr(one, name) for name in one.__slots__]
    per_request_bytes = sum(t.nbytes for t in (one.user, one.user_mask, one.context))
    per_candidate_bytes = sum(t.nbytes for t in tensors) - per_request_bytes - one.user_offsets.nbytes
    return RankerWork(
        n=n,
        b=b,
        flops_per_request=single - per_candidate,
        flops_per_candidate=per_candidate,
        input_bytes=b * per_request_bytes + n * per_candidate_bytes + 4 * (b + 1),
        weight_bytes=sum(parameter.nbytes for parameter in ranker.parameters()),
    )


def count_flops(ranker: Ranker, inputs: RankInputs) -> int:
    """Multiply-adds count two."""
    # Attention as its products, and products in place: neither is known to the counter.
    in_place = {torch.ops.aten.addmm_: _product, torch.ops.aten.baddbmm_: _products}
    counter = FlopCounterMode(display=False, custom_mapping=in_place)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        ranker(inputs)
    return int(counter.get_total_flops())


def _product(_out: torch.Size, left: torch.Size, right: torch.Size, **_: object) -> int:
    return 2 * left[0] * left[1] * right[1]


def _products(_out: torch.Size, left: torch.Size, right: torch.Size, **_: object) -> int:
    return 2 * left[0] * left[1] * left[2] * right[2]


def each_twice(inputs: RankInputs) -> RankInputs:
    """The same requests with every candidate two times: what doubles is work of the candidates."""
    names = ("cand", "cand_mask", "pair", "tier", "age_s", "cand_to_user")
    doubled = {name: getattr(inputs, name).repeat_interleave(2, dim=0) for name in names}
    return replace(inputs, **doubled, user_offsets=inputs.user_offsets * 2)
