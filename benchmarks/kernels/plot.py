"""What a request costs against its number of candidates, as a picture: docs/kernels/cost.svg."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.kernels.case import EXPANDED, OURS
from benchmarks.kernels.results import Row

PLOT = Path(__file__).parents[2] / "docs" / "kernels" / "cost.svg"
OP, MODEL = "ranker_forward", "compact"
LINES = {EXPANDED: "request copied to every candidate", OURS: "request's work done once"}


def points(rows: Sequence[Row], provider: str) -> list[tuple[int, float]]:
    """(candidates, milliseconds) of one request through the compact model."""
    found = []
    for row in rows:
        if (row.op, row.provider) != (OP, provider):
            continue
        model, n, b = row.shape.split()
        if (model, b) == (MODEL, "B=1"):
            found.append((int(n.removeprefix("N=")), row.ms))
    return sorted(found)


def draw(rows: Sequence[Row], path: Path = PLOT) -> bool:
    """Both axes logarithmic: a cost in proportion to the candidates is a line of slope one. False without a point."""
    lines = {label: points(rows, name) for name, label in LINES.items()}
    if not any(lines.values()):
        return False
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "solaris"  # the same rows give the same file
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4))
    for label, line in lines.items():
        axes.loglog([n for n, _ in line], [ms for _, ms in line], marker="o", label=label)
    axes.set(xlabel="candidates", ylabel="milliseconds of the forward pass", title="One request, compact model, CPU")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)
    return True
