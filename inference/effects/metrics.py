"""Metrics of what the effects leave out. Prefix `solaris_effects_`; the help text is the documentation."""

from prometheus_client import Counter

rows_not_encoded = Counter(
    "solaris_effects_rows_not_encoded", "User and item rows left out because a staged release failed to encode them."
)
