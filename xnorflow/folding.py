"""Choosing a folding for a rate, an interval, a board or from a file, then the smallest FIFOs that keep the rate."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import TYPE_CHECKING

from dataflow import InputError, Network, fold, fold_to_interval, network_cost
from dataflow.choices import FoldingChoices
from dataflow.folding import default_depths
from xnorflow.folding_file import FoldingFile

if TYPE_CHECKING:
    from rtl.boards import Board

__all__ = ["Folded", "fold_as", "fold_for_board", "fold_to", "fold_towards", "interval_of_rate", "with_fifos"]


@dataclass(frozen=True)
class Folded:
    """A folded network, and a sentence about what it misses of its target, or None if it meets it."""

    network: Network
    missed: str | None = None


def interval_of_rate(fps: float, clock_mhz: float) -> int:
    """Return the largest interval, in cycles, that gives `fps` frames per second at `clock_mhz`."""
    if not (fps > 0 and 0 < clock_mhz < inf):
        raise InputError(f"Frames per second and clock must be positive, not {fps} and {clock_mhz}")
    interval = int(clock_mhz * 1e6 / fps)
    if interval < 1:
        raise InputError(f"Frames per second must be at most {clock_mhz * 1e6:,.0f} at {clock_mhz} MHz, not {fps:,.0f}")
    return interval


def fold_to(network: Network, interval: int, *, family: str = "ecp5", shrink: bool = True) -> Network:
    """Return the network folded to an interval, each node as cheap as the interval allows, with the smallest FIFOs.

    Raises
    ------
    InputError
        A node cannot reach the interval.
    """
    folded = fold(network, fold_to_interval(network, interval, family=family))
    return with_smallest_fifos(folded) if shrink else folded


def fold_towards(network: Network, interval: int, *, family: str = "ecp5") -> Folded:
    """Return the network folded to an interval, or the fastest folding if it cannot reach the interval."""
    choices = FoldingChoices(network, family)
    missed = choices.refusal(interval) if interval < choices.least_interval else None
    return Folded(with_smallest_fifos(fold(network, choices.to(interval))), missed)


def fold_as(network: Network, file: FoldingFile, *, family: str = "ecp5") -> Network:
    """Return the network folded as a file says. The rest is chosen.

    Nodes that the file does not name get the cheapest folding that reaches the interval of the slowest node that it
    names, or their fastest folding if they cannot reach it. If it names no node, no folding changes. FIFOs that it
    does not name get the smallest depths that keep the interval.

    Raises
    ------
    InputError
        A node or FIFO that does not exist, or a folding that the shape does not allow.
    """
    folded = fold(network, file.nodes)
    if file.nodes:
        interval = max(folded.node(name).steps for name in file.nodes)
        folded = fold(network, fold_to_interval(network, interval, family=family, strict=False, fixed=file.nodes))
    return with_smallest_fifos(folded, fixed=file.fifos)


def with_smallest_fifos(
    network: Network, *, slack: Fraction | int = 0, fixed: Mapping[str, int] | None = None
) -> Network:
    """Return the network with the smallest FIFO depths that keep its interval, found by simulation.

    Parameters
    ----------
    slack : fraction of the interval by which it may grow
    fixed : depths by FIFO name that are kept
    """
    from hwsim.fifo_sizing import shrink_depths

    return network.with_depths(shrink_depths(network, slack=slack, fixed=fixed))


def with_fifos(
    network: Network, how: str, *, slack: str | None = None, fixed: Mapping[str, int] | None = None
) -> Network:
    """Return the network with new FIFO depths.

    Parameters
    ----------
    how : "auto" for the smallest depths that keep the interval, "full" for the depths of
        `dataflow.folding.default_depths`, which cost no throughput
    slack : percentage of the interval by which it may grow, such as "5%"
    fixed : depths by FIFO name that are kept

    Raises
    ------
    InputError
        Another word, an invalid slack or one with "full", or a deadlock with the fixed depths.
    """
    from hwsim import simulate

    if how not in ("auto", "full"):
        raise InputError(f"FIFOs (--fifos) must be auto or full, not {how!r}")
    full = network.with_depths(default_depths(network))
    if how == "full":
        if slack is not None:
            raise InputError(f"Interval slack must be given with --fifos auto, not with {how}")
        chosen = full.with_depths(fixed or {})
        simulate(chosen, 1)  # raises InputError at a deadlock
        return chosen
    return with_smallest_fifos(full, slack=_part_of(slack or "0%"), fixed=fixed)


def _part_of(percentage: str) -> Fraction:
    """Return the fraction that a percentage stands for."""
    try:
        part = Fraction(percentage.removesuffix("%")) / 100 if percentage.endswith("%") else Fraction(-1)
    except (ValueError, ZeroDivisionError):
        part = Fraction(-1)
    if part < 0:
        raise InputError(f"Interval slack must be a percentage of at least 0, such as 5%, not {percentage!r}")
    return part


def fold_for_board(network: Network, board: str, *, utilization: float = 0.8) -> Folded:
    """Return the fastest folding whose estimated cost fits a board, or the smallest folding if none fits.

    A network fits if it takes at most `utilization` of the LUTs, and no more block RAMs and DSPs than the board has.
    For each interval the nodes get their cheapest folding, at several prices of block RAM, so that the scarcer
    resource can be saved at the expense of the other.

    Raises
    ------
    InputError
        No such board, or an invalid utilization.
    """
    from rtl.boards import board_of

    chosen = board_of(board)
    if not 0 < utilization <= 1:
        raise InputError(f"Utilization must be above 0 and at most 1, not {utilization}")
    choices = FoldingChoices(network, chosen.family)
    prices = [choices.luts_per_block * factor for factor in (1, 0.25, 4)]
    priced = [choices.priced(price) for price in prices]

    def fitting(interval: int) -> Network | None:
        for each in priced:
            # With the deeper FIFOs, not the shrunk ones: nextpnr found no placement for an iCE40 that was filled up to
            # the limit with shrunk FIFOs, since the estimate does not include the serial link.
            candidate = fold(network, each.to(interval))
            if _excess(candidate, chosen, utilization) is None:
                return candidate
        return None

    intervals = choices.intervals
    best, low, high = fitting(intervals[-1]), 0, len(intervals) - 1
    if best is None:
        return _smallest(network, choices, chosen, utilization)
    while low < high:
        middle = (low + high) // 2
        candidate = fitting(intervals[middle])
        if candidate is None:
            low = middle + 1
        else:
            best, high = candidate, middle
    return Folded(with_smallest_fifos(best))


def _smallest(network: Network, choices: FoldingChoices, board: "Board", utilization: float) -> Folded:
    """Return the smallest folding, with a sentence about what it needs if it still does not fit."""
    smallest = with_smallest_fifos(fold(network, choices.to(choices.intervals[-1])))
    return Folded(smallest, _excess(smallest, board, utilization))


def _excess(network: Network, board: "Board", utilization: float) -> str | None:
    """Return a sentence about what a network needs and a board lacks, or None if it fits."""
    cost = network_cost(network, board.family)
    needed = cost.cells(board.family), cost.brams, cost.dsps
    limits = int(utilization * board.luts), board.brams, board.dsps
    if all(need <= limit for need, limit in zip(needed, limits, strict=True)):
        return None

    def text(counts: tuple[int, int, int]) -> str:
        return f"{counts[0]:,} cells, {counts[1]:,} block RAMs and {counts[2]:,} DSPs"

    return f"Network {network.name!r} must fit {board.name} with {text(limits)}, not need {text(needed)}"
