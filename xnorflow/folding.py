"""Choosing a folding: to a rate, an interval, a board, or from a file; then FIFOs as small as the rate allows."""

import tomllib
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from dataflow import InputError, Network, fold, fold_to_interval, network_cost

__all__ = ["FoldingFile", "fold_as", "fold_for_board", "fold_to", "interval_of_rate", "read_folding_file"]


@dataclass(frozen=True)
class FoldingFile:
    """A folding as people write it: TOML keyed by stable node names.

    ``[nodes.NAME]`` with ``pe`` and ``simd``; ``[fifos]`` with ``"FROM -> TO" = depth``. What it does not name is
    chosen.
    """

    nodes: dict[str, dict[str, int]] = field(default_factory=dict)
    fifos: dict[str, int] = field(default_factory=dict)


def read_folding_file(path: Path) -> FoldingFile:
    """Read a folding file.

    Raises
    ------
    InputError
        Not TOML, or not of that form.
    """
    try:
        content = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"Folding file {str(path)!r} must be TOML, not a file with: {error}") from error
    unknown = sorted(set(content) - {"nodes", "fifos"})
    if unknown:
        raise InputError(f"Folding file {str(path)!r} must have the tables nodes and fifos, not {unknown[0]!r}")
    nodes, fifos = content.get("nodes", {}), content.get("fifos", {})
    if not isinstance(nodes, dict) or not all(isinstance(folding, dict) for folding in nodes.values()):
        raise InputError(f"Table nodes of {str(path)!r} must have a table per node, not {nodes!r}")
    if not isinstance(fifos, dict):
        raise InputError(f"Table fifos of {str(path)!r} must have a depth per FIFO, not {fifos!r}")
    for name, folding in nodes.items():
        for parameter, value in folding.items():
            _check_count(f"{parameter} of node {name!r}", value)
    for name, depth in fifos.items():
        _check_count(f"Depth of FIFO {name!r}", depth)
    return FoldingFile(nodes, fifos)


def _check_count(thing: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{thing} must be a positive integer, not {value!r}")


def interval_of_rate(fps: float, clock_mhz: float) -> int:
    """Return the largest interval, in cycles, that gives `fps` frames per second at `clock_mhz`."""
    if not (fps > 0 and 0 < clock_mhz < inf):
        raise InputError(f"Frames per second and clock must be positive, not {fps} and {clock_mhz}")
    interval = int(clock_mhz * 1e6 / fps)
    if interval < 1:
        raise InputError(f"Frames per second must be at most {clock_mhz * 1e6:,.0f} at {clock_mhz} MHz, not {fps:,.0f}")
    return interval


def fold_to(network: Network, interval: int, *, family: str = "ecp5", shrink: bool = True) -> Network:
    """Return the network folded to an interval, each node as cheap as it may be, and FIFOs shrunk to that.

    Raises
    ------
    InputError
        A node cannot be that fast.
    """
    folded = fold(network, fold_to_interval(network, interval, family=family))
    return with_smallest_fifos(folded) if shrink else folded


def fold_as(network: Network, file: FoldingFile, *, family: str = "ecp5") -> Network:
    """Return the network folded as a file says; what it does not name is chosen.

    Nodes that it does not name are folded to the interval of the slowest that it names, as cheaply as that can be, or
    as fast as they can be. If it names none, all stay as they are. FIFOs that it does not name get the smallest depths
    that keep the interval.

    Raises
    ------
    InputError
        A node or FIFO that does not exist, or a folding that the shape does not allow.
    """
    folded = fold(network, file.nodes)
    if file.nodes:
        interval = max(folded.node(name).steps for name in file.nodes)
        folded = fold(network, {**fold_to_interval(network, interval, family=family, strict=False), **file.nodes})
    return with_smallest_fifos(folded).with_depths(file.fifos)


def with_smallest_fifos(network: Network) -> Network:
    """Return the network with the smallest FIFO depths that keep its interval, found by simulation."""
    from hwsim.fifo_sizing import shrink_depths

    return network.with_depths(shrink_depths(network))


def fold_for_board(network: Network, board: str, *, utilization: float = 0.8) -> Network:
    """Return the fastest folding whose estimated cost stays within `utilization` of a board's LUTs and block RAMs.

    Raises
    ------
    InputError
        No such board, or even the smallest folding does not fit.
    """
    from rtl.boards import board_of

    chosen = board_of(board)
    if not 0 < utilization <= 1:
        raise InputError(f"Utilization must be above 0 and at most 1, not {utilization}")

    def fits(candidate: Network) -> bool:
        cost = network_cost(candidate, chosen.family)
        return cost.cells(chosen.family) <= utilization * chosen.luts and cost.brams <= chosen.brams

    intervals = _candidate_intervals(network)
    slowest = fold_to(network, intervals[-1], family=chosen.family)
    if not fits(slowest):
        cost = network_cost(slowest, chosen.family)
        raise InputError(
            f"Network {network.name!r} must fit {chosen.name} with {int(utilization * chosen.luts):,} cells and "
            f"{chosen.brams} block RAMs, not need {cost.cells(chosen.family):,} cells and {cost.brams} block RAMs"
        )
    best, low, high = slowest, 0, len(intervals) - 1
    while low < high:
        middle = (low + high) // 2
        candidate = fold_to(network, intervals[middle], family=chosen.family, shrink=False)
        if fits(candidate) or fits(candidate := with_smallest_fifos(candidate)):
            best, high = candidate, middle
        else:
            low = middle + 1
    return with_smallest_fifos(best)


def _candidate_intervals(network: Network) -> list[int]:
    """Return, rising, every interval at which some node's cheapest folding changes, from the least that all allow."""
    from dataflow.folding import without_converters

    steps = [{node.folded(each).steps for each in node.foldings()} for node in without_converters(network).nodes]
    least = max(min(options) for options in steps)
    return sorted({step for options in steps for step in options if step >= least})
