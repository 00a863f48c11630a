"""The critical path of a routed design, in the names of the network's nodes."""

import json
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from dataflow import Network
from rtl.bitstream.places import names_of, place_of

__all__ = ["Hop", "critical_path"]


@dataclass(frozen=True)
class Hop:
    """A cell on the critical path.

    Parameters
    ----------
    place : the node or FIFO of the network whose cell it is, or "serial link", or "board"
    cell : the cell's name within its place; what follows ``_SB_`` or ``_LUT4`` is a gate on the way to that wire
    logic_ns, routing_ns : delay of the cell, and of the wire that leads to it
    """

    place: str
    cell: str
    logic_ns: float
    routing_ns: float


def critical_path(report: Path, network: Network, clock_mhz: float) -> tuple[Hop, ...]:
    """Return the slowest way from a register to the next one, as nextpnr's ``--report`` has it; empty if it has none.

    Parameters
    ----------
    report : file of nextpnr's ``--report``
    clock_mhz : clock of the network, by which nextpnr's clock is known
    """
    content = json.loads(report.read_text())
    clocks = {name for name, clock in content["fmax"].items() if abs(clock["constraint"] / clock_mhz - 1) < 0.001}
    paths = [
        path["path"]
        for path in content["critical_paths"]
        if path["from"] == path["to"] and path["from"].removeprefix("posedge ") in clocks
    ]
    if not paths:
        return ()
    slowest = max(paths, key=lambda path: sum(step["delay"] for step in path))
    names = names_of(network)
    hops: list[Hop] = []
    for cell, group in groupby(slowest, key=lambda step: step["to"]["cell"]):
        steps = list(group)
        routing = sum(step["delay"] for step in steps if step["type"] == "routing")
        logic = sum(step["delay"] for step in steps) - routing
        hops.append(Hop(*place_of(cell, names), round(logic, 3), round(routing, 3)))
    return tuple(hops)
