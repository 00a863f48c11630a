"""The program's standard streams when they are closed, full, or read by nobody any more."""

import os
import sys
from collections.abc import Callable
from typing import Any, TextIO, cast

__all__ = ["OutputError", "abandon_output", "guard_streams"]


class OutputError(Exception):
    """Standard output cannot be written to: nobody reads it any more, or there is no space.

    It is no OSError, which would be taken for that of a file, and which typer ends with the exit code 1.

    Parameters
    ----------
    error : that of the system
    """

    def __init__(self, error: OSError) -> None:
        self.is_closed = isinstance(error, BrokenPipeError)
        super().__init__(f"Standard output must be writable, not: {error.strerror}")


class _Guarded:
    """A text stream whose OSErrors are given to a function. Everything else is the stream's."""

    def __init__(self, stream: TextIO, failed: Callable[[OSError], None]) -> None:
        self._stream, self._failed = stream, failed

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._failed(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def guard_streams() -> None:
    """Let standard output fail with `OutputError`, and standard error not at all: no progress is worth an hour's work.

    Streams that are closed are replaced by ones that lead nowhere; else the first file that is opened would take their
    place, and get what is printed.
    """
    handle = 0
    while handle <= 2:
        handle = os.open(os.devnull, os.O_RDWR)
    os.close(handle)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as the program
        elif name == "stdout" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # as standard error has it: names are of any characters
        setattr(sys, name, cast(TextIO, _Guarded(stream, _raise if name == "stdout" else _ignore)))


def abandon_output() -> None:
    """Discard what is left to be written to standard output; Python would try, and complain, once more at its end."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # of a test
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _raise(error: OSError) -> None:
    raise OutputError(error) from error


def _ignore(error: OSError) -> None:
    pass
