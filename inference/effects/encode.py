"""Rows of the same inputs for several releases, so that a staged release that is broken costs the live one nothing."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from inference.effects import metrics
from inference.release import Release
from runtime.ids import ModelVersion
from runtime.logs import kv

log = logging.getLogger(__name__)

T = TypeVar("T")
Encode = Callable[[Release, Sequence[T]], list[bytes]]


def encode_for_all(
    releases: Sequence[Release], inputs: Sequence[T], encode: Encode[T]
) -> list[dict[ModelVersion, bytes]]:
    """Of each input its row per release. The first release is the live one: what `encode` raises for it is raised.

    Where `encode` raises for another one, each input is tried alone, and rows that fail are left out and counted; the
    switch then finds them missing.
    """
    rows: list[dict[ModelVersion, bytes]] = [{} for _ in inputs]
    for place, release in enumerate(releases):
        encoded = encode(release, inputs) if place == 0 else _what_can_be(release, inputs, encode)
        for row, one in zip(rows, encoded, strict=True):
            if one is not None:
                row[release.model_version] = one
    return rows


def _what_can_be(release: Release, inputs: Sequence[T], encode: Encode[T]) -> Sequence[bytes | None]:
    try:
        return encode(release, inputs)
    except Exception as error:
        encoded = [_alone(release, one, encode) for one in inputs]
        num_failed = encoded.count(None)
        metrics.rows_not_encoded.inc(num_failed)
        log.warning(kv("release cannot encode", version=release.model_version, rows=num_failed, error=repr(error)))
        return encoded


def _alone(release: Release, one: T, encode: Encode[T]) -> bytes | None:
    try:
        return encode(release, [one])[0]
    except Exception:  # the batch's error is logged, and every row counted
        return None
