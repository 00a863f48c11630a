"""The errors that every folder raises alike: bad input, and a program of somebody else's that failed."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["InputError", "ToolError", "require_known"]


class InputError(ValueError):
    """Something the user gave must be otherwise.

    The text is one sentence, *Thing must be rule, not value*, with the node's name where there is one.
    The command line prints it as ``error: ...`` and exits with 2.
    """


class ToolError(RuntimeError):
    """A program that xnorflow starts (a simulator, Yosys, nextpnr ...) failed; the text says where its log is.

    The command line prints it as ``error: ...`` and exits with 1.
    """


def require_known(what: str, name: str, known: Iterable[str]) -> str:
    """Return `name`, one of `known`.

    Raises
    ------
    InputError
        Names what the thing is, the names there are, and the nearest one.
    """
    names = sorted(known)
    if name in names:
        return name
    nearest = get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
    raise InputError(f"{what} must be one of {', '.join(names)}, not {name!r}{hint}")
