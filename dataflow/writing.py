"""Writing a file completely or not at all, and a folder by one process at a time."""

import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EISDIR
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from dataflow.errors import InputError

__all__ = ["atomic_write", "check_writable", "locked", "output_folder", "scratch_beside"]

try:
    import fcntl
except ImportError:  # Windows has no locks of folders
    fcntl = None  # type: ignore[assignment]

#: Seconds after which a temporary file that no process has locked is taken for one that a killed process left.
_ABANDONED = 60.0


@contextmanager
def atomic_write(path: str | os.PathLike[str], what: str) -> Iterator[Path]:
    """Yield a temporary path; if the block succeeds, the file written there takes the place of the one at `path`.

    Until then an existing file is left alone, and no half-written file remains in any case. Several processes may
    write one file: each writes a temporary file of its own beside it, and the last one stays. A symbolic link is
    followed. What is no file, such as a device or a named pipe, gets the whole content and stays what it is.

    Parameters
    ----------
    path : the file to write
    what : kind of the file, for error messages

    Raises
    ------
    InputError
        The path cannot be written to.
    """
    try:
        if _is_special(path):
            with TemporaryDirectory(prefix="xnorflow-") as folder:
                yield (part := Path(folder) / "part")
                _copy_into(part, path)
        else:
            target = Path(os.path.realpath(path))
            _remove_abandoned(target)
            with _part_of(target) as part:
                yield part
    except OSError as error:
        raise InputError(_refusal(path, what, error)) from error


def check_writable(path: str | os.PathLike[str], what: str, *endings: str) -> bool:
    """Check before long work that `atomic_write` will find a folder for the file, and that the name suits the content.

    Parameters
    ----------
    endings : those of which the name must have one, such as ``.xnf``

    Returns
    -------
    bool
        Whether the path is, or becomes, an ordinary file; if it is a device or a named pipe, any ending will do.

    Raises
    ------
    InputError
        The path is a folder, the folder above it is missing, or the ending is another.
    """
    try:
        if _is_special(path):
            return False
        if endings and not os.fspath(path).endswith(endings):
            raise InputError(f"{what} file must end in {' or '.join(endings)}, not {os.fspath(path)!r}")
        os.stat(Path(os.path.realpath(path)).parent / ".")
    except OSError as error:
        raise InputError(_refusal(path, what, error)) from error
    return True


def output_folder(path: str | os.PathLike[str], what: str = "Output") -> Path:
    """Return a folder to write to, after creating it unless it exists.

    Raises
    ------
    InputError
        It cannot be created or written to.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except FileExistsError as error:
        raise InputError(f"{what} folder {str(path)!r} must be a folder, not a file") from error
    except OSError as error:
        raise InputError(f"{what} folder {str(path)!r} must be writable, not: {error.strerror}") from error
    return folder


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
    handle = _lock(folder)
    if handle is None:
        raise InputError(_in_use(folder, what))
    try:
        yield
    finally:
        os.close(handle)


@contextmanager
def scratch_beside(folder: str | os.PathLike[str], what: str) -> Iterator[Path]:
    """Yield an empty folder beside `folder`, on the same file system, and remove it at the end.

    Only one process at a time has it. What a killed process left in it is removed.

    Parameters
    ----------
    folder : need not exist; the folder above it does
    what : what writes there, for the error message

    Raises
    ------
    InputError
        Another process has the folder, or it cannot be created.
    """
    target = Path(folder)
    scratch = target.with_name(f".{target.name}.xnorflow-{what}")
    try:
        while True:
            scratch.mkdir(exist_ok=True)
            handle = _lock(scratch)
            if handle is None:
                raise InputError(_in_use(folder, what))
            if scratch.exists() and os.path.samestat(os.stat(scratch), os.fstat(handle)):
                break
            os.close(handle)  # of a folder that its last owner removed meanwhile
    except OSError as error:
        raise InputError(f"Output folder {os.fspath(folder)!r} must be writable, not: {error.strerror}") from error
    try:
        _empty(scratch)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(handle)


def _is_special(path: str | os.PathLike[str]) -> bool:
    """Return whether a path leads to something that is written to, but not replaced; a folder raises an error."""
    if not Path(path).name:
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
    return not stat.S_ISREG(mode) or os.fspath(path).startswith("/dev/")  # /dev/stdout may be a file


def _refusal(path: str | os.PathLike[str], what: str, error: OSError) -> str:
    return f"{what} file {os.fspath(path)!r} must be writable, not: {error.strerror or error}"


def _copy_into(part: Path, path: str | os.PathLike[str]) -> None:
    with part.open("rb") as source, open(os.open(path, os.O_WRONLY), "wb") as sink:
        shutil.copyfileobj(source, sink)


@contextmanager
def _part_of(target: Path) -> Iterator[Path]:
    """Yield a new, locked file beside `target`, and rename it to `target` if the block succeeds."""
    part = target.with_name(f".{_short(target.name)}.{secrets.token_hex(8)}.part")
    handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
    try:
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield part
        os.fsync(handle)  # some file systems notice only now that there is no space
        if target.exists():
            shutil.copymode(target, part)
        part.replace(target)
    finally:
        os.close(handle)
        with suppress(OSError):
            part.unlink()


def _remove_abandoned(target: Path) -> None:
    """Remove the temporary files of `target` that killed processes have left."""
    pattern = re.compile(rf"\.{re.escape(_short(target.name))}\.[0-9a-f]{{16}}\.part")
    for part in [entry for entry in os.scandir(target.parent) if pattern.fullmatch(entry.name)]:
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > _ABANDONED:
                handle = _lock(part.path)
                if handle is not None:
                    os.unlink(part.path)
                    os.close(handle)


def _short(name: str) -> str:
    """Return a file's name, or a digest of one that leaves no place for more."""
    return name if len(os.fsencode(name)) <= 200 else hashlib.sha256(os.fsencode(name)).hexdigest()


def _lock(path: str | os.PathLike[str]) -> int | None:
    """Return an open descriptor that locks a file or folder, or None if another process has locked it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return handle


def _in_use(folder: str | os.PathLike[str], what: str) -> str:
    return f"Output folder {os.fspath(folder)!r} must not be in use by another {what}, which still runs"


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
