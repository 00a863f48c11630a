"""A folder of generated files that may be generated again, and never takes anything away from its user."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataflow import InputError
from dataflow.writing import locked, scratch_beside

__all__ = ["FACTS", "GENERATOR", "digest_of", "require_folder", "write_folder"]

#: The file that lists the others with their digests, and its mark.
FACTS, GENERATOR = "core.json", "xnorflow verilog"

#: Parts of the sentences about files that are in the way.
_OURS, _REMEDY = "one that xnorflow verilog wrote, not another", "move it, or choose another folder"


def digest_of(text: str) -> str:
    """Return the digest of a file's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def require_folder(folder: str | os.PathLike[str]) -> None:
    """Refuse a file in place of the folder, before there is anything to write."""
    if os.path.lexists(folder) and not Path(folder).is_dir():
        raise InputError(f"Output folder {os.fspath(folder)!r} must be a folder, not a file")


def write_folder(folder: str | os.PathLike[str], files: Mapping[str, str]) -> None:
    """Write files into a folder: all of them, or none if anything fails.

    A folder that an earlier call has written may be written again. Files in it that are not of this function are left
    alone, such as those of a simulator.

    Parameters
    ----------
    files : text by path in the folder, with ``/``; among them `FACTS`, whose ``files`` are the digests of the others

    Raises
    ------
    InputError
        The folder cannot be written to, or has a file of one of these names that is not as it was written.
    """
    require_folder(folder)
    target = Path(folder)
    try:
        if not target.is_dir():
            _write_new(target, files)
            return
        with locked(target, GENERATOR):
            _replace(target, files)
    except FileExistsError as error:
        raise InputError(f"Output folder {os.fspath(folder)!r} must be inside a folder, not inside a file") from error
    except OSError as error:
        raise InputError(f"Output folder {os.fspath(folder)!r} must be writable, not: {error.strerror}") from error


def _write_new(target: Path, files: Mapping[str, str]) -> None:
    """Write a folder that does not exist, and give it its name when it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with scratch_beside(target, "verilog") as scratch:
        work = scratch / "package"
        _write(work, files)
        work.rename(target)


def _replace(target: Path, files: Mapping[str, str]) -> None:
    """Write a folder that exists: first beside its files, which are then replaced one by one."""
    earlier = _earlier(target)
    for name in {**files, **earlier}:
        if name != FACTS and os.path.lexists(target / name) and not _is_unchanged(target / name, earlier.get(name)):
            rule = "unchanged, not edited since xnorflow verilog wrote it" if name in earlier else _OURS
            raise InputError(f"File {name!r} in output folder {str(target)!r} must be {rule}: {_REMEDY}")
    # Inside the folder, which may be a file system of its own.
    with scratch_beside(target / "package", "verilog") as work:
        _write(work, files)
        for name in sorted({str(Path(name).parent) for name in files}):
            (target / name).mkdir(parents=True, exist_ok=True)
        for name in files:
            (work / name).replace(target / name)
    for name in earlier.keys() - files.keys():
        (target / name).unlink(missing_ok=True)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def _earlier(target: Path) -> dict[str, str]:
    """Return the digests of the files that an earlier call has written."""
    path = target / FACTS
    if not os.path.lexists(path):
        return {}
    try:
        facts: Any = json.loads(path.read_text(encoding="utf-8"))
        if facts["generator"] == GENERATOR:
            return {name: str(digest) for name, digest in facts["files"].items() if _is_inside(name)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise InputError(f"File {FACTS!r} in output folder {str(target)!r} must be {_OURS}: {_REMEDY}")


def _is_inside(name: str) -> bool:
    """Return whether a path stays inside the folder: names in a file are not trusted."""
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def _is_unchanged(path: Path, digest: str | None) -> bool:
    """Return whether a path is a file with this digest."""
    is_file = path.is_file() and not path.is_symlink()
    return is_file and hashlib.sha256(path.read_bytes()).hexdigest() == digest
