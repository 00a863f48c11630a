"""Settings of all tests."""

from hypothesis import settings

# How long an example takes depends on the machine and on what else it does: no test asserts on time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
