"""A user's aggregate: the mean of the user's pair rows, which stands in for a pair that was not computed.

It is always made anew from the members, so that a duplicate write counts once. It promises no more than its weakest
member: `rev` is the greatest, `as_of_ms` and `computed_ms` are the smallest of its members (so its age is that of its
oldest part), and it lives as long as its longest lived member.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from cache.row import HEADER_BYTES, RowKind, decode_rows, encode_rows, stamped, width_of
from runtime.ids import ModelVersion


def aggregate_row(release: ModelVersion, members: Sequence[bytes]) -> bytes | None:
    """The aggregate of unexpired pair rows, complete with its times; None if none of them has usable values."""
    # A width that its row is too short for comes from damage, and must not decide how much memory is allocated.
    widths = Counter(width for row in members if 0 < (width := width_of(row)) <= 2 * (len(row) - HEADER_BYTES))
    if not widths:
        return None
    width = widths.most_common(1)[0][0]
    decoded = decode_rows(members, RowKind.PAIR, release, width, now_ms=0)
    used = decoded.present
    if not used.any():
        return None
    mean = decoded.values[used].mean(axis=0, dtype=np.float64).astype(np.float32)
    rev, as_of_ms = int(decoded.rev[used].max()), int(decoded.as_of_ms[used].min())
    row = encode_rows(RowKind.AGGREGATE, release, mean[None], rev=[rev], as_of_ms=[as_of_ms])[0]
    return stamped(row, int(decoded.computed_ms[used].min()), int(decoded.expires_ms[used].max()))
