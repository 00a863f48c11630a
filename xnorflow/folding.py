"""Choosing a folding for a rate, an interval, a board or from a file, then the smallest FIFOs that keep the rate."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import Protocol

from dataflow import InputError, Network, fold, fold_to_interval, pipelined
from dataflow.choices import FoldingChoices
from dataflow.errors import require_known
from dataflow.families import family_of
from dataflow.folding import default_depths
from dataflow.memories import weight_memories, weights_in_blocks, with_weight_memories
from dataflow.outputs import board_outputs
from xnorflow.board_use import use_of_board
from xnorflow.folding_file import FoldingFile

__all__ = [
    "Folded",
    "fold_as",
    "fold_for_board",
    "fold_to",
    "fold_towards",
    "interval_of_rate",
    "with_fifos",
    "with_pipelining",
]


#: Prices of a block RAM that foldings for a board are chosen at, as factors of the family's price.
_PRICES = (1, 0.1, 0.3, 3, 10)

#: Foldings of an interval whose FIFOs are sized, which takes most of the time.
_SIZED = 3


class Progress(Protocol):
    """Is told what a long search does."""

    def __call__(self, phase: str) -> None:
        """Begin a phase, or go on with it."""

    def advance(self, share: float) -> None:
        """Tell how much of the phase is done at most, 0 to 1."""


class _Silent:
    """Nobody is told."""

    def __call__(self, phase: str) -> None:
        pass

    def advance(self, share: float) -> None:
        pass


SILENT: Progress = _Silent()


@dataclass(frozen=True)
class Folded:
    """A folded network, and a sentence about what it misses of its target, or None if it meets it."""

    network: Network
    missed: str | None = None


def with_pipelining(network: Network, wanted: bool | None, board: str | None) -> Network:
    """Return the unfolded network with or without registers around memories.

    Parameters
    ----------
    wanted : whether it has them; None for what suits the board, and without a board for what the network has
    """
    from rtl.boards import board_of

    if wanted is None and board is not None:
        wanted = family_of(board_of(board).family).pipelines
    return network if wanted is None else pipelined(network, on=wanted)


def interval_of_rate(fps: float, clock_mhz: float) -> int:
    """Return the largest interval, in cycles, that gives `fps` frames per second at `clock_mhz`."""
    if not (fps > 0 and 0 < clock_mhz < inf):
        raise InputError(f"Frames per second and clock must be positive, not {fps} and {clock_mhz}")
    interval = int(clock_mhz * 1e6 / fps)
    if interval < 1:
        raise InputError(f"Frames per second must be at most {clock_mhz * 1e6:,.0f} at {clock_mhz} MHz, not {fps:,.0f}")
    return interval


def fold_to(network: Network, interval: int, *, family: str = "ecp5") -> Network:
    """Return the cheapest folding of a network that reaches an interval or a shorter one, with the smallest FIFOs.

    Raises
    ------
    InputError
        A node cannot reach the interval.
    """
    choices = FoldingChoices(network, family)
    if interval < choices.least_interval:
        raise InputError(choices.refusal(interval))
    return _cheapest(network, choices, interval)


def fold_towards(network: Network, interval: int, *, family: str = "ecp5", progress: Progress = SILENT) -> Folded:
    """Return the network folded to an interval, or its fastest folding if it cannot reach the interval."""
    choices = FoldingChoices(network, family)
    missed = choices.refusal(interval) if interval < choices.least_interval else None
    return Folded(_cheapest(network, choices, max(interval, choices.least_interval), progress), missed)


def _cheapest(network: Network, choices: FoldingChoices, interval: int, progress: Progress = SILENT) -> Network:
    """Return the cheapest of the foldings that are chosen for an interval and for each shorter one.

    Cost need not fall where the interval grows: other widths need converters, and deeper FIFOs. But all that is looked
    at for an interval is looked at for a longer one too, so the result never gets more expensive.
    """
    # Only intervals at which choices change: between two of them, all is as at the shorter one.
    intervals = [each for each in choices.intervals if each <= interval]
    best = with_smallest_fifos(fold(network, choices.to(intervals[-1])))
    least = choices.price(best)
    candidates: list[tuple[float, int, Network]] = []
    seen = []
    progress("foldings")
    for place, each in enumerate(reversed(intervals)):
        if choices.least_price(each) >= least:
            break
        progress.advance(place / len(intervals))
        for foldings in (choices.to(each), choices.together(each)):
            if foldings not in seen:
                seen.append(foldings)
                folded = fold(network, foldings)
                shallow = folded.with_depths({fifo.name: 1 for fifo in folded.fifos})
                candidates.append((choices.price(shallow), len(candidates), folded))
    progress("depths of FIFOs")
    for place, (bound, _, folded) in enumerate(sorted(candidates)):
        if bound >= least:
            break
        progress.advance(place / len(candidates))
        sized = with_smallest_fifos(folded)
        if choices.price(sized) < least:
            best, least = sized, choices.price(sized)
    return best


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
    for name in file.memories:
        require_known(f"Node of a memory of network {network.name!r}", name, network.node_of_name)
    network = with_weight_memories(network, file.memories)
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


def fold_for_board(network: Network, board: str, *, utilization: float = 0.8, progress: Progress = SILENT) -> Folded:
    """Return the fastest folding whose estimated cost fits a board, or the smallest folding if none fits.

    A network fits if it takes, with all outputs that a board sends and with the serial link, at most `utilization` of
    the LUTs, and no more block RAMs and DSPs than the board has. For each interval there are foldings at several prices
    of block RAM, so that the scarcer resource is saved at the expense of the other.

    Raises
    ------
    InputError
        No such board, or an invalid utilization.
    """
    from rtl.boards import board_of

    chosen = board_of(board)
    if not 0 < utilization <= 1:
        raise InputError(f"Utilization must be above 0 and at most 1, not {utilization}")
    whole = board_outputs(network)
    choices = FoldingChoices(whole, chosen.family)
    priced = [choices.priced(choices.luts_per_block * factor) for factor in _PRICES]
    intervals = choices.intervals

    def candidates(interval: int) -> list[Network]:
        """Return foldings that fit with FIFOs of one place, those that leave most of the board first."""
        found: list[tuple[float, int, Network]] = []
        seen = []
        for foldings in (way(interval) for each in priced for way in (each.to, each.together)):
            if foldings in seen:
                continue
            seen.append(foldings)
            folded = fold(whole, foldings)
            shallow = folded.with_depths({fifo.name: 1 for fifo in folded.fifos})
            use = use_of_board(shallow, chosen, utilization=utilization)
            if not use.fits:
                moved = weights_in_blocks(shallow, chosen.family, use.blocks_left)
                folded = with_weight_memories(folded, weight_memories(moved))
                use = use_of_board(moved, chosen, utilization=utilization)
            if use.fits:
                found.append((max(use.shares), len(found), folded))
        return [folded for _, _, folded in sorted(found)[:_SIZED]]

    def fitting(index: int) -> Network | None:
        progress(f"depths of FIFOs at {intervals[index]:,} cycles")
        sized = (with_smallest_fifos(each) for each in candidates(intervals[index]))
        return next((each for each in sized if use_of_board(each, chosen, utilization=utilization).fits), None)

    # FIFOs of one place are a lower bound, which is quickly computed. From there on, in growing steps.
    progress(f"foldings that fit {board}")
    first = bisect_left(intervals, True, key=lambda interval: bool(candidates(interval)))
    low, step, best = first, 1, None
    while low < len(intervals) and best is None:
        high = min(low + step - 1, len(intervals) - 1)
        best = fitting(high)
        low, step = (low, step) if best is not None else (high + 1, 2 * step)
    if best is not None:
        while low < high:
            middle = (low + high) // 2
            found = fitting(middle)
            low, high, best = (middle + 1, high, best) if found is None else (low, middle, found)
        return Folded(best)
    smallest = with_smallest_fifos(fold(whole, choices.to(intervals[-1])))
    use = use_of_board(smallest, chosen, utilization=utilization)
    return Folded(smallest, None if use.fits else f"Network {smallest.name!r} must fit {use.excess}")
