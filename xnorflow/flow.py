"""The flow from a trained model to a bitstream: a list of steps, each a function of its own."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dataflow import InputError, Network, network_cost, save_network
from dataflow.writing import locked, output_folder
from xnorflow.folding import fold_to, interval_of_rate
from xnorflow.inputs import Frames, frames_of_input
from xnorflow.networks import open_network
from xnorflow.target import Target, board_family, with_target
from xnorflow.timing import Timing, clock_for, routed_clock, timing_of

if TYPE_CHECKING:
    from rtl.boards import Board

__all__ = ["STEPS", "Flow", "Settings", "build_bitstream", "run_flow"]

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """Settings of the flow.

    Parameters
    ----------
    model : an ONNX file, or a name of the zoo
    dataset : data set on which the accuracy is measured
    board : board of the bitstream
    fps : frames per second to reach
    out : folder for all results
    clock_mhz : clock for which the network is folded; the default is the board's
    verify_frames : frames compared in RTL, in addition to those in which the first layer's weights decide
    simulator : simulator of that comparison
    data : folder of the data sets
    """

    model: str
    dataset: str
    board: str
    fps: float
    out: str | os.PathLike[str]
    clock_mhz: float | None = None
    verify_frames: int = 20
    simulator: str = "verilator"
    data: str | os.PathLike[str] | None = None


@dataclass
class Flow:
    """Results of the steps so far. Each step reads the results of earlier ones."""

    settings: Settings
    network: Network | None = None
    frames: Frames | None = None
    simulation: dict[str, Any] = field(default_factory=dict)
    verilog: Path | None = None
    verification: Any = None
    bitstream: Any = None

    @property
    def folder(self) -> Path:
        """The folder for all results."""
        return Path(self.settings.out)


def _lower(flow: Flow, progress: Progress) -> str:
    flow.network = open_network(flow.settings.model)
    save_network(flow.network, flow.folder / "lowered.xnf")
    return f"{len(flow.network.nodes)} nodes, {flow.network.weight_bits:,} bits of weights"


def _fold(flow: Flow, progress: Progress) -> str:
    from dataflow.outputs import board_outputs
    from rtl.boards import board_of

    assert flow.network is not None
    board = board_of(flow.settings.board)
    clock = clock_for(board, flow.settings.clock_mhz)
    interval = interval_of_rate(flow.settings.fps, clock.mhz)
    folded = fold_to(board_outputs(flow.network), interval, family=board.family)
    flow.network = with_target(folded, Target(board.family, clock, board.name))
    save_network(flow.network, flow.folder / "folded.xnf")
    return f"{timing_of(flow.network, clock)}; wanted an interval of at most {interval:,}"


def _simulate(flow: Flow, progress: Progress) -> str:
    from xnorflow.simulation import simulation_summary

    assert flow.network is not None
    flow.frames = frames_of_input(flow.network, dataset=flow.settings.dataset, data=flow.settings.data)
    flow.simulation, _ = simulation_summary(flow.network, flow.frames)
    accuracy = flow.simulation["accuracy"]
    return f"{len(flow.frames)} frames, " + ("no accuracy" if accuracy is None else f"accuracy {accuracy:.2%}")


def _verilog(flow: Flow, progress: Progress) -> str:
    from rtl.verilog_files import write_verilog

    assert flow.network is not None
    flow.verilog = write_verilog(flow.network, flow.folder / "verilog")
    return str(flow.verilog)


def _verify(flow: Flow, progress: Progress) -> str:
    from hwsim import random_stalls
    from sim_tests.deciding import deciding_frames
    from sim_tests.verification import verify_rtl

    assert flow.network is not None
    assert flow.frames is not None
    # In ordinary frames most counts are far from their thresholds, so a single wrong weight would not show.
    frames = np.concatenate([flow.frames.values[: flow.settings.verify_frames], deciding_frames(flow.network)])
    stalls = random_stalls(flow.network, 1)
    result = verify_rtl(
        flow.network,
        frames,
        simulator=flow.settings.simulator,
        stalls=stalls,
        family=board_family(flow.network),
        progress=progress,
    )
    flow.verification = result
    return f"{result.beats_compared:,} beats and {result.cycles_compared:,} cycle numbers compared: " + (
        "all equal" if result.passed else f"{result.value_mismatches} and {result.cycle_mismatches} differ"
    )


def _bitstream(flow: Flow, progress: Progress) -> str:
    assert flow.network is not None
    folder = flow.folder / "bitstream"
    flow.bitstream = build_bitstream(
        flow.network, flow.settings.board, folder, clock_mhz=flow.settings.clock_mhz, progress=progress
    )
    report = flow.bitstream
    clock = routed_clock(report.clock_mhz, report.fmax_mhz, met=report.timing_met)
    return f"{report.luts:,} LUTs; {Timing(report.latency, report.interval, clock)}"


#: The steps, in order: a name, and a function that returns one line about its result.
STEPS: tuple[tuple[str, Callable[[Flow, Progress], str]], ...] = (
    ("lower", _lower),
    ("fold", _fold),
    ("simulate", _simulate),
    ("verilog", _verilog),
    ("verify", _verify),
    ("bitstream", _bitstream),
)


def run_flow(settings: Settings, progress: Progress, *, done: Callable[[str, str], None]) -> Flow:
    """Run all steps.

    Parameters
    ----------
    progress : called with what a step is doing
    done : called with the name of a finished step and one line about its result

    Raises
    ------
    InputError
        Bad input to a step, or a folder that cannot be written to, or that another flow has.
    """
    flow = Flow(settings)
    with locked(output_folder(flow.folder), "flow"):
        for name, step in STEPS:
            progress(name)
            done(name, step(flow, progress))
    return flow


def build_bitstream(
    network: Network,
    board: str,
    folder: str | os.PathLike[str],
    *,
    clock_mhz: float | None = None,
    baud: int = 1_000_000,
    seeds: int = 1,
    progress: Progress | None = None,
    advance: Callable[[float], None] = lambda share: None,
) -> Any:
    """Build the bitstream of a network with a serial link.

    The network is built with its class and its scores as outputs, or with its bits. Interval and latency in the report
    come from the cycle simulator.

    Returns
    -------
    rtl.bitstream.BitstreamReport
    """
    from dataflow.outputs import board_outputs
    from rtl.bitstream import build
    from rtl.boards import board_of

    whole = board_outputs(network)
    _check_size(whole, board_of(board))
    timing = timing_of(whole)
    return build(
        whole,
        board,
        folder,
        interval=timing.interval,
        latency=timing.latency,
        clock_mhz=clock_mhz,
        baud=baud,
        seeds=seeds,
        progress=progress or (lambda text: None),
        advance=advance,
    )


def _check_size(network: Network, board: "Board") -> None:
    """Refuse a network that is far too big before hours of synthesis. Synthesis decides the cases that are closer."""
    cost = network_cost(network, board.family)
    if cost.cells(board.family) > 2 * board.luts or cost.brams > 2 * board.brams:
        raise InputError(
            f"Network {network.name!r} must fit {board.name} with {board.luts:,} logic cells and {board.brams} block "
            f"RAMs, not need about {cost.cells(board.family):,} and {cost.brams}"
        )
