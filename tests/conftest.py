"""Generated examples are the same in each run, however slow the machine is: a failure means a change.

``--hypothesis-profile=default`` draws others; so does ``python -m tests.differential.fuzz`` with whole programs.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "same examples", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same examples")
