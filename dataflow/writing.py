"""Writing a file completely or not at all, and a folder by one process at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dataflow.errors import InputError

__all__ = ["atomic_write", "locked"]

try:
    import fcntl
except ImportError:  # Windows has no locks of folders
    fcntl = None  # type: ignore[assignment]


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


@contextmanager
def locked(folder: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Keep other processes that lock a folder out of it; the lock is gone with the process, and leaves no file.

    Parameters
    ----------
    folder : exists
    what : what writes there, for the error message

    Raises
    ------
    InputError
        Another process has locked the folder.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"Output folder {os.fspath(folder)!r} must not be in use by another {what}, which still runs"
            ) from error
        yield
    finally:
        os.close(handle)
