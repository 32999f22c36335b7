"""What comes out of an arena, beside what was put into it."""

from dataclasses import fields

import torch

from inference.forward.arena import Arena
from inference.forward.inputs import PackedInputs
from inference.protocol import RankInputs

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def arrived(arena: Arena, inputs: PackedInputs) -> RankInputs:
    """All of the bucket, back on the CPU."""
    arena.fill(inputs)
    arena.upload()
    found = arena.rank_inputs(torch.float32)
    return RankInputs(*(getattr(found, field.name).cpu() for field in fields(RankInputs)))


def assert_begins_with(found: RankInputs, sent: RankInputs) -> None:
    """What was sent, unchanged; behind it stands what fills up."""
    n, b = sent.num_candidates, sent.num_requests
    for field in fields(RankInputs):
        size = {"user": b, "user_mask": b, "context": b, "user_offsets": b}.get(field.name, n)
        left, right = getattr(found, field.name)[:size], getattr(sent, field.name)[:size]
        torch.testing.assert_close(left, right, rtol=0, atol=0)
