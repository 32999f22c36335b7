"""What one call must do: operations and bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FmBroadcastWork:
    """N candidates of nc embeddings of d numbers, rank k, B requests; `nu` rows of the request are written too."""

    n: int
    nc: int
    d: int
    k: int
    b: int
    nu: int = 0
    itemsize: int = 2

    @property
    def flops(self) -> int:
        """The projection `C^T Y_c` and the products of C and of U with it; adding `t` is one more per element."""
        return self.n * self.d * self.k * (4 * self.nc + 2 * self.nu + 1)

    @property
    def bytes_moved(self) -> int:
        """Embeddings, projection, requests' parts and the index in; the rows out."""
        rows_out = self.n * (self.nc + self.nu) * self.k
        floats = self.n * self.nc * self.d + self.nc * self.k + self.b * self.d * (self.k + self.nu) + rows_out
        return floats * self.itemsize + 4 * self.n
