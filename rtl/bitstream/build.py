"""The build of a bitstream: Amaranth plans it, the programs run in a temporary folder, and the results are moved."""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from amaranth.build.run import BuildPlan

from dataflow import InputError, Network, ToolError
from dataflow.writing import output_folder, scratch_beside
from rtl.bitstream.critical import critical_path
from rtl.bitstream.pll import EcpPll, IcePll, pll_of
from rtl.bitstream.report import (
    BitstreamReport,
    Use,
    check_fit,
    netlist_cells,
    packed_cells,
    use_by_place,
    use_of,
)
from rtl.bitstream.seeds import checked_seeds, place_and_route
from rtl.bitstream.tools import Progress, run_tool
from rtl.bitstream.top import BoardTop, divisor_of
from rtl.boards import Board, board_of
from rtl.link.protocol import info_of

__all__ = ["build", "plan_of"]

_SYNTHESIS = {"ice40": "-abc9 -device u", "ecp5": "-abc9 -nowidelut"}
_BITSTREAM = {"ice40": "top.bin", "ecp5": "top.bit"}

#: The file with the figures of a build.
_FIGURES = "bitstream.json"


def plan_of(
    network: Network, board: str, *, clock_mhz: float | None = None, baud: int = 1_000_000, seed: int = 1
) -> BuildPlan:
    """Return Amaranth's build plan: all files and commands. No tool is run.

    Parameters
    ----------
    network : a network with one uint8 or int8 input
    board : name of the board
    clock_mhz : clock; the default is the board's usual one
    baud : baud rate of the serial link
    seed : seed of the placement

    Raises
    ------
    InputError
        No such board, a clock or baud rate that it cannot generate, or a network that cannot have a serial link.
    """
    chosen = board_of(board)
    info_of(network)
    pll = _pll_of(chosen, clock_mhz)
    top = BoardTop(network, chosen, pll, divisor_of(_real_clock(chosen, clock_mhz), baud))
    return chosen.create_platform().build(
        top,
        do_build=False,
        emit_src=False,  # keeps paths of this machine out of the files
        synth_opts=_SYNTHESIS[chosen.family],
        # To a file, because console output after ABC does not arrive from Yosys under WebAssembly.
        script_after_synth="tee -q -o stat.json stat -json",
        # The report says whether the clock is met; a design that is too slow is not an error of the build.
        nextpnr_opts=f"--seed {seed} --timing-allow-fail --report report.json",
    )


def build(
    network: Network,
    board: str,
    folder: str | os.PathLike[str],
    *,
    interval: float,
    latency: int,
    clock_mhz: float | None = None,
    baud: int = 1_000_000,
    seed: int = 1,
    seeds: int = 1,
    progress: Progress = lambda text: None,
    advance: Callable[[float], None] = lambda share: None,
) -> BitstreamReport:
    """Build the bitstream of a network with a serial link. The same arguments give the same file.

    Parameters
    ----------
    network, board, clock_mhz, baud, seed : see `plan_of`
    seeds : how many placements are made, with this seed and those after it, of which the fastest is kept
    folder : for the bitstream and all intermediate files; unchanged if anything fails
    interval : cycles between frames, for the report
    latency : cycles from a frame's first beat in to its last beat out, for the report
    progress : called with the current activity
    advance : called with the share of it that is done, where it is known

    Returns
    -------
    BitstreamReport
        It is returned even if the design is too slow for its clock; see its `timing_met`.

    Raises
    ------
    InputError
        See `plan_of`; no seed; or the network does not fit the board.
    ToolError
        A program failed. Its logs are kept, and the message says where.
    """
    start = time.perf_counter()
    wanted = checked_seeds(seed, seeds)
    target = Path(folder).resolve()
    if target.exists() and not target.is_dir():
        raise InputError(f"Output of a bitstream must be a folder, not the file {str(folder)!r}")
    progress(f"{network.name} for {board}")
    plan = plan_of(network, board, clock_mhz=clock_mhz, baud=baud, seed=seed)
    given = Path(folder)  # as the user names it
    output_folder(given if given.exists() else given.parent)
    # Beside the target, because YoWASP's tools do not see the machine's /tmp, and a rename there is within one file
    # system.
    with scratch_beside(target, "build") as work:
        try:
            chosen = board_of(board)
            clock = _real_clock(chosen, clock_mhz)
            placed = _run(plan, network, chosen, work, wanted, clock, progress, advance)
            report = _report(network, chosen, work, target, clock, interval, latency, start, placed)
            (work / _FIGURES).write_text(json.dumps(report.to_json(), indent=2) + "\n")
            _move(work, target)
        except ToolError as error:
            kept = _keep_logs(work)
            raise ToolError(f"{error}{kept}") from error
        except OSError as error:
            raise InputError(f"Output folder {str(folder)!r} must be writable, not: {error.strerror}") from error
    return report


def _pll_of(board: Board, clock_mhz: float | None) -> IcePll | EcpPll | None:
    return pll_of(board, board.clock_mhz if clock_mhz is None else clock_mhz)


def _real_clock(board: Board, clock_mhz: float | None) -> float:
    """Return the actual clock of the design in MHz."""
    pll = _pll_of(board, clock_mhz)
    return float(board.oscillator_mhz if pll is None else pll.output_mhz)


def _run(
    plan: BuildPlan,
    network: Network,
    board: Board,
    work: Path,
    seeds: range,
    clock_mhz: float,
    progress: Progress,
    advance: Callable[[float], None],
) -> dict[int, float]:
    """Run the plan's programs; check after synthesis, and if nextpnr gives up, whether the network fits.

    Returns
    -------
    dict
        The highest clock of each seed's design in MHz, that of the bitstream first.
    """
    plan.extract(work)
    synthesize, route, pack = json.loads(plan.files["build_top.json"])["commands"]
    run_tool(synthesize, work, progress)
    check_fit(network, board, _netlist_use(work, board.family))
    try:
        placed = place_and_route(route, work, seeds, clock_mhz, progress, advance)
    except ToolError as error:
        used, available = packed_cells(work / "top.tim", board.family)
        if used > available:
            raise InputError(
                f"Network {network.name!r} must fit {board.name} with {available:,} logic cells, not need {used:,}"
            ) from error
        raise
    run_tool(pack, work, progress)
    return placed


def _netlist_use(work: Path, family: str) -> Use:
    """Return the resources of the netlist that Yosys wrote to a folder."""
    return use_of(netlist_cells(work / "stat.json", work / "top.json", family), family)


def _report(
    network: Network,
    board: Board,
    work: Path,
    target: Path,
    clock_mhz: float,
    interval: float,
    latency: int,
    start: float,
    placed: dict[int, float],
) -> BitstreamReport:
    use = _netlist_use(work, board.family)
    name = _BITSTREAM[board.family]
    return BitstreamReport(
        network=network.name,
        board=board.name,
        device=board.device,
        luts=use.luts,
        ffs=use.ffs,
        brams=use.brams,
        dsps=use.dsps,
        cells=packed_cells(work / "top.tim", board.family)[0],
        fmax_mhz=round(next(iter(placed.values())), 2),
        seed=next(iter(placed)),
        fmax_by_seed={seed: round(placed[seed], 2) for seed in sorted(placed)},
        clock_mhz=clock_mhz,
        latency=latency,
        latency_us=latency / clock_mhz,
        interval=interval,
        fps=clock_mhz * 1e6 / interval,
        bitstream=target / name,
        sha256=hashlib.sha256((work / name).read_bytes()).hexdigest(),
        seconds=round(time.perf_counter() - start, 1),
        critical_path=critical_path(work / "report.json", network, clock_mhz),
        places=use_by_place(work / "top.json", network, board.family),
    )


def _move(work: Path, target: Path) -> None:
    """Move all files. The figures are removed first and come last: without them a folder is taken for no build."""
    target.mkdir(exist_ok=True)
    (target / _FIGURES).unlink(missing_ok=True)
    for file in sorted(work.iterdir(), key=lambda file: (file.name == _FIGURES, file.name)):
        file.replace(target / file.name)


def _keep_logs(work: Path) -> str:
    """Copy the logs to a folder that stays; return a note about it, or nothing if there is no space for it."""
    try:
        kept = Path(tempfile.mkdtemp(prefix="xnorflow-bitstream-"))
        for name in ("top.rpt", "top.tim", "tools.log"):
            if (work / name).exists():
                shutil.copy(work / name, kept / name)
    except OSError:
        return ""
    return f" (logs in {kept})"
