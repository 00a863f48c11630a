"""Points of a front in hardware: proved in RTL, synthesized and routed, beside what was predicted of them."""

import json
import os
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path

from dataflow import InputError, Network, board_outputs, network_cost, save_network
from dataflow.errors import ToolError
from dataflow.writing import atomic_write, output_folder
from xnorflow.exploring.front import Point
from xnorflow.exploring.space import Space
from xnorflow.exploring.work import known_network
from xnorflow.folding import fold_as, with_pipelining
from xnorflow.folding_file import FoldingFile

__all__ = ["Built", "build_point", "built_points", "point_network"]

#: Where an exploration's folder has the built points.
FOLDER = "built"

#: Frames of the proof; the interval is steady after the first of them have filled the pipeline.
FRAMES = 4

_FIGURES, _NETWORK = "figures.json", "network.xnf"


@dataclass(frozen=True)
class Built:
    """What a point got in hardware, beside what was predicted.

    Parameters
    ----------
    number : of the point
    reason : why there is no bitstream; empty if there is one
    luts, brams : of the netlist, network and serial link together
    luts_estimated, brams_estimated : by the cost model, for the same folding with its smallest FIFOs
    fmax_mhz, clock_mhz : highest clock of the routed design, and the board's
    interval, latency : cycles, by the cycle simulator
    cycles_compared : cycle numbers of the RTL that were compared with the cycle simulator's
    differ : values and cycle numbers that differ
    """

    number: int
    reason: str = ""
    luts: int = 0
    brams: int = 0
    luts_estimated: int = 0
    brams_estimated: int = 0
    fmax_mhz: float = 0.0
    clock_mhz: float = 0.0
    interval: float = 0.0
    latency: int = 0
    cycles_compared: int = 0
    differ: int = 0

    @property
    def error(self) -> float:
        """How far the estimate of the LUTs is from the netlist: 0.1 for a tenth too many."""
        return self.luts_estimated / self.luts - 1 if self.luts else 0.0

    @property
    def fps(self) -> float:
        """Frames per second at the highest clock of the routed design, by the interval that the RTL has."""
        return self.fmax_mhz * 1e6 / self.interval if self.interval and isfinite(self.interval) else 0.0


def built_points(folder: str | os.PathLike[str]) -> dict[int, Built]:
    """Return the built points that an exploration's folder has, by number."""
    found = {}
    for path in sorted((Path(folder) / FOLDER).glob(f"point-*/{_FIGURES}")):
        built = Built(**json.loads(path.read_text(encoding="utf-8")))
        found[built.number] = built
    return found


def point_network(space: Space, point: Point, base: Path) -> Network:
    """Return the network of a point, trained and folded, with the smallest FIFOs that keep its interval.

    Raises
    ------
    InputError
        There is no such network.
    """
    from xnorflow.target import Target, with_target
    from xnorflow.timing import clock_of

    network, _ = known_network(space, point.parameters, base)
    if space.board:
        network = with_pipelining(board_outputs(network), None, space.board)
    nodes = {name: dict(folding) for name, folding in point.evaluation.folding.items()}
    network = fold_as(network, FoldingFile(nodes), family=space.family)
    if space.recipe is not None:
        network = replace(network, name=f"{space.recipe.name}-point-{point.number}")
    return with_target(network, Target(space.family, clock_of(space.clock_mhz), space.board or None))


def build_point(space: Space, point: Point, base: Path) -> Built:
    """Prove, synthesize and route a point, unless the folder has it."""
    folder = output_folder(base / FOLDER / f"point-{point.number}")
    figures = folder / _FIGURES
    if figures.is_file():
        return Built(**json.loads(figures.read_text(encoding="utf-8")))
    try:
        built = _built(space, point, base, folder)
    except (InputError, ToolError) as error:
        built = Built(point.number, reason=str(error))
    with atomic_write(figures, "Figures") as part:
        part.write_text(json.dumps(asdict(built), indent=1) + "\n", encoding="utf-8")
    return built


def _built(space: Space, point: Point, base: Path, folder: Path) -> Built:
    from rtl.link.cost import link_cost
    from sim_tests.cases import random_frames
    from sim_tests.verification import verify_rtl
    from xnorflow.flow import build_bitstream

    network = point_network(space, point, base)
    save_network(network, folder / _NETWORK)
    cost = network_cost(network, space.family) + link_cost(network, space.family)
    proof = verify_rtl(network, random_frames(network, FRAMES), family=space.family)
    report = build_bitstream(network, space.board, folder / "bitstream", clock_mhz=space.clock_mhz)
    return Built(
        point.number,
        luts=report.luts,
        brams=report.brams,
        luts_estimated=cost.luts,
        brams_estimated=cost.brams,
        fmax_mhz=report.fmax_mhz,
        clock_mhz=report.clock_mhz,
        interval=report.interval,
        latency=report.latency,
        cycles_compared=proof.cycles_compared,
        differ=proof.value_mismatches + proof.cycle_mismatches + bool(proof.stood),
    )
