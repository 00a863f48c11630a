"""Running external programs, none of whose processes outlives the work for which they were started."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

__all__ = ["end", "started"]

#: Seconds that a program gets to end in order, in which a compiler removes its temporary files.
_GRACE = 3.0


@contextmanager
def started(
    command: Sequence[str],
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | int = subprocess.PIPE,
) -> Iterator["subprocess.Popen[str]"]:
    """Start a program and yield it; at the end of the block wait for it, or end it if an exception stops the block.

    It has a process group of its own, so that the processes that it starts (a compiler's, a simulator's) end with it.
    So does the exception that SIGTERM and Ctrl-C become in a command, which only the first process would get.

    Parameters
    ----------
    folder : where it runs
    output : where its output and its errors go; the default is the yielded process' `stdout`, as text
    """
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0 if os.name == "posix" else None,
    ) as process:
        try:
            yield process
        except BaseException:
            end(process)
            raise


def end(process: "subprocess.Popen[str]") -> None:
    """End a program and the processes that it started, at once if it does not end by itself."""
    try:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    finally:
        _signal(process, signal.SIGKILL if os.name == "posix" else signal.SIGTERM)


def _signal(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    if os.name != "posix":
        process.terminate()
        return
    with suppress(ProcessLookupError):  # all of them have ended
        os.killpg(process.pid, number)
