"""Which code was measured: a digest of every source that a figure or the gate depends on."""

import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = (
    "benchmarks/kernels", "cache", "inference", "kernels", "runtime",
    "tests/gpu", "tests/unit/inference/forward", "tests/unit/inference/precision", "tests/unit/kernels",
)  # fmt: skip
LENGTH = 12  # hexadecimal digits: enough for the few that one machine sees


@cache
def sources_digest(root: Path = ROOT) -> str:
    """Of names and contents, as they were when this process first asked."""
    digest = hashlib.sha256()
    found = [path for folder in FOLDERS for kind in ("*.py", "*.ini") for path in (root / folder).rglob(kind)]
    for path in sorted(found):
        for part in (str(path.relative_to(root)).encode(), path.read_bytes()):
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:LENGTH]
