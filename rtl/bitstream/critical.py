"""The critical path of a routed design, in the names of the network's nodes."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from dataflow import Network
from dataflow.naming import plain_names
from rtl.core import fifo_names

__all__ = ["Hop", "critical_path"]

#: Submodules of a board's top beside the network.
_LINK, _BOARD = "serial link", "board"


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
    names = _names(network)
    hops: list[Hop] = []
    for cell, group in groupby(slowest, key=lambda step: step["to"]["cell"]):
        steps = list(group)
        routing = sum(step["delay"] for step in steps if step["type"] == "routing")
        logic = sum(step["delay"] for step in steps) - routing
        hops.append(Hop(*_place(cell, names), round(logic, 3), round(routing, 3)))
    return tuple(hops)


def _names(network: Network) -> dict[str, str]:
    """Return the node or FIFO of each submodule of the network's core."""
    nodes = {f"node_{plain}": name for name, plain in plain_names(node.name for node in network.nodes).items()}
    return nodes | {plain: f"FIFO {name}" for name, plain in fifo_names(network).items()}


def _place(cell: str, names: Mapping[str, str]) -> tuple[str, str]:
    """Return the place of a cell, and the rest of its name."""
    found = re.match(r"(?:\$\w+\$)?serial\.(core|link)\.([^.]+)\.?(.*)", cell)
    if found is None:
        return _BOARD, cell
    within, module, rest = found.groups()
    if within == "core" and module in names:
        return names[module], rest or module
    return _LINK, f"{module}.{rest}" if rest else module
