"""The sizes of one release: every width that a row, a tensor or a module depends on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """The first five are the shape of what is stored and served; the others are inside the models.

    The defaults are the compact release, which trains in two minutes on two CPU cores.
    """

    user_tokens: int = 16  # T
    item_width: int = 64  # D
    pair_width: int = 32  # P
    context_width: int = 16  # C
    history_length: int = 128  # L
    num_feature_buckets: int = 4096
    num_heads: int = 4
    user_layers: int = 1
    foundation_layers: int = 2
    foundation_tap_width: int = 64
    foundation_interaction_layers: int = 2

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; at least 1 is needed")
        if self.item_width % self.num_heads:
            raise ValueError(f"item_width {self.item_width} is not a multiple of num_heads {self.num_heads}")
        if self.pair_width > self.foundation_tap_width:
            raise ValueError(f"pair_width {self.pair_width} exceeds foundation_tap_width {self.foundation_tap_width}")
