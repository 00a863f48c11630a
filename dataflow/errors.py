"""The errors that all packages raise: bad input, and a failed external program."""

from collections.abc import Iterable
from difflib import get_close_matches
from tokenize import TokenError
from zipfile import BadZipFile
from zlib import error as ZlibError

__all__ = ["DAMAGED_ARRAYS", "InputError", "ToolError", "require_known"]

#: Errors that numpy raises for damaged or other files than .npy and .npz: it evaluates headers as Python literals, and
#: opens archives, whose parts may be compressed in other ways or claim to be huge.
DAMAGED_ARRAYS = (
    *(ValueError, EOFError, SyntaxError, TokenError, TypeError, OverflowError, RecursionError, MemoryError),
    *(BadZipFile, ZlibError, NotImplementedError, AttributeError, KeyError),
)


class InputError(ValueError):
    """Invalid input from the user.

    The message is one sentence, *Thing must be rule, not value*, with the node's name if there is one. The command
    line prints it as ``error: ...`` and exits with 2.
    """


class ToolError(RuntimeError):
    """An external program (a simulator, Yosys, nextpnr ...) failed. The message says where its log is.

    The command line prints it as ``error: ...`` and exits with 1.
    """


def require_known(what: str, name: str, known: Iterable[str]) -> str:
    """Return `name` after checking that it is one of `known`.

    Raises
    ------
    InputError
        It is not; the message lists the known names, and suggests the most similar one.
    """
    names = sorted(known)
    if name in names:
        return name
    nearest = get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
    raise InputError(f"{what} must be one of {', '.join(names)}, not {name!r}{hint}")
