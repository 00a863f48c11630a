"""The results of a benchmark, and measuring time."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Measurement", "Process", "processor_seconds_of", "run_python", "seconds_of"]


@dataclass(frozen=True)
class Measurement:
    """One figure.

    Parameters
    ----------
    what : what was measured, with its size
    value, unit : the figure
    goal : the target, if there is one
    """

    what: str
    value: float
    unit: str
    goal: str = ""


@dataclass(frozen=True)
class Process:
    """Elapsed time, peak memory and output of a process."""

    seconds: float
    peak_megabytes: float
    output: str


def seconds_of(work: Callable[[], object], *, repeats: int = 3) -> float:
    """Return the seconds of `work`, the best of several calls. A call before them does the compilation."""
    return _best_of(work, repeats, time.perf_counter)


def processor_seconds_of(work: Callable[[], object], *, repeats: int = 3) -> float:
    """Return the processor time of `work` in this thread, measured like `seconds_of`; other processes do not count."""
    return _best_of(work, repeats, time.thread_time)


def _best_of(work: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    work()
    times = []
    for _ in range(repeats):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times)


def run_python(arguments: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Process:
    """Run Python with arguments in a fresh process.

    Parameters
    ----------
    environment : variables in addition to those of this process

    Raises
    ------
    RuntimeError
        It failed; the message contains its output.
    """
    start = time.perf_counter()
    variables = os.environ | (environment or {})
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True, env=variables) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"Python {' '.join(arguments)} must succeed, not exit with {process.returncode}: {output}")
    # Linux counts in kilobytes, macOS in bytes.
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return Process(time.perf_counter() - start, usage.ru_maxrss / unit, output)
