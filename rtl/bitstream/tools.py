"""Running the programs for synthesis, place and route, and packing, which pip has installed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread

from dataflow import InputError, ToolError
from dataflow.programs import started
from rtl.bitstream.stages import LogWatch

__all__ = ["Progress", "path_of_tool", "run_tool"]

#: Called with one line about the current activity.
Progress = Callable[[str], None]

#: Seconds between two looks at a log.
_LOOKS = 0.25

#: The task of each program, for people.
_WORK = {
    "yosys": "synthesis",
    "nextpnr-ice40": "place and route",
    "nextpnr-ecp5": "place and route",
    "icepack": "packing",
    "ecppack": "packing",
}


def path_of_tool(name: str) -> str:
    """Return the path of a program: from the environment variable, else YoWASP's beside this Python or on the path.

    The variables are Amaranth's: ``YOSYS``, ``NEXTPNR_ICE40``, ``ICEPACK``, ``NEXTPNR_ECP5``, ``ECPPACK``.

    Raises
    ------
    InputError
        There is no such program.
    """
    wanted = os.environ.get(name.upper().replace("-", "_"), f"yowasp-{name}")
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    found = shutil.which(wanted, path=folders)
    if found is None:
        raise InputError(f"Program {wanted!r} must be installed (pip install 'xnorflow[fpga]'), not missing")
    return found


def run_tool(
    command: Sequence[str],
    folder: Path,
    progress: Progress,
    *,
    advance: Callable[[float], None] = lambda share: None,
    environment: Mapping[str, str] | None = None,
    begun: "Callable[[subprocess.Popen[str]], None]" = lambda process: None,
) -> None:
    """Run a program in `folder` and append its output to ``tools.log`` there.

    Parameters
    ----------
    command : name of the program as in `path_of_tool`, and arguments with paths relative to `folder` (YoWASP's
        WebAssembly sandbox has a ``/tmp`` of its own)
    progress : called with the program's task, with each of its stages, and if it must be compiled first
    advance : called with the share of a stage that is done, where it is known
    begun : called with the process

    Raises
    ------
    ToolError
        The program failed; the message is the last line of its output.
    """
    name, *arguments = command
    work = f"{_WORK.get(name, name)} ({name})"
    progress(work)
    watch = LogWatch(folder / _log_of(arguments), name, lambda stage: progress(f"{work}: {stage}"), advance)
    with (
        (folder / "tools.log").open("a") as log,
        _looking(watch),
        started([path_of_tool(name), *arguments], folder, environment=environment) as process,
    ):
        begun(process)
        last = ""
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            last = line.strip() or last
            if line.startswith("Preparing to run"):  # YoWASP prints this before it compiles the WebAssembly
                progress(f"compiling {name} for this machine: up to a minute, only this once")
    if process.returncode:
        raise ToolError(f"{name} failed: {last or f'exit code {process.returncode}'}")


def _log_of(arguments: Sequence[str]) -> str:
    """Return the name of the log that a program writes, or of one that will not exist."""
    return next((name for option, name in pairwise(arguments) if option in ("-l", "--log")), "no.log")


@contextmanager
def _looking(watch: LogWatch) -> Iterator[None]:
    """Look at a log often, in a thread: a program that writes to its log prints nothing."""
    over = Event()

    def look() -> None:
        while not over.wait(_LOOKS):
            watch.look()

    thread = Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
