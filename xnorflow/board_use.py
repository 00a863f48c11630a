"""What a network with its serial link needs of a board, by the estimate."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow import Network, network_cost

if TYPE_CHECKING:
    from rtl.boards import Board

__all__ = ["BoardUse", "use_of_board"]

#: Logic cells, block RAMs and DSPs.
Counts = tuple[int, int, int]


@dataclass(frozen=True)
class BoardUse:
    """What a network with its link needs, and what it may have.

    Parameters
    ----------
    board : name of the board
    needed, limits : logic cells, block RAMs and DSPs
    """

    board: str
    needed: Counts
    limits: Counts

    @property
    def shares(self) -> tuple[float, ...]:
        """The needed share of each resource. Where a board has none, one is too many."""
        return tuple(need / max(limit, 0.5) for need, limit in zip(self.needed, self.limits, strict=True))

    @property
    def fits(self) -> bool:
        return max(self.shares) <= 1

    @property
    def blocks_left(self) -> int:
        return self.limits[1] - self.needed[1]

    @property
    def excess(self) -> str:
        """What the board has and what is needed, for a sentence."""
        return f"{self.board} with {_text(self.limits)}, not need {_text(self.needed)}"


def use_of_board(network: Network, board: "Board", *, utilization: float = 1.0) -> BoardUse:
    """Return what a network with its link needs of a board.

    Parameters
    ----------
    utilization : share of the logic cells that it may have
    """
    from rtl.link.cost import link_cost

    cost = network_cost(network, board.family) + link_cost(network, board.family)
    # Each LUT of a board has a flip-flop.
    cells = max(cost.cells(board.family), cost.ffs)
    limits = (int(utilization * board.luts), board.brams, board.dsps)
    return BoardUse(board.name, (cells, cost.brams, cost.dsps), limits)


def _text(counts: Counts) -> str:
    return f"{counts[0]:,} cells, {counts[1]:,} block RAMs and {counts[2]:,} DSPs"
