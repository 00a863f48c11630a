"""Writing a file completely or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dataflow.errors import InputError

__all__ = ["atomic_write"]


@contextmanager
def atomic_write(path: str | os.PathLike[str], what: str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; if the block succeeds, the file written there replaces `path`.

    Until then an existing file at `path` is left alone, and no half-written file remains in any case.

    Parameters
    ----------
    path : the file to write
    what : kind of the file, for error messages

    Raises
    ------
    InputError
        The path cannot be written to.
    """
    target = Path(path)
    if not target.name:
        raise InputError(f"{what} file {str(path)!r} must be writable, not: Is a directory")
    part = target.with_name(target.name + ".part")
    try:
        yield part
        part.replace(target)
    except OSError as error:
        raise InputError(f"{what} file {str(path)!r} must be writable, not: {error.strerror}") from error
    finally:
        with suppress(OSError):
            part.unlink()
