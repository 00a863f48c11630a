"""Names that users write, and the nearest one they may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches

from dataflow import InputError

__all__ = ["require_known"]


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
    nearest = get_close_matches(str(name), names, n=1)
    hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
    raise InputError(f"{what} must be one of {', '.join(names)}, not {name!r}{hint}")
