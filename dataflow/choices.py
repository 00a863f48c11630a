"""Choosing the cheapest folding that is fast enough."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import cached_property

from dataflow.converters import converter_between, without_converters
from dataflow.cost import Cost, fifo_cost, network_cost, node_cost
from dataflow.errors import InputError
from dataflow.families import family_of
from dataflow.network import Fifo, Network
from dataflow.nodes import Node, useful_lanes
from dataflow.streams import Stream

__all__ = ["FoldingChoices", "quick_foldings"]

#: Places of most FIFOs after sizing.
_DEPTH = 2

#: Rounds of improvements, and foldings of each of two neighbours that are tried together.
_ROUNDS, _PAIRED = 8, 12

Folding = dict[str, int]


class FoldingChoices:
    """The cheapest folding of every node for any interval.

    The cost of every folding without inert lanes is computed once, so that choosing among them for an interval is a
    look-up. There are many more foldings with inert lanes. For a given interval, only the Pareto-optimal (pe, simd) of
    those that are fast enough are considered. One is chosen if it is cheaper than the best folding without inert lanes,
    also together with the adjacent width converters. A choice depends only on the network, the interval and the
    prices, so it is the same in every run.

    Parameters
    ----------
    network : folded or not
    family : device family for the costs
    luts_per_block : price of a block RAM in LUTs; the default is that of the family
    """

    def __init__(self, network: Network, family: str, *, luts_per_block: float | None = None) -> None:
        self.family = family
        self.luts_per_block = family_of(family).luts_per_block if luts_per_block is None else luts_per_block
        self._network = without_converters(network)
        self._folded: dict[tuple[str, tuple[int, ...]], tuple[Node, Cost]] = {}
        self._ranked: dict[tuple[str, int, float], list[tuple[float, Folding]]] = {}
        self._alone: dict[tuple[str, tuple[int, ...]], Cost] = {}
        self._between: dict[tuple[Stream, Stream], tuple[int, Cost]] = {}
        foldable = [node for node in self._network.nodes if node.fold_parameters]
        self._options = {node.name: [self._option(node, folding) for folding in node.foldings()] for node in foldable}
        self._useful = {node.name: _useful(node) for node in foldable}
        fixed = {node.name: node.steps for node in self._network.nodes if not node.fold_parameters}
        self._least = {name: min(steps for steps, _, _ in found) for name, found in self._options.items()} | fixed

    def priced(self, luts_per_block: float) -> "FoldingChoices":
        """Return the same choices with another price of block RAM."""
        other = object.__new__(FoldingChoices)
        other.__dict__.update({name: value for name, value in self.__dict__.items() if name != "_cheapest"})
        other.luts_per_block = luts_per_block
        return other

    @property
    def least_interval(self) -> int:
        """The least interval that all nodes reach."""
        return max(self._least.values(), default=1)

    @property
    def slowest(self) -> str:
        """Name of the first node that cannot be faster than the least interval."""
        return next(name for name, least in self._least.items() if least == self.least_interval)

    @cached_property
    def intervals(self) -> list[int]:
        """Every interval at which the choice of some node may change, in ascending order."""
        steps = {steps for found in self._useful.values() for steps, _ in found}
        return sorted({self.least_interval} | {each for each in steps if each > self.least_interval})

    def refusal(self, interval: int) -> str:
        """Return the error message for an interval that is less than the least."""
        return f"Interval must be at least {self.least_interval} for node {self.slowest!r}, not {interval}"

    def to(self, interval: int, *, fixed: Mapping[str, Folding] | None = None) -> dict[str, Folding]:
        """Return for each node its cheapest folding of at most `interval` steps, else the cheapest of its fastest ones.

        Parameters
        ----------
        fixed : complete foldings of nodes that are kept
        """
        chosen = {}
        for name, (steps, foldings) in self._cheapest.items():
            chosen[name] = foldings[max(0, bisect_right(steps, interval) - 1)]
        chosen |= fixed or {}
        for node in self._network.nodes:
            if node.name in self._useful and node.name not in (fixed or {}):
                chosen[node.name] = self._with_inert_lanes(node, interval, chosen)
        return chosen

    def together(self, interval: int, *, fixed: Mapping[str, Folding] | None = None) -> dict[str, Folding]:
        """Return foldings of at most `interval` steps that are cheap together with the converters between them.

        From the choices of `to`, one node after the other changes to the folding that is cheapest beside its
        neighbours, then two neighbours at once, until nothing gets cheaper. A converter takes at most `interval` steps,
        or none more than with the choices before.

        Parameters
        ----------
        fixed : complete foldings of nodes that are kept
        """
        chosen = self.to(interval, fixed=fixed)
        free = [node for node in self._network.nodes if node.name in self._options and node.name not in (fixed or {})]
        options = {node.name: self._fast(node, interval) for node in free}
        for _ in range(_ROUNDS):
            before = dict(chosen)
            for node in free:
                self._improve(node, options[node.name], interval, chosen)
            for fifo in self._network.fifos:
                if fifo.source in options and fifo.target in options:
                    self._improve_both(fifo, options, interval, chosen)
            if chosen == before:
                break
        return chosen

    def least_price(self, interval: int) -> float:
        """Return a bound that no foldings of at most `interval` steps undercut: each node alone, without FIFOs."""
        total = 0.0
        for node in self._network.nodes:
            if node.name not in self._options:
                total += self._price(self._bare(node, {}))
                continue
            total += min(self._price(self._bare(node, folding)) for _, folding in self._fast(node, interval))
        return total

    def price(self, network: Network) -> float:
        """Return the price of a folded network: cells, and LUTs for its block RAMs."""
        return self._price(network_cost(network, self.family))

    def _fast(self, node: Node, interval: int) -> list[tuple[float, Folding]]:
        """Return the foldings of a node that are fast enough, or its fastest, the cheapest alone first."""
        limit = max(interval, self._least[node.name])
        key = node.name, limit, self.luts_per_block
        if key in self._ranked:
            return self._ranked[key]
        found = [folding for steps, _, folding in self._options[node.name] if steps <= limit]
        found += [folding for folding in _pareto_optimal(self._useful[node.name], limit) if folding not in found]
        priced = [(self._price(self._counted(node, folding)[1]), folding) for folding in found]
        self._ranked[key] = sorted(priced, key=lambda each: (each[0], sorted(each[1].items())))
        return self._ranked[key]

    def _improve(
        self, node: Node, options: list[tuple[float, Folding]], interval: int, chosen: dict[str, Folding]
    ) -> None:
        own = chosen[node.name]
        slowest, beside = self._beside(node, own, chosen)
        least, limit = self._price(self._counted(node, own)[1]) + beside, max(interval, slowest)
        for price, folding in options:
            if price >= least:
                return
            steps, beside = self._beside(node, folding, chosen)
            if steps <= limit and price + beside < least:
                chosen[node.name], least = folding, price + beside

    def _improve_both(
        self, fifo: Fifo, options: Mapping[str, list[tuple[float, Folding]]], interval: int, chosen: dict[str, Folding]
    ) -> None:
        """Change two neighbours at once where a converter is between them."""
        names = (fifo.source, fifo.target)
        streams = self._ends(fifo, chosen)
        if streams is None or streams[0].has_beats_of(streams[1]):
            return
        source, target = (self._network.node(name) for name in names)

        def whole(first: Folding, second: Folding) -> tuple[int, float]:
            tried = {**chosen, source.name: first, target.name: second}
            slowest, price = 0, 0.0
            beside = {each.name: each for node in (source, target) for each in self._fifos_of(node)}
            for each in beside.values():
                ends = self._ends(each, tried)
                if ends is not None:
                    steps, cost = self._converter(*ends)
                    slowest, price = max(slowest, steps), price + self._price(cost)
            return slowest, price

        first, second = (chosen[name] for name in names)
        slowest, beside = whole(first, second)
        own = [self._price(self._counted(node, folding)[1]) for node, folding in ((source, first), (target, second))]
        least, limit = sum(own) + beside, max(interval, slowest)
        for price, one in options[source.name][:_PAIRED]:
            for other_price, other in options[target.name][:_PAIRED]:
                if price + other_price >= least:
                    break
                steps, beside = whole(one, other)
                if steps <= limit and price + other_price + beside < least:
                    least = price + other_price + beside
                    chosen[source.name], chosen[target.name] = one, other

    def _fifos_of(self, node: Node) -> tuple[Fifo, ...]:
        return (*self._network.fifos_into(node.name), *self._network.fifos_out_of(node.name))

    def _bare(self, node: Node, folding: Folding) -> Cost:
        key = node.name, tuple(folding.values())
        if key not in self._alone:
            self._alone[key] = node_cost(node.refolded(folding), self.family)
        return self._alone[key]

    @cached_property
    def _cheapest(self) -> dict[str, tuple[list[int], list[Folding]]]:
        """For each node, numbers of steps in ascending order, and the cheapest dividing folding for each of them."""
        found = {}
        for name, options in self._options.items():
            best: tuple[float, list[tuple[str, int]]] | None = None
            steps_of, foldings = [], []
            for steps, cost, folding in sorted(options, key=lambda option: (option[0], *self._rank(option))):
                rank = self._rank((steps, cost, folding))
                if best is None or rank < best:
                    best = rank
                    steps_of.append(steps)
                    foldings.append(folding)
            found[name] = (steps_of, foldings)
        return found

    def _rank(self, option: tuple[int, Cost, Folding]) -> tuple[float, list[tuple[str, int]]]:
        """Return the sort key of an option: its price, then its numbers, so that ties are decided."""
        _, cost, folding = option
        return self._price(cost), sorted(folding.items())

    def _price(self, cost: Cost) -> float:
        return cost.cells(self.family) + self.luts_per_block * cost.brams

    def _with_inert_lanes(self, node: Node, interval: int, chosen: Mapping[str, Folding]) -> Folding:
        """Return the folding chosen for a node, or one with inert lanes that is cheaper.

        It must be cheaper by itself, and also together with the width converters that it needs between itself and the
        current choices of its neighbours. These converters must not take more than `interval` steps.
        """
        own = chosen[node.name]
        alone = self._price(self._counted(node, own)[1])
        best, least = own, alone + self._beside(node, own, chosen)[1]
        for folding in _pareto_optimal(self._useful[node.name], interval):
            price = self._price(self._counted(node, folding)[1])
            if price < min(alone, least):
                steps, beside = self._beside(node, folding, chosen)
                if steps <= interval and price + beside < least:
                    best, least = folding, price + beside
        return best

    def _beside(self, node: Node, folding: Folding, chosen: Mapping[str, Folding]) -> tuple[int, float]:
        """Return the steps of the slowest converter next to a node, and the price of all of them."""
        price, slowest = 0.0, 0
        for fifo in self._fifos_of(node):
            streams = self._ends(fifo, {**chosen, node.name: folding})
            if streams is not None:
                steps, cost = self._converter(*streams)
                price, slowest = price + self._price(cost), max(slowest, steps)
        return slowest, price

    def _ends(self, fifo: Fifo, chosen: Mapping[str, Folding]) -> tuple[Stream, Stream] | None:
        """Return the streams written into and read from a FIFO, or None if one of them is an end of the network."""
        nodes = self._network.node_of_name
        if fifo.source not in nodes or fifo.target not in nodes:
            return None
        source, target = (self._counted(nodes[name], chosen.get(name, {}))[0] for name in (fifo.source, fifo.target))
        return source.output_streams[fifo.source_port], target.input_streams[fifo.target_port]

    def _converter(self, source: Stream, target: Stream) -> tuple[int, Cost]:
        """Return steps and cost of the converter between two streams; the cost includes the FIFO after it."""
        if (source, target) not in self._between:
            steps, cost = 0, Cost()
            if not source.has_beats_of(target):
                converter = converter_between("converter", source, target)
                steps, cost = converter.steps, node_cost(converter, self.family)
                cost += fifo_cost(target.width, _DEPTH, self.family)
            self._between[source, target] = steps, cost
        return self._between[source, target]

    def _option(self, node: Node, folding: Folding) -> tuple[int, Cost, Folding]:
        """Return steps, cost and folding of a node. The cost includes the FIFOs after it."""
        folded, cost = self._counted(node, folding)
        return folded.steps, cost, folding

    def _counted(self, node: Node, folding: Folding) -> tuple[Node, Cost]:
        """Return a node with a folding, and its cost including the FIFOs after it.

        Without these, a matrix may save a few LUTs with wide beats of sums that make its FIFOs much more expensive.
        """
        key = node.name, tuple(folding.values())
        if key not in self._folded:
            folded = node.refolded(folding)
            fifos = (fifo_cost(stream.width, _DEPTH, self.family) for stream in folded.output_streams)
            self._folded[key] = folded, sum(fifos, node_cost(folded, self.family))
        return self._folded[key]


def _useful(node: Node) -> list[tuple[int, Folding]]:
    """Return steps and folding of every choice of lanes that has no more lanes than its number of steps requires."""
    return [(node.refolded(folding).steps, folding) for folding in node.foldings(useful_lanes)]


def _pareto_optimal(useful: list[tuple[int, Folding]], interval: int) -> Iterator[Folding]:
    """Yield the Pareto-optimal foldings of at most `interval` steps: no other has as few lanes of both kinds."""
    fewest: int | None = None
    for steps, folding in useful:  # sorted by the first parameter, then by the second
        *_, last = folding.values()
        if steps <= interval and (fewest is None or last < fewest):
            yield folding
            fewest = last


def quick_foldings(network: Network, interval: int, family: str) -> dict[str, Folding]:
    """Return foldings of at most `interval` steps in a fraction of a second: each node by itself.

    Of each node, only the Pareto-optimal (pe, simd) are looked at, and not the converters that they need. Those of
    `FoldingChoices` are cheaper.

    Raises
    ------
    InputError
        A node cannot reach the interval.
    """
    price = family_of(family).luts_per_block
    chosen = {}
    for node in without_converters(network).nodes:
        useful = _useful(node) if node.fold_parameters else [(node.steps, {})]
        least = min(steps for steps, _ in useful)
        if least > interval:
            raise InputError(f"Interval must be at least {least} for node {node.name!r}, not {interval}")
        if not node.fold_parameters:
            continue
        found = []
        for folding in _pareto_optimal(useful, interval):
            folded = node.refolded(folding)
            fifos = (fifo_cost(stream.width, _DEPTH, family) for stream in folded.output_streams)
            cost = sum(fifos, node_cost(folded, family))
            found.append((cost.cells(family) + price * cost.brams, sorted(folding.items())))
        chosen[node.name] = dict(min(found)[1])
    return chosen
