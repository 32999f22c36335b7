"""The linears of a module where they are computed: by their weight, whoever multiplies with it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

# Site, its rows [..., K], its weight [H, K] and its bias -> its outputs, or None to compute them as ever.
Handler = Callable[[str, torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor | None]

PRODUCTS = (torch.mm, torch.Tensor.mm)
ADDED = (torch.addmm, torch.Tensor.addmm, torch.Tensor.addmm_)


def linear_weights(module: nn.Module) -> dict[str, nn.Linear]:
    """Site -> linear: the name of the module that holds its weight."""
    return {name: part for name, part in module.named_modules() if isinstance(part, nn.Linear)}


class AtSites(TorchFunctionMode):
    """While entered, every product with the weight of a linear of `module` goes through `handler`.

    Weights are recognised by their memory, so it makes no difference whether the linear is called or an op of
    `kernels` is given its weight, as long as that op takes its PyTorch form. Also while a CUDA graph is captured.
    """

    def __init__(self, module: nn.Module, handler: Handler) -> None:
        super().__init__()
        self._names = {part.weight.untyped_storage().data_ptr(): name for name, part in linear_weights(module).items()}
        self._handler = handler

    def __torch_function__(
        self,
        func: Any,  # Any: whatever PyTorch function is called, with what it takes
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        out: torch.Tensor | None = None
        if func is F.linear:
            x, weight, bias = _of_linear(*args, **kwargs)
            out = self._handled(x, weight, bias)
        elif func in PRODUCTS and not kwargs:
            out = self._handled(args[0], args[1].T, None)
        elif func in ADDED and not kwargs:  # sum + x @ weight.T
            product = self._handled(args[1], args[2].T, None)
            if product is not None:
                out = args[0].add_(product) if func is torch.Tensor.addmm_ else args[0] + product
        return func(*args, **kwargs) if out is None else out

    def _handled(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor | None:
        name = self._names.get(weight.untyped_storage().data_ptr())
        return None if name is None else self._handler(name, x, weight, bias)


def _of_linear(
    input: torch.Tensor,  # the names of `F.linear`
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    return input, weight, bias
