"""The linears of a module, by name, and what they are given while it runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn

See = Callable[[str, torch.Tensor], None]  # a site, and its rows [..., K]


def linears(module: nn.Module) -> dict[str, nn.Linear]:
    """Site -> linear: the names of the modules."""
    return {name: part for name, part in module.named_modules() if isinstance(part, nn.Linear)}


@contextmanager
def watched(module: nn.Module, see: See) -> Iterator[None]:
    """While entered, `see` is told of every call of a linear of `module`. Who multiplies with a weight calls none."""

    def told(site: str, _linear: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        see(site, given[0])

    hooks = [linear.register_forward_pre_hook(partial(told, site)) for site, linear in linears(module).items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
