"""Place and route with several seeds at once, of which the fastest design is kept."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

from dataflow import InputError, ToolError
from dataflow.cores import core_count
from dataflow.programs import end
from rtl.bitstream.report import fmax_of
from rtl.bitstream.tools import Progress, run_tool

__all__ = ["checked_seeds", "place_and_route"]

#: What is read of a design, which all seeds share.
_INPUTS = {".json", ".lpf", ".pcf"}


def _with_seed(command: Sequence[str], seed: int) -> list[str]:
    """Return nextpnr's command with another seed."""
    changed = list(command)
    changed[changed.index("--seed") + 1] = str(seed)
    return changed


def place_and_route(
    command: Sequence[str],
    folder: Path,
    seeds: Sequence[int],
    clock_mhz: float,
    progress: Progress,
    advance: Callable[[float], None],
) -> dict[int, float]:
    """Place and route a design in `folder` once for each seed, as many at once as there are cores; keep the fastest.

    Of equally fast ones the first is kept, so the same seeds give the same design.

    Parameters
    ----------
    command : nextpnr's, with a seed
    clock_mhz : clock of the design
    progress : called with the current activity, and with each result where there are several
    advance : called with the share of it that is done, of a single seed

    Returns
    -------
    dict
        The highest clock of each seed's design in MHz, the kept one's first; seeds whose design cannot be routed are
        left out.

    Raises
    ------
    ToolError
        No seed gives a design; the message is that of the first.
    """
    if len(seeds) == 1:
        run_tool(_with_seed(command, seeds[0]), folder, progress, advance=advance)
        return {seeds[0]: fmax_of(folder / "report.json", clock_mhz)}
    progress(f"place and route ({command[0]}): seeds {', '.join(map(str, seeds))}")
    ending = Event()
    processes: list[subprocess.Popen[str]] = []

    def begun(process: "subprocess.Popen[str]") -> None:
        processes.append(process)
        if ending.is_set():
            end(process)

    failures: dict[int, ToolError] = {}
    found: dict[int, float] = {}

    def run(seed: int) -> None:
        place = folder / f"seed{seed}"
        place.mkdir()
        for file in folder.iterdir():
            if file.suffix in _INPUTS:
                _share(file, place / file.name)
        try:
            run_tool(_with_seed(command, seed), place, lambda text: None, begun=begun)
        except ToolError as error:
            failures[seed] = error
            if ending.is_set():
                return
            progress(f"seed {seed}: {error}")
        else:
            found[seed] = fmax_of(place / "report.json", clock_mhz)
            progress(f"seed {seed}: {found[seed]:.2f} MHz")

    with ThreadPoolExecutor(core_count()) as pool:
        try:
            list(pool.map(run, seeds))
        except BaseException:
            # An interruption reaches this thread alone; the others wait for their programs.
            ending.set()
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(processes):
                end(process)
            raise
    order = sorted(found, key=lambda seed: (-found[seed], seeds.index(seed)))
    _keep(folder / f"seed{[*order, *seeds][0]}", folder)
    for seed in seeds:
        shutil.rmtree(folder / f"seed{seed}")
    if not found:
        raise failures[seeds[0]]
    return {seed: found[seed] for seed in order}


def checked_seeds(seed: int, seeds: int) -> range:
    """Return the seeds from the first one on.

    Raises
    ------
    InputError
        There is none, or the first one is negative.
    """
    if seeds < 1:
        raise InputError(f"Seeds must be at least 1, not {seeds}")
    if seed < 0:
        raise InputError(f"Seed must be at least 0, not {seed}")
    return range(seed, seed + seeds)


def _share(file: Path, target: Path) -> None:
    """Give a file another name, or copy it where a file system knows no such thing."""
    try:
        os.link(file, target)
    except OSError:
        shutil.copy(file, target)


def _keep(place: Path, folder: Path) -> None:
    """Move what nextpnr made to the folder of the design, its output at the end of that of the other programs."""
    with (folder / "tools.log").open("a") as log:
        log.write((place / "tools.log").read_text())
    for file in place.iterdir():
        if file.name == "report.json" or file.suffix not in {*_INPUTS, ".log"}:
            file.replace(folder / file.name)
