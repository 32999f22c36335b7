"""The weights of many small linears as one buffer, and the table of their tiles; made once, when weights are loaded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from kernels.broadcast_linear.reference import ACTIVATIONS
from kernels.checks import FLOATS, check_choice, check_tensor

ROW_MULTIPLE = 16  # elements: rows of weights are padded to it, so that every load of them takes 16 bytes
TILES = (128, 64, 32)
MAX_PADDING = 1.25  # of outputs computed to outputs wanted: a larger tile is not worth more


@dataclass(frozen=True, slots=True)
class PackedLinears:
    """G linears `[H_g, K_g]` with their biases and activations; `widths_in` are K_g, `widths_out` H_g."""

    weight: torch.Tensor  # [sum H_g * padded K_g], the groups one after the other
    bias: torch.Tensor  # [sum H_g]
    table: torch.Tensor  # [C, 8] int32, one line per tile of outputs: see `_table`
    widths_in: tuple[int, ...]
    widths_out: tuple[int, ...]
    activations: tuple[str, ...]
    tile: int  # outputs per line of the table

    @classmethod
    def pack(
        cls,
        weights: Sequence[torch.Tensor],
        biases: Sequence[torch.Tensor | None] | None = None,
        activations: Sequence[str] | str = "none",
        tile: int | None = None,
    ) -> "PackedLinears":
        """Of `weights` [H_g, K_g] and `biases` [H_g] (None: zeros), all of one dtype and device.

        `activations`: one for all or one each, of none, relu, silu, hardswish. Gradients flow back to what is packed.
        Strides are free: packing copies. `tile`: 32, 64 or 128 outputs to one program; by their padding unless given.
        Raises ValueError on lengths, shapes, dtypes, devices, words or a tile that do not fit.
        """
        if not weights:
            raise ValueError("weights is empty; at least one group is needed")
        biases = [None] * len(weights) if biases is None else biases
        activations = [activations] * len(weights) if isinstance(activations, str) else activations
        if not len(weights) == len(biases) == len(activations):
            counts = f"{len(weights)} weights, {len(biases)} biases, {len(activations)} activations"
            raise ValueError(f"{counts}; expected as many of each")
        if tile is not None:
            check_choice("tile", tile, sorted(TILES))
        first = weights[0]
        filled: list[torch.Tensor] = []
        for g, (weight, bias, activation) in enumerate(zip(weights, biases, activations, strict=True)):
            dtypes, device = (FLOATS, None) if g == 0 else ((first.dtype,), first.device)
            check_tensor(f"weights[{g}]", weight, (-1, -1), dtypes, device, strided=True)
            if 0 in weight.shape:
                raise ValueError(f"weights[{g}] is {list(weight.shape)}; expected no empty dimension")
            filled.append(weight.new_zeros(weight.shape[0]) if bias is None else bias)
            check_tensor(f"biases[{g}]", filled[g], weight.shape[:1], (first.dtype,), first.device, strided=True)
            check_choice(f"activations[{g}]", activation, ACTIVATIONS)
        widths_in, widths_out = tuple(w.shape[1] for w in weights), tuple(w.shape[0] for w in weights)
        tile = tile_for(widths_out) if tile is None else tile
        return cls(
            weight=torch.cat([F.pad(w, (0, padded(k) - k)).flatten() for w, k in zip(weights, widths_in, strict=True)]),
            bias=torch.cat(filled),
            table=_table(widths_in, widths_out, [ACTIVATIONS.index(a) for a in activations], tile).to(first.device),
            widths_in=widths_in,
            widths_out=widths_out,
            activations=tuple(activations),
            tile=tile,
        )

    @property
    def num_groups(self) -> int:
        return len(self.widths_in)

    @property
    def equal(self) -> bool:
        """Whether all groups have one shape."""
        return alike(self.widths_in, self.widths_out)

    def weights(self) -> list[torch.Tensor]:
        """Views [H_g, K_g] of the packed weights."""
        sizes = [h * padded(k) for k, h in zip(self.widths_in, self.widths_out, strict=True)]
        flat = torch.split(self.weight, sizes)
        return [w.view(h, -1)[:, :k] for w, k, h in zip(flat, self.widths_in, self.widths_out, strict=True)]

    def to(self, device: torch.device) -> "PackedLinears":
        """The same on another device."""
        return replace(self, weight=self.weight.to(device), bias=self.bias.to(device), table=self.table.to(device))


def alike(widths_in: Sequence[int], widths_out: Sequence[int]) -> bool:
    """Whether groups of these widths all have one shape."""
    return len(set(widths_in)) == len(set(widths_out)) == 1


def padded(width: int) -> int:
    """A row of weights with its zeros."""
    return -(-width // ROW_MULTIPLE) * ROW_MULTIPLE


def tile_for(widths_out: Sequence[int]) -> int:
    """The largest tile of outputs that computes few outputs nobody wants."""
    wanted = sum(widths_out)
    fitting = [t for t in TILES if sum(-(-h // t) * t for h in widths_out) <= MAX_PADDING * wanted]
    return fitting[0] if fitting else TILES[-1]


def _table(widths_in: Sequence[int], widths_out: Sequence[int], activations: Sequence[int], tile: int) -> torch.Tensor:
    """Lines `first column of x, K, first weight, weights a row, first output, outputs, activation, 0`, deepest first:
    what takes longest starts first, and the short ones fill the end."""
    lines = []
    x_at = weight_at = out_at = 0
    for k, h, activation in zip(widths_in, widths_out, activations, strict=True):
        for start in range(0, h, tile):
            row = weight_at + start * padded(k)
            lines.append((x_at, k, row, padded(k), out_at + start, min(tile, h - start), activation, 0))
        x_at, weight_at, out_at = x_at + k, weight_at + h * padded(k), out_at + h
    return torch.tensor(sorted(lines, key=lambda line: -line[1]), dtype=torch.int32)
