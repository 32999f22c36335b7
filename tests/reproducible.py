"""The same examples of Hypothesis in every run: what fails, fails for whoever changed it.

`--hypothesis-profile=default` draws others. No limits of time: a busy machine must not decide, and the first call of a
kernel on a GPU compiles it.
"""

from hypothesis import HealthCheck, settings

settings.register_profile("reproducible", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("reproducible")
