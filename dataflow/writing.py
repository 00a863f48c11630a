"""Writing a file whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dataflow.errors import InputError

__all__ = ["written_whole"]


@contextmanager
def written_whole(path: str | os.PathLike[str], what: str) -> Iterator[Path]:
    """Give the path of a file beside `path` to write to; when it is written, it takes the place of `path`.

    Whatever happens, no half-written file stays, and what stood at `path` before stays until then.

    Parameters
    ----------
    what : what kind of file it is, for the sentence of the error

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
