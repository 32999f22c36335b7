"""What a site's rows look like: moments by a streaming rule, and a sample of the rows themselves."""

from dataclasses import dataclass, field

import torch

SAMPLE_ROWS = 2048
RIDGE = 1e-6  # of the mean variance: a covariance of fewer rows than columns has no inverse


@dataclass(slots=True)
class Moments:
    """Of rows [N, K] that came in batches: mean [K], covariance [K, K], the largest magnitude, evenly chosen rows."""

    count: int = 0
    mean: torch.Tensor = field(default_factory=lambda: torch.zeros(0))
    scatter: torch.Tensor = field(default_factory=lambda: torch.zeros(0))  # sum of (x - mean)(x - mean)^T, float64
    largest: float = 0.0
    kept: list[torch.Tensor] = field(default_factory=list)
    _stride: int = 1  # one row in so many is kept

    def add(self, rows: torch.Tensor) -> None:
        """Another batch [N, K]; the order of batches changes the result by rounding alone."""
        n, k = rows.shape
        if n == 0:
            return
        if self.count == 0:
            self.mean, self.scatter = torch.zeros(k, dtype=torch.float64), torch.zeros(k, k, dtype=torch.float64)
        x = rows.detach().double().cpu()
        mean = x.mean(0)
        centred = x - mean
        total, difference = self.count + n, mean - self.mean
        self.scatter += centred.T @ centred + torch.outer(difference, difference) * (self.count * n / total)
        self.mean = self.mean + difference * (n / total)
        self.largest = max(self.largest, float(x.abs().max()))
        first = -self.count % self._stride
        self.kept.append(x[first :: self._stride].float())
        self.count = total
        if sum(map(len, self.kept)) > 2 * SAMPLE_ROWS:
            self.kept = [torch.cat(self.kept)[::2].contiguous()]
            self._stride *= 2

    @property
    def covariance(self) -> torch.Tensor:
        """[K, K] float64."""
        return self.scatter / max(self.count - 1, 1)

    @property
    def tail(self) -> float:
        """The largest magnitude over the root mean square: 4 is what a normal distribution has, 50 a heavy tail."""
        square = self.mean.square().mean() + self.covariance.diagonal().mean()
        return self.largest / float(square.sqrt().clamp(min=1e-30))

    def real(self) -> torch.Tensor:
        """Rows as they came, [at most 4096, K] float32."""
        return torch.cat(self.kept)

    def sampled(self, n: int = SAMPLE_ROWS, seed: int = 0) -> torch.Tensor:
        """Rows [N, K] float32 of a normal distribution with these moments."""
        covariance, k = self.covariance, len(self.mean)
        ridge = RIDGE * covariance.diagonal().mean() * torch.eye(k, dtype=torch.float64)
        values, vectors = torch.linalg.eigh(covariance + ridge)
        root = vectors * values.clamp(min=0.0).sqrt()  # [K, K]
        noise = torch.randn(n, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        rows: torch.Tensor = self.mean + noise @ root.T
        return rows.float()
