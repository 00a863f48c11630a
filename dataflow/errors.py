"""The error that bad input raises everywhere: one sentence that names the thing, the rule and the value."""

__all__ = ["InputError"]


class InputError(ValueError):
    """Something the user gave must be otherwise.

    The text is one sentence, *Thing must be rule, not value*, with the node's name where there is one.
    The command line prints it as ``error: ...`` and exits with 2.
    """
