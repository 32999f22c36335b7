"""The model behind its thread: batches of hydrated requests in, probabilities out. Nothing here runs on the loop."""

import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from inference.forward.buckets import REQUESTS
from inference.precision.release_precision import ReleasePrecision
from inference.release import Release
from inference.serving.batcher import Batcher
from inference.serving.hydration import nothing
from inference.serving.inputs import ScoreInput, pack_inputs
from inference.serving.scorer import Scorer

MAX_BATCH_REQUESTS = REQUESTS[-1]  # what the forward pass is prepared for


class NotFinite(ValueError):
    """The model's probabilities are not numbers."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Probabilities of one request's candidates [N], and the batch they were computed in."""

    p_click: NDArray[np.float64]
    p_conversion: NDArray[np.float64]
    began_s: float  # monotonic
    batch_s: float
    batch_requests: int
    batch_candidates: int
    first: bool  # of its batch: who measures counts every batch once


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """One request, the release it is pinned to, and the variant it was routed to."""

    release: Release
    variant: str
    inputs: ScoreInput


class Engine:
    """Scores in one named executor thread; a free thread takes all that waits for the same release and variant."""

    def __init__(self, scorer: Scorer, executor: Executor, max_batch_candidates: int) -> None:
        self._scorer = scorer
        self._batcher: Batcher[ScoreJob, Scored] = Batcher(
            partial(score_batch, scorer), executor, max_batch_candidates, MAX_BATCH_REQUESTS
        )

    def stopped(self) -> str | None:
        """Why nothing is scored any more, None while batches come back: a condition of readiness."""
        return self._batcher.hung() or self._scorer.lost()

    def precision(self, release: Release) -> ReleasePrecision:
        """In what number formats a loaded release is scored."""
        return self._scorer.precision(release)

    async def score(self, job: ScoreJob) -> Scored:
        """Probabilities for `job`; raises whatever the model raised. Cancelling drops it if it has not begun."""
        key = (job.release.model_version, job.variant)
        return await self._batcher.submit(key, job, len(job.inputs.hydration.tier))


def score_batch(scorer: Scorer, jobs: Sequence[ScoreJob]) -> list[Scored | Exception]:
    """Score jobs of one release and one variant; NotFinite for the request whose scores are not, alone."""
    began_s = time.monotonic()
    release, variant = jobs[0].release, jobs[0].variant
    inputs = pack_inputs([job.inputs for job in jobs], release.manifest)
    outputs = scorer.score(release, variant, inputs)
    p_click = outputs.p_click.numpy().astype(np.float64)
    p_conversion = outputs.p_conversion.numpy().astype(np.float64)
    finite = np.isfinite(p_click) & np.isfinite(p_conversion)
    batch_s = time.monotonic() - began_s
    parts = [slice(first, end) for first, end in pairwise(inputs.user_offsets.tolist())]
    return [
        Scored(p_click[part], p_conversion[part], began_s, batch_s, len(jobs), len(p_click), index == 0)
        if finite[part].all()
        else NotFinite(f"variant {variant} of {release.model_version} gave probabilities that are not finite")
        for index, part in enumerate(parts)
    ]


def warm_up(scorer: Scorer, release: Release) -> dict[str, str]:
    """Score zeros with every variant and size that is usual, so that the first request finds a warm model.

    Raises what the model raises, and NotFinite. Gives what the log is to say of the release: in what it runs.
    """
    context = release.context(None, None)
    for variant in release.manifest.variants:
        for size, requests in scorer.warm_up:
            job = ScoreJob(release, variant, ScoreInput(nothing(size // requests, release.manifest), context))
            for scored in score_batch(scorer, [job] * requests):
                if isinstance(scored, Exception):
                    raise scored
    found = scorer.precision(release)
    said = {"precision": str(found.precision)}
    if found.recipes:
        said["fp8_linears"] = ", ".join(f"{variant} {found.num_fp8(variant)}" for variant in release.manifest.variants)
    return said
