"""One kernel in one shipped configuration, as the compile gate builds it for a GPU that need not be there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class CompileCase:
    """What to compile for sm_90 and what must be found in the machine code. Spills and stack are never allowed."""

    name: str
    kernel: Any  # the @triton.jit function
    signature: Mapping[str, str]  # argument -> Triton type: "*bf16", "i32"; constants are in `constants` alone
    constants: Mapping[str, object]
    num_warps: int = 4
    num_stages: int = 3
    aligned: Sequence[str] = ()  # pointers to 16 bytes and integers that are multiples of 16
    needs: Sequence[str] = ()  # instructions that must be there: "HGMMA", "LDG.E.128"; `A|B` is either
    forbids: Sequence[str] = field(default=())  # instructions that must not: "HMMA" where wgmma is meant
    options: Mapping[str, object] = field(default_factory=dict)  # further ones of the launch, as it gives them
