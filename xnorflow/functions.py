"""The steps from a model to a bitstream as functions, for programs and notebooks: ``from xnorflow import lower, fold``.

Each imports what it needs when it is called, so that a program pays only for what it uses.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dataflow import InputError, Network

if TYPE_CHECKING:
    from hwsim import Run, Stalls
    from quant.recipes import Recipe
    from quant.training import TrainingResult
    from rtl.bitstream import BitstreamReport
    from sim_tests.verification import Verification
    from xnorflow.exploring import Front, Point, Space
    from xnorflow.quantization import Quantization

__all__ = ["build", "explore", "fold", "load", "lower", "quantize", "simulate", "train", "verify", "verilog"]

StrPath = str | os.PathLike[str]


def train(
    recipe: "Recipe | StrPath",
    out: StrPath,
    *,
    data: StrPath | None = None,
    resume: bool = False,
    progress: bool = True,
    **changes: Any,
) -> "TrainingResult":
    """Train a network into a folder. `quant.training.train` has further options.

    Parameters
    ----------
    recipe : a recipe, its name, or its TOML file
    data : folder of data sets, the default is $XNORFLOW_DATA
    resume : continue the run in `out`
    progress : show the progress on standard error
    changes : fields of the recipe with other values, such as ``epochs=5``

    Raises
    ------
    InputError
        As of `quant.training.train`.
    """
    from quant import recipes
    from quant.recipes import Recipe
    from quant.training import train as run

    chosen = recipe if isinstance(recipe, Recipe) else recipes.load(recipe)
    if changes:
        chosen = recipes.from_dict({**chosen.to_dict(), **changes})
    return run(chosen, data=data, out=out, resume=resume, progress=progress)


def explore(
    space: "Space | Mapping[str, Any] | StrPath",
    folder: StrPath,
    *,
    data: StrPath | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    build: int = 0,
    told: Callable[["Point"], None] = lambda point: None,
) -> "Front":
    """Return the front of a space: a list of the points that nothing found betters in all objectives at once.

    The folder keeps all points, and gets a page to click in. The same call goes on where an earlier one was stopped.
    `Front.network` returns the network of a point, trained and folded.

    Parameters
    ----------
    space : a space, its TOML file, or a dictionary with the same keys and tables
    data : folder of data sets, for trainings
    workers : processes of this machine that evaluate points
    scheduler : address of a Dask scheduler, whose workers evaluate them instead
    build : points of the front to prove, synthesize and route; `xnorflow.exploring.built_points` returns what they got
    told : called with each point as soon as its figures are known

    Raises
    ------
    InputError
        As of `xnorflow.exploring.explore`.
    """
    from xnorflow import exploring
    from xnorflow.exploring.page import write_page

    if isinstance(space, Mapping):
        wanted = exploring.space_of(space)
    else:
        wanted = space if isinstance(space, exploring.Space) else exploring.read_space(space)
    points = exploring.explore(wanted, folder, data=data, workers=workers, scheduler=scheduler, told=told)
    if build:
        exploring.build_front(wanted, points, folder, build, workers=workers, scheduler=scheduler)
    write_page(wanted, points, folder)
    return exploring.Front(wanted, points, folder)


def quantize(
    model: StrPath,
    output: StrPath,
    *,
    dataset: str,
    data: StrPath | None = None,
    frames: int = 256,
    test_frames: int = 500,
    outputs: str = "auto",
    **settings: Any,
) -> "Quantization":
    """Insert Quant nodes into a model with float parts, write it, and compare both on test images.

    Parameters
    ----------
    model : an ONNX file that takes pixel / 255
    output : the QONNX file to write, which is lowered exactly
    dataset : training images for the ranges, test images to compare
    data : folder of data sets, the default is $XNORFLOW_DATA
    frames, test_frames : numbers of images
    outputs : as of `lower`, to which the result is given
    settings : of `quant.quantizing.Settings`: ``bits``, ``stream_bits``, ``weight_bits``, ``how``

    Raises
    ------
    InputError
        As of `xnorflow.quantization.quantize_on`.
    """
    from quant.quantizing import Settings
    from xnorflow.quantization import quantize_on

    return quantize_on(
        dataset,
        model,
        output,
        data=data,
        frames=frames,
        test_frames=test_frames,
        outputs=outputs,
        settings=Settings(**settings),
    )


def lower(model: StrPath, *, input_kind: str = "auto", outputs: str = "auto", weight_tolerance: float = 0.0) -> Network:
    """Lower a model to a network, exactly.

    Parameters
    ----------
    model : a QONNX file, a folder with ``model.onnx``, or a name of the zoo
    input_kind, outputs, weight_tolerance : as of `quant.lowering.lower`

    Raises
    ------
    InputError
        No such model, or one that cannot be lowered.
    """
    from xnorflow.networks import lowered_network

    return lowered_network(model, input_kind=input_kind, outputs=outputs, weight_tolerance=weight_tolerance)


def load(network: StrPath) -> Network:
    """Return the network of an .xnf file. A model or a name of the zoo is lowered.

    `dataflow.save_network` writes such files.

    Raises
    ------
    InputError
        No such file, or a damaged one.
    """
    from xnorflow.networks import open_network

    return open_network(network)


def fold(
    network: Network,
    *,
    interval: int | None = None,
    fps: float | None = None,
    config: StrPath | None = None,
    board: str | None = None,
    family: str | None = None,
    clock_mhz: float | None = None,
    utilization: float = 0.8,
    pipelined: bool | None = None,
) -> Network:
    """Return the network folded to an interval, a rate, a file's folding or a board, with the smallest FIFOs for it.

    The network remembers what it is folded for, as one of ``xnorflow fold`` does.

    Parameters
    ----------
    interval : cycles between frames to reach
    fps : frames per second to reach
    config : folding file (TOML), by node name
    board : for which it is folded; without another target, the fastest folding that fits is chosen
    family : device family of the estimate; the default is that of the board or of an earlier folding, or ecp5
    clock_mhz : clock of the rate; the default is that of the board or of an earlier folding
    utilization : share of the board's LUTs to use, if the board is the only target
    pipelined : whether there are registers around memories, for a faster clock and two cycles more of latency for each
        layer; the default is what the folding file says, else what suits the board

    Raises
    ------
    InputError
        No target or several, or one that cannot be met.
    """
    from xnorflow.folding import Folded, fold_as, fold_for_board, fold_towards, interval_of_rate, with_pipelining
    from xnorflow.folding_file import FoldingFile, read_folding_file
    from xnorflow.target import choose_target, remembered, with_target

    targets = {"interval": interval, "fps": fps, "config": config}
    given = [name for name, value in targets.items() if value is not None]
    if len(given) > 1 or (not given and board is None):
        names = ", ".join((*targets, "board"))
        raise InputError(f"Folding target must be one of {names}, not {' and '.join(given) or 'none'}")
    if fps is not None and clock_mhz is None and board is None and remembered(network) is None:
        raise InputError("clock_mhz or board must be given with fps, not left out")
    target = choose_target(network, board=board, family=family, clock_mhz=clock_mhz)
    if fps is not None:
        interval = interval_of_rate(fps, target.clock.mhz)
    file = FoldingFile() if config is None else read_folding_file(config)
    network = with_pipelining(network, file.pipelined if pipelined is None else pipelined, target.board)
    if config is not None:
        folded = Folded(fold_as(network, file, family=target.family))
    elif interval is not None:
        folded = fold_towards(network, interval, family=target.family)
    else:
        assert board is not None
        folded = fold_for_board(network, board, utilization=utilization)
    if folded.missed is not None:
        raise InputError(folded.missed)
    return with_target(folded.network, target)


def simulate(network: Network, frames: int, *, stalls: "Stalls | None" = None) -> "Run":
    """Return the exact cycles of a run of so many frames. `hwsim.predict` returns the values."""
    import hwsim

    return hwsim.simulate(network, frames, stalls=stalls)


def verify(
    network: Network,
    frames: np.ndarray,
    *,
    simulator: str = "verilator",
    stalls: "Stalls | None" = None,
    build_dir: StrPath | None = None,
    family: str | None = None,
) -> "Verification":
    """Run the network's RTL and compare every beat's value and cycle number on every stream with the reference.

    Parameters
    ----------
    frames : (frames, *frame_shape) integers
    simulator : "verilator", "icarus" or "amaranth"
    build_dir : folder for all output files, which is kept; the default is a temporary one
    family : device family that the hardware is for; the default is that of the board that the network remembers, else
        any

    Raises
    ------
    InputError
        The frames do not fit the network, the simulator cannot run here, or there is no such device family.
    """
    from sim_tests.verification import verify_rtl
    from xnorflow.target import board_family

    family = family or board_family(network)
    return verify_rtl(network, frames, simulator=simulator, stalls=stalls, build_dir=build_dir, family=family)


def verilog(network: Network, folder: StrPath) -> Path:
    """Write the network's Verilog, with AXI4-Stream ports, to one file in a folder, and return its path.

    Raises
    ------
    InputError
        The folder cannot be written to.
    """
    from rtl import write_verilog

    return write_verilog(network, folder)


def build(
    network: Network,
    board: str,
    folder: StrPath,
    *,
    clock_mhz: float | None = None,
    baud: int = 1_000_000,
    seeds: int = 1,
    progress: Callable[[str], None] = lambda phase: None,
) -> "BitstreamReport":
    """Build a board's bitstream, the network with a serial link, into a folder.

    Parameters
    ----------
    clock_mhz : clock, instead of the board's usual one
    baud : baud rate of the serial link
    seeds : how many placements are tried, as many at once as there are cores; the fastest is kept
    progress : called with the name of each phase

    Raises
    ------
    InputError
        No such board, or a network that does not fit it.
    ToolError
        A program failed; the message says where its log is.
    """
    from xnorflow.flow import build_bitstream

    report: BitstreamReport = build_bitstream(
        network, board, folder, clock_mhz=clock_mhz, baud=baud, seeds=seeds, progress=progress
    )
    return report
