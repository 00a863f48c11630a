"""Which foldings there are, and which of them is the cheapest that is fast enough."""

from bisect import bisect_right
from functools import cached_property

from dataflow.cost import Cost, fifo_cost, node_cost
from dataflow.families import family_of
from dataflow.folding import without_converters
from dataflow.network import Network
from dataflow.nodes import Node

__all__ = ["FoldingChoices"]

#: Places that most FIFOs have once they are as small as they can be.
_DEPTH = 2


class FoldingChoices:
    """The cheapest folding of every node for any interval.

    Every legal folding of every node is counted once; then choosing for an interval is a look-up. A node's choice
    depends on nothing but the node, the interval and the prices, so it is the same in every run.

    Parameters
    ----------
    network : folded or not
    family : device family whose costs count
    luts_per_block : what a block RAM is worth, else what it is in the family
    """

    def __init__(self, network: Network, family: str, *, luts_per_block: float | None = None) -> None:
        self.family = family
        self.luts_per_block = family_of(family).luts_per_block if luts_per_block is None else luts_per_block
        nodes = without_converters(network).nodes
        self._options = {node.name: _options_of(node, family) for node in nodes if node.fold_parameters}
        fixed = {node.name: node.steps for node in nodes if not node.fold_parameters}
        self._least = {name: min(steps for steps, _, _ in found) for name, found in self._options.items()} | fixed

    def priced(self, luts_per_block: float) -> "FoldingChoices":
        """Return the same choices at another price of block RAM."""
        other = object.__new__(FoldingChoices)
        other.family, other.luts_per_block = self.family, luts_per_block
        other._options, other._least = self._options, self._least
        return other

    @property
    def least_interval(self) -> int:
        """The least interval that all nodes reach."""
        return max(self._least.values(), default=1)

    @property
    def slowest(self) -> str:
        """Name of the first node that can do no less than the least interval."""
        return next(name for name, least in self._least.items() if least == self.least_interval)

    @property
    def intervals(self) -> list[int]:
        """Every interval, rising, at which the choice of some node may change."""
        steps = {steps for found in self._options.values() for steps, _, _ in found}
        return sorted({self.least_interval} | {each for each in steps if each > self.least_interval})

    def refusal(self, interval: int) -> str:
        """Return the sentence for an interval that is less than the least."""
        return f"Interval must be at least {self.least_interval} for node {self.slowest!r}, not {interval}"

    def to(self, interval: int) -> dict[str, dict[str, int]]:
        """Return for each node its cheapest folding of at most `interval` steps, else its cheapest of the fewest."""
        chosen = {}
        for name, (steps, foldings) in self._cheapest.items():
            chosen[name] = foldings[max(0, bisect_right(steps, interval) - 1)]
        return chosen

    @cached_property
    def _cheapest(self) -> dict[str, tuple[list[int], list[dict[str, int]]]]:
        """For each node, steps in rising order and the cheapest folding of at most so many."""
        found = {}
        for name, options in self._options.items():
            best: tuple[float, list] | None = None
            steps_of, foldings = [], []
            for steps, cost, folding in sorted(options, key=lambda option: (option[0], *self._rank(option))):
                rank = self._rank((steps, cost, folding))
                if best is None or rank < best:
                    best = rank
                    steps_of.append(steps)
                    foldings.append(folding)
            found[name] = (steps_of, foldings)
        return found

    def _rank(self, option: tuple[int, Cost, dict[str, int]]) -> tuple[float, list]:
        """Return what is least in the cheapest option; of equals the one with the smallest numbers."""
        _, cost, folding = option
        return cost.cells(self.family) + self.luts_per_block * cost.brams, sorted(folding.items())


def _options_of(node: Node, family: str) -> list[tuple[int, Cost, dict[str, int]]]:
    """Return steps, cost and folding of every legal folding of a node, with the FIFOs behind it."""
    nodes = [node.folded(folding) for folding in node.foldings()]
    return [(each.steps, node_cost(each, family) + _fifos_behind(each, family), each.folding) for each in nodes]


def _fifos_behind(node: Node, family: str) -> Cost:
    """Return the cost of FIFOs of `_DEPTH` places at a node's outputs: wide beats of sums cost more there."""
    return sum((fifo_cost(stream.width, _DEPTH, family) for stream in node.output_streams), Cost())
