"""The node or FIFO to which a cell of a board's design belongs, by the cell's name."""

import re
from collections.abc import Mapping

from dataflow import Network
from dataflow.naming import plain_names
from rtl.core import fifo_names

__all__ = ["names_of", "place_of"]

#: Submodules of a board's top beside the network.
_LINK, _BOARD = "serial link", "board"


def names_of(network: Network) -> dict[str, str]:
    """Return the node or FIFO of each submodule of the network's core."""
    nodes = {f"node_{plain}": name for name, plain in plain_names(node.name for node in network.nodes).items()}
    return nodes | {plain: f"FIFO {name}" for name, plain in fifo_names(network).items()}


def place_of(cell: str, names: Mapping[str, str]) -> tuple[str, str]:
    """Return the place of a cell, and the rest of its name."""
    found = re.match(r"(?:\$\w+\$)?serial\.(core|link)\.([^.]+)\.?(.*)", cell)
    if found is None:
        return _BOARD, cell
    within, module, rest = found.groups()
    if within == "core" and module in names:
        return names[module], rest or module
    return _LINK, f"{module}.{rest}" if rest else module
