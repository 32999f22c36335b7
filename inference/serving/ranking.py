"""The path of a request. `Ranker.rank` is the list of its steps.

1. The request arrives, decoded, and the clock runs from its arrival.
2. Admit: refuse at once what would be late; pin one view of the live release.
3. Hydrate: user, item and pair rows in one round trip; the user's row is computed here if it must be.
4. Route: pick the model variant. After hydration, for what is cached and how much time is left are known only then.
5. Batch and 6. score: a free engine takes all that waits, as one `RankInputs`.
7. Select the k best, a share of the slots by chance, and answer.
8. Report to Kafka what was served and what was missing, off the path.

Where 3 to 6 cannot be done in time the answer is in retrieval order: `degrade.LADDER` is the table.
"""

import asyncio
import logging
from collections import defaultdict
from math import nan

from cache.store import Store, StoreRefused, StoreUnavailable
from inference import metrics
from inference.release import Release
from inference.serving.admission import Admission
from inference.serving.call import Call, Fallback
from inference.serving.deadline import Deadline
from inference.serving.degrade import Reason
from inference.serving.engine import Engine, Scored, ScoreJob
from inference.serving.errors import invalid, not_ready, past_deadline
from inference.serving.estimate import Estimate
from inference.serving.hydration import hydrate_items, nothing, observe
from inference.serving.inputs import ScoreInput
from inference.serving.prepare import Preparation
from inference.serving.reporter import Reporter, Served
from inference.serving.route import choose_variant
from inference.serving.schema import PrepareAnswer, PrepareRequest, RankAnswer, RankRequest
from inference.serving.settings import RankerSettings
from inference.serving.slate import (
    Selection,
    ranked_items,
    ranked_user,
    select,
    select_by_retrieval,
    slate_facts,
)
from inference.serving.user_side import UserSide
from inference.serving.watermarks import Watermarks
from inference.watcher import ReleaseWatcher
from runtime.clock import Clock
from runtime.ids import ItemId, UserId
from runtime.logs import kv

log = logging.getLogger(__name__)


class Ranker:
    """Ranks requests; everything it waits for has the request's deadline around it."""

    def __init__(
        self,
        store: Store,
        model: str,
        watcher: ReleaseWatcher,
        watermarks: Watermarks,
        engine: Engine,
        user_side: UserSide,
        reporter: Reporter,
        settings: RankerSettings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._model = model
        self._watcher = watcher
        self._watermarks = watermarks
        self._engine = engine
        self._user_side = user_side
        self._reporter = reporter
        self._settings = settings
        self._clock = clock
        self._scoring: defaultdict[str, Estimate] = defaultdict(Estimate)  # by variant, seconds by candidates
        self._preparation = Preparation(store, user_side)
        self.admission = Admission(settings.max_in_flight)

    async def rank(self, request: RankRequest, arrived_s: float) -> RankAnswer:
        """The slate; raises RequestError. `arrived_s` is the clock's monotonic time of the request's arrival."""
        call = self._begin(request, arrived_s)
        with self.admission.admit(len(request.candidates), call.deadline):
            try:
                await self._hydrate(call)
                self._route(call)
                selection = self._select(call, await self._score(call))
            except Fallback as fallback:
                selection = self._select_by_retrieval(call, fallback.reason)
            answer = self._answer(call, selection)
        late = call.deadline.passed
        self._observe(call)
        if late:
            raise past_deadline(call.deadline.deadline_ms)
        self._report(call, selection)
        return answer

    async def prepare(self, request: PrepareRequest) -> PrepareAnswer:
        """Publish that retrieval has started and begin the user's side; does not wait for it."""
        release = self._pin(request.model)
        self._reporter.retrieval_started(request)
        self._preparation.begin(release, UserId(request.user_id))
        version = release.model_version
        return PrepareAnswer(
            request_id=request.request_id, user_id=request.user_id, model=version.model, version=version.version
        )

    def observe(self) -> None:
        """Set the gauges, when somebody asks for the metrics."""
        metrics.in_flight.set(self.admission.requests)
        metrics.backlog.set(self.admission.candidates)
        oldest_ms = self._watermarks.oldest_ms()
        metrics.behind_seconds.set(nan if oldest_ms is None else max(self._clock.now_ms() - oldest_ms, 0) / 1000)
        metrics.release_info.clear()
        metrics.eight_bit_linears.clear()
        if (release := self._watcher.live) is not None:
            version, served = release.model_version, self._engine.precision(release)
            metrics.release_info.labels(version.model, version.version, served.precision).set(1)
            for variant in release.manifest.variants:
                metrics.eight_bit_linears.labels(variant).set(served.num_fp8(variant))

    async def drain(self, timeout_s: float) -> None:
        """Wait for the user sides that are being prepared and for the rows that are being computed and written."""
        await self._preparation.drain(timeout_s)

    def _begin(self, request: RankRequest, arrived_s: float) -> Call:
        settings = self._settings
        deadline_ms = request.deadline_ms or settings.default_deadline_ms
        release = self._pin(request.model)
        call = Call(
            request,
            [ItemId(candidate.item_id) for candidate in request.candidates],
            release,
            Deadline.after(self._clock, arrived_s, deadline_ms, settings.reserve_ms),
        )
        call.took("decode", call.deadline.elapsed_s())
        if self._watcher.stale:
            call.reasons.append(Reason.RELEASE_STALE)
        return call

    def _pin(self, model: str | None) -> Release:
        if model is not None and model != self._model:
            raise invalid(f"model {model!r} is not served here; {self._model!r} is", "model")
        release = self._watcher.live
        if release is None:
            raise not_ready(f"no release of model {self._model!r} is loaded")
        return release

    async def _hydrate(self, call: Call) -> None:
        began_s, manifest = self._clock.monotonic(), call.release.manifest
        with call.stage("hydrate"):
            try:
                async with asyncio.timeout(call.deadline.usable_s()):
                    found = await self._store.hydrate(manifest.model_version, call.user, call.items)
            except (StoreUnavailable, StoreRefused, TimeoutError) as error:
                log.debug(kv("not hydrated", error=repr(error)))
                call.hydration = nothing(len(call.items), manifest)
                is_late = isinstance(error, TimeoutError)
                raise Fallback(Reason.HYDRATE_LATE if is_late else Reason.STORE_UNAVAILABLE) from None
            call.hydration = hydrate_items(found, call.items, manifest, self._clock.now_ms())
        # Only hydrations that came count, and without the user's tower: a store that hangs or a tower that is late
        # must lead to fallbacks, not to refusals.
        self.admission.hydration.add(len(call.items), self._clock.monotonic() - began_s)
        with call.stage("user"):
            predicted_s = self.admission.scoring.seconds(self.admission.candidates)
            budget_s = max(call.deadline.usable_s() - predicted_s, 0.0)
            settled = await self._user_side.settle(call.release, call.user, found, budget_s)
            call.hydration.user = settled.user
        call.reasons += call.hydration.reasons + settled.reasons
        self._reporter.missing_items(manifest.model_version, call.hydration.missing)

    def _route(self, call: Call) -> None:
        num_candidates = len(call.request.candidates)
        call.variant = choose_variant(
            call.release.manifest.variants,
            self._settings.variant,
            self._settings.cold_variant,
            is_cold=call.hydration.user.values is None,
            predicted_s={name: cost.seconds(num_candidates) for name, cost in self._scoring.items()},
            usable_s=call.deadline.usable_s(),
        )

    async def _score(self, call: Call) -> Scored:
        request, clock = call.request, self._clock
        context = call.release.context(request.surface, request.context)
        job = ScoreJob(call.release, call.variant, ScoreInput(call.hydration, context))
        began_s = clock.monotonic()
        try:
            async with asyncio.timeout(call.deadline.usable_s()):
                scored = await self._engine.score(job)
        except TimeoutError:
            raise Fallback(Reason.SCORE_LATE) from None
        except Exception as error:  # whatever the model does, the request is answered
            log.error(kv("scoring failed", release=call.release.model_version, error=repr(error)))
            raise Fallback(Reason.SCORE_FAILED) from None
        call.took("queue", max(scored.began_s - began_s, 0.0))
        call.took("score", clock.monotonic() - max(scored.began_s, began_s))
        if scored.first:
            self._measure(call.variant, scored)
        return scored

    def _measure(self, variant: str, scored: Scored) -> None:
        self.admission.scoring.add(scored.batch_candidates, scored.batch_s)
        self._scoring[variant].add(scored.batch_candidates, scored.batch_s)
        metrics.batch_candidates.observe(scored.batch_candidates)
        metrics.batch_requests.observe(scored.batch_requests)

    def _select(self, call: Call, scored: Scored) -> Selection:
        with call.stage("select"):
            weight, known = call.release.manifest.conversion_weight, ~call.hydration.gone
            return select(call.request, call.items, scored, weight, known, self._explore_share(call))

    def _explore_share(self, call: Call) -> float:
        return self._settings.explore_share if call.request.explore else 0.0

    def _select_by_retrieval(self, call: Call, reason: Reason) -> Selection:
        call.reasons.append(reason)
        call.variant = "retrieval-order"
        with call.stage("select"):
            return select_by_retrieval(call.request, call.items)

    def _answer(self, call: Call, selection: Selection) -> RankAnswer:
        request, version = call.request, call.release.model_version
        behind_ms = self._watermarks.behind_ms(call.user)
        if behind_ms is None:
            call.reasons.append(Reason.WATERMARK_MISSING)
        elif behind_ms > self._settings.max_behind_ms:
            call.reasons.append(Reason.BEHIND)
        weight = call.release.manifest.conversion_weight
        return RankAnswer(
            request_id=request.request_id,
            user_id=request.user_id,
            model=version.model,
            version=version.version,
            variant=call.variant,
            items=ranked_items(request, call.hydration, selection),
            user=ranked_user(call.hydration),
            behind_ms=behind_ms,
            degraded=[reason.value for reason in call.reasons],
            stages_ms={name: round(seconds * 1000, 3) for name, seconds in call.stages_s.items()}
            | {"total": round(call.deadline.elapsed_s() * 1000, 3)},
            explain=slate_facts(call.hydration, selection.scored, weight) if request.explain else None,
        )

    def _observe(self, call: Call) -> None:
        call.observe()
        observe(call.hydration)
        metrics.variants.labels(call.variant).inc()

    def _report(self, call: Call, selection: Selection) -> None:
        if selection.scored is None:
            return
        version, now_ms = call.release.model_version, self._clock.now_ms()
        self._reporter.served(
            Served(call.request, version, call.variant, call.hydration, selection, self._explore_share(call), now_ms)
        )
