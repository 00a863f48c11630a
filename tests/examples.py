"""How many examples Hypothesis tries: few in the quick suite, most in the slow one."""

from hypothesis import settings

__all__ = ["MANY", "QUICK", "examples"]

#: Profiles of Hypothesis, for ``--hypothesis-profile``.
QUICK, MANY = "quick", "many"


def examples(default: int, many: int | None = None) -> int:
    """Return the examples of a test, by the profile of the run.

    Parameters
    ----------
    default : of ``make test``; ``make quick`` tries a fifth of them
    many : of ``make test-slow``; without, twice as many as in ``make test``
    """
    profile = settings.get_current_profile_name()
    if profile == QUICK:
        return max(2, default // 5)
    if profile == MANY:
        return 2 * default if many is None else many
    return default
