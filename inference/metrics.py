"""Metrics of the ranker. Prefix `solaris_`, base units, no ids as labels; the help text is the documentation."""

from prometheus_client import Counter, Gauge, Histogram

from runtime.metrics import LATENCY_BUCKETS_S

SIZE_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)
AGE_BUCKETS_S = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400, 604_800)

requests = Counter(
    "solaris_ranker_requests", "Requests answered, by route and outcome (ok, or the type of the error).",
    ["route", "outcome"],
)  # fmt: skip
request_seconds = Histogram(
    "solaris_ranker_request_seconds",
    "From arrival to answer of ranked requests, to the refusal of those past their deadline.",
    buckets=LATENCY_BUCKETS_S,
)
stage_seconds = Histogram(
    "solaris_ranker_stage_seconds", "Time of a ranked request in each stage (decode, hydrate, user, queue, score, "
    "select).", ["stage"], buckets=LATENCY_BUCKETS_S,
)  # fmt: skip
request_candidates = Histogram("solaris_ranker_request_candidates", "Candidates of a request.", buckets=SIZE_BUCKETS)
batch_candidates = Histogram("solaris_ranker_batch_candidates", "Candidates scored in one call.", buckets=SIZE_BUCKETS)
batch_requests = Histogram("solaris_ranker_batch_requests", "Requests scored in one call.", buckets=SIZE_BUCKETS)
in_flight = Gauge("solaris_ranker_in_flight_requests", "Requests admitted and not answered.")
backlog = Gauge("solaris_ranker_backlog_candidates", "Candidates admitted and not answered; what admission goes by.")
variants = Counter("solaris_ranker_variant", "Requests by the model variant that scored them.", ["variant"])
degraded = Counter(
    "solaris_ranker_degraded",
    "Ranked requests, those past their deadline too, by rung of the degradation ladder.",
    ["reason"],
)
items = Counter("solaris_ranker_items", "Candidates by where their pair representation came from.", ["source"])
item_rows = Counter(
    "solaris_ranker_item_rows", "Candidates by what was found of their item row (row, negative, missing, corrupt).",
    ["found"],
)  # fmt: skip
users = Counter("solaris_ranker_users", "Requests by where the user's representation came from.", ["source"])
user_age_seconds = Histogram(
    "solaris_ranker_user_age_seconds", "Age of the user rows that were served.", buckets=AGE_BUCKETS_S
)
corrupt_rows = Counter("solaris_ranker_corrupt_rows", "Rows that failed their checks, by kind.", ["kind"])
negative_ages = Counter("solaris_ranker_negative_ages", "Rows computed after now: clocks disagree. Counted as age 0.")
user_rows_computed = Counter(
    "solaris_ranker_user_rows_computed", "User rows computed in this process, by outcome (ok, failed, refused: too "
    "many were waiting).", ["outcome"],
)  # fmt: skip
user_rows_written = Counter(
    "solaris_ranker_user_rows_written", "User rows written back, by outcome (stored, older, failed).", ["outcome"]
)
reports = Counter(
    "solaris_ranker_reports", "What was reported to Kafka off the path, by topic and outcome (sent, dropped, failed).",
    ["topic", "outcome"],
)  # fmt: skip
reports_waiting = Gauge("solaris_ranker_reports_waiting", "Reports waiting to be handed to the producer.")
misses_suppressed = Counter(
    "solaris_ranker_misses_suppressed", "Misses not reported: the same id within a minute, or over the rate.", ["kind"]
)
behind_seconds = Gauge(
    "solaris_ranker_behind_seconds", "Now minus the oldest watermark that answers depend on; NaN while one is missing."
)
release_info = Gauge(
    "solaris_ranker_release_info",
    "1 for the release that serves; precision says in what it is scored and, where not in fp8, why.",
    ["model", "version", "precision"],
)
eight_bit_linears = Gauge(
    "solaris_ranker_eight_bit_linears", "Linears of the release that serves that run in FP8, by variant.", ["variant"]
)
precision_tables = Counter(
    "solaris_ranker_precision_tables",
    "Releases made ready for a GPU, by what became of their precision table: fp8, or the reason of bf16.",
    ["precision"],
)
