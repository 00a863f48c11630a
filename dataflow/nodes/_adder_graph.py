"""Adder graphs: the matches of several neurons whose weights never change, with sums that the neurons share.

All synapses of all neurons are used at once, so the weights are constants, and products take no logic. Neurons are
divided into clusters. Let ``m`` be the matches of a cluster's first neuron, lane by lane: the bits, inverted where its
weight is -1. Each of the cluster's other neurons agrees with the first one in some synapses, in which it has the same
matches, and differs in the others, in which it has the opposite ones:

    ones = sum(m where it agrees) + sum(1 - m where it differs) = total - 2 * part + differing

with ``total`` the sum of all `m`, ``part`` the sum where it differs, and ``differing`` the number of these synapses. If
it differs in more than half of them, its negative is taken in its place: ``ones = synapses - ones of the negative``.

The synapses fall into classes by which neurons differ in them, at most ``2**(neurons - 1)``. The ones of each class are
counted once, which takes no more than counting the ones of a single neuron. Then, for one neuron after the other, the
last one first, ``part`` is the sum of the classes in which it differs, and every two classes that differ in nothing but
this neuron become one. What remains is `total`. So a cluster of `g` neurons takes fewer than ``2**g`` additions beside
one count of all lanes. By the principle of transposition (Fiduccia, 1973) few less would do for all the classes: that
many are needed to compute all sums and differences of `g` numbers.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from heapq import heapify, heappop, heappush

import numpy as np

__all__ = ["AdderGraph", "Count", "Difference", "Result", "Sum", "adder_graph"]

#: Most neurons of a cluster, and most lanes of a count.
_MOST_NEURONS, _MOST_LANES = 10, 6

#: Lanes up to which every division of a count is tried.
_MOST_DIVIDED = 64

#: LUTs of 4 inputs that count 0, 1, 2 ... bits.
_COUNT_LUTS = (0, 0, 2, 2, 3, 6, 7)


#: The bit of a lane: the lane, and whether it is inverted.
Bit = tuple[int, bool]


@dataclass(frozen=True)
class Count:
    """How many of up to six bits are 1."""

    lanes: tuple[Bit, ...]


@dataclass(frozen=True)
class Sum:
    """The sum of two earlier numbers, by their indices, and of a bit, for which an adder has a carry to spare."""

    left: int
    right: int
    carry: Bit | None = None


@dataclass(frozen=True)
class Difference:
    """A number less twice another one, both earlier, by their indices: ``total - 2 * part``."""

    total: int
    part: int


@dataclass(frozen=True)
class Result:
    """The matches of a neuron: a number, or its negative, and a constant."""

    number: int
    negative: bool
    constant: int


@dataclass(frozen=True, eq=False)
class AdderGraph:
    """Numbers that are computed from lanes, and of each neuron the one that it needs.

    A number's level is one more than those of what it is computed from. The results are the last level. Registers are
    between levels: `cuts`.

    Parameters
    ----------
    lanes : number of lanes
    numbers : in an order in which each comes after those that it is computed from
    results : of each neuron
    stages : registered stages, of which the last one has the results
    result_width : bits that are registered of each result
    """

    lanes: int
    numbers: tuple[Count | Sum | Difference, ...]
    results: tuple[Result, ...]
    stages: int
    result_width: int = 1

    @cached_property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """Least and greatest value of each number, as far as those of what it is computed from tell."""
        found: list[tuple[int, int]] = []
        for number in self.numbers:
            if isinstance(number, Count):
                found.append((0, len(number.lanes)))
            elif isinstance(number, Sum):
                found.append((0, found[number.left][1] + found[number.right][1] + (number.carry is not None)))
            else:
                # Part is a sum of some of what total is a sum of.
                most = found[number.part][1]
                found.append((-most, found[number.total][1] - most))
        return tuple(found)

    def width(self, index: int) -> int:
        """Return the bits of a number, with a sign if it may be negative."""
        low, high = self.ranges[index]
        return max(high, -low - 1).bit_length() + (low < 0)

    @cached_property
    def levels(self) -> tuple[int, ...]:
        """The level of each number; lanes are at level 0."""
        found: list[int] = []
        for number in self.numbers:
            found.append(1 + max((found[index] for index in _operands(number)), default=0))
        return tuple(found)

    @cached_property
    def last_level(self) -> int:
        """The level of the results."""
        return 1 + max(self.levels)

    @cached_property
    def last_used(self) -> tuple[int, ...]:
        """The highest level at which each number is needed."""
        found = [0] * len(self.numbers)
        for number, level in zip(self.numbers, self.levels, strict=True):
            for index in _operands(number):
                found[index] = max(found[index], level)
        for result in self.results:
            found[result.number] = self.last_level
        return tuple(found)

    @cached_property
    def last_carries(self) -> dict[int, int]:
        """The highest level at which each lane is added as a carry, of those that are."""
        found: dict[int, int] = {}
        for number, level in zip(self.numbers, self.levels, strict=True):
            if isinstance(number, Sum) and number.carry is not None:
                lane, _ = number.carry
                found[lane] = max(found.get(lane, 0), level)
        return found

    @cached_property
    def live_bits(self) -> tuple[int, ...]:
        """Bits that are computed at or before each level and needed after it; at the last level, those of results."""
        found = [0] * (self.last_level + 1)
        for index, (level, last) in enumerate(zip(self.levels, self.last_used, strict=True)):
            for after in range(level, last):
                found[after] += self.width(index)
        for last in self.last_carries.values():
            for after in range(1, last):
                found[after] += 1
        found[0], found[-1] = self.lanes, self.result_width * len(self.results)
        return tuple(found)

    @cached_property
    def cuts(self) -> tuple[int, ...]:
        """For each stage the last level that is computed before its register.

        A stage has as few levels as possible, and among such divisions the registers are the fewest.
        """
        most, end = -(-self.last_level // self.stages), self.last_level
        best: dict[int, tuple[int, tuple[int, ...]]] = {0: (0, ())}
        for stage in range(1, self.stages + 1):
            following: dict[int, tuple[int, tuple[int, ...]]] = {}
            for before, (bits, cuts) in best.items():
                for level in range(max(1, before), min(before + most, end) + 1):
                    # The rest must still be divisible among the stages that are left.
                    if end - level <= most * (self.stages - stage):
                        found = (bits + self.live_bits[level], (*cuts, level))
                        following[level] = min(following.get(level, found), found)
            best = following
        return best[end][1]

    def stage(self, level: int) -> int:
        """Return the number of registers before a level."""
        return sum(cut < level for cut in self.cuts)

    @property
    def registers(self) -> int:
        """Flip-flops of all stages, without those that have the lanes."""
        return sum(self.live_bits[cut] for cut in self.cuts)

    def counts(self) -> Counter[int]:
        """Return how many counts there are of each number of lanes."""
        return Counter(len(number.lanes) for number in self.numbers if isinstance(number, Count))

    def sums(self) -> Counter[tuple[int, int]]:
        """Return how many sums there are of each width of the narrower operand and of the sum, carries included."""
        found: Counter[tuple[int, int]] = Counter()
        for index, number in enumerate(self.numbers):
            if isinstance(number, Sum):
                carry = number.carry is not None
                narrow = min(self.width(number.left), self.width(number.right))
                found[narrow + carry, self.width(index) + carry] += 1
        return found

    def differences(self) -> Counter[int]:
        """Return how many differences there are of each number of bits that are subtracted: all but the lowest."""
        found = (self.width(index) - 1 for index, number in enumerate(self.numbers) if isinstance(number, Difference))
        return Counter(found)

    @cached_property
    def luts(self) -> int:
        """LUTs of 4 inputs of counts and additions, by which graphs are compared."""
        counted = sum(_COUNT_LUTS[lanes] * copies for lanes, copies in self.counts().items())
        added = sum(width * copies for (_, width), copies in self.sums().items())
        return counted + added + sum(width * copies for width, copies in self.differences().items())


def _operands(number: Count | Sum | Difference) -> tuple[int, ...]:
    if isinstance(number, Count):
        return ()
    return (number.left, number.right) if isinstance(number, Sum) else (number.total, number.part)


def adder_graph(weights: np.ndarray, stages: int, result_width: int) -> AdderGraph:
    """Return the adder graph of a matrix, with clusters of the size that takes the fewest LUTs.

    Parameters
    ----------
    weights : (neurons, synapses) int8, values -1 or +1
    stages, result_width : see `AdderGraph`
    """
    neurons = len(weights)
    sizes = sorted({-(-neurons // count) for count in range(-(-neurons // _MOST_NEURONS), neurons + 1)})
    # A size is judged by its first cluster; the graph of all clusters is made of the best one.
    likeness = np.abs(weights.astype(np.float32) @ weights.T.astype(np.float32))
    best = min((size for size in sizes if size <= _MOST_NEURONS), key=lambda size: _price(weights, likeness, size))
    numbers, results = _numbers(weights, _clusters(likeness, best))
    return AdderGraph(weights.shape[1], numbers, results, stages, result_width)


def _price(weights: np.ndarray, likeness: np.ndarray, size: int) -> float:
    """Return the LUTs per neuron of the first cluster of a size."""
    first = _clusters(likeness, size, most=1)[0]
    numbers, results = _numbers(weights[first], [list(range(len(first)))])
    return AdderGraph(weights.shape[1], numbers, results, 1).luts / len(first)


def _clusters(likeness: np.ndarray, size: int, most: int | None = None) -> list[list[int]]:
    """Return clusters of about equal size of neurons that are alike or opposite, so that few classes are empty.

    Parameters
    ----------
    likeness : (neurons, neurons) magnitude of the product of two neurons' weights
    most : number of clusters after which to stop; None for all
    """
    left = np.ones(len(likeness), bool)
    count = -(-len(likeness) // size)
    found = []
    for index in range(count if most is None else min(most, count)):
        rest = int(left.sum())
        cluster = [int(left.argmax())]
        left[cluster[0]] = False
        near = likeness[cluster[0]] ** 2
        while len(cluster) < -(-rest // (count - index)):
            cluster.append(int(np.where(left, near, -1).argmax()))
            left[cluster[-1]] = False
            near = near + likeness[cluster[-1]] ** 2
        found.append(cluster)
    return found


def _numbers(
    weights: np.ndarray, clusters: Sequence[Sequence[int]]
) -> tuple[tuple[Count | Sum | Difference, ...], tuple[Result, ...]]:
    """Return the numbers and results of given clusters."""
    neurons, synapses = weights.shape
    builder, results = _Builder(), [Result(0, False, 0)] * neurons
    for cluster in clusters:
        first, *others = cluster
        differs = weights[others] != weights[first]
        negative = differs.sum(axis=1) * 2 > synapses
        differs ^= negative[:, None]
        inverted = (weights[first] < 0).tolist()
        total, parts = builder.cluster(differs, inverted)
        results[first] = Result(total, False, 0)
        rows = zip(others, parts, differs.sum(axis=1).tolist(), negative.tolist(), strict=True)
        for neuron, part, differing, is_negative in rows:
            number = total if part is None else builder.number(Difference(total, part))
            results[neuron] = Result(number, is_negative, synapses - differing if is_negative else differing)
    return tuple(builder.numbers), tuple(results)


class _Builder:
    """Collects the numbers of a graph, each once."""

    def __init__(self) -> None:
        self.numbers: list[Count | Sum | Difference] = []
        self._index: dict[Count | Sum | Difference, int] = {}
        self._order: list[tuple[int, int]] = []  # the level and the greatest value of each number

    def number(self, number: Count | Sum | Difference) -> int:
        """Return the index of a number, which is added if there is none like it."""
        if number not in self._index:
            self._index[number] = len(self.numbers)
            self.numbers.append(number)
            below = [self._order[index] for index in _operands(number)]
            most = len(number.lanes) if isinstance(number, Count) else sum(high for _, high in below)
            most += isinstance(number, Sum) and number.carry is not None
            self._order.append((1 + max((level for level, _ in below), default=0), most))
        return self._index[number]

    def sum(self, indices: Sequence[int]) -> int:
        """Return the sum of numbers, of which always the two that are known first and are the least are added."""
        heap = [(*self._order[index], index) for index in indices]
        heapify(heap)
        while len(heap) > 1:
            index = self.number(Sum(heappop(heap)[2], heappop(heap)[2]))
            heappush(heap, (*self._order[index], index))
        return heap[0][2]

    def cluster(self, differs: np.ndarray, inverted: Sequence[bool]) -> tuple[int, list[int | None]]:
        """Return the sum of all matches of the first neuron, and of each other one of those in which it differs.

        Parameters
        ----------
        differs : (other neurons, synapses) bool
        inverted : for each synapse, whether the first neuron's weight is -1
        """
        lanes: dict[int, list[int]] = defaultdict(list)
        kinds = (differs.astype(np.int64) << np.arange(len(differs))[:, None]).sum(axis=0)
        for lane, kind in enumerate(kinds.tolist()):
            lanes[kind].append(lane)
        classes = {kind: self._count([(lane, inverted[lane]) for lane in found]) for kind, found in lanes.items()}
        parts: list[int | None] = []
        for neuron in reversed(range(len(differs))):
            met = [index for kind, index in classes.items() if kind >> neuron & 1]
            parts.append(self.sum(met) if met else None)
            pairs = defaultdict(list)
            for kind, index in classes.items():
                pairs[kind & ~(1 << neuron)].append(index)
            classes = {kind: self.sum(indices) for kind, indices in pairs.items()}
        (total,) = classes.values()
        return total, parts[::-1]

    def _count(self, lanes: Sequence[Bit]) -> int:
        """Return the number of ones among lanes."""
        division = _division(len(lanes))
        if division is None:
            return self.number(Count(tuple(lanes)))
        left, carry = division
        carried, first, second = lanes[:carry], lanes[carry : carry + left], lanes[carry + left :]
        return self.number(Sum(self._count(first), self._count(second), carried[0] if carried else None))


@cache
def _division(lanes: int) -> tuple[int, int] | None:
    """Return how many lanes the first operand of the sum of a count has, and how many are carries; None if no sum."""
    return _cheapest_count(lanes)[2]


@cache
def _cheapest_count(lanes: int) -> tuple[int, int, tuple[int, int] | None]:
    """Return LUTs of 4 inputs and levels of a count of lanes, and how it is divided."""
    if lanes <= 3:
        return _COUNT_LUTS[lanes], 1, None
    found: list[tuple[int, int, tuple[int, int] | None]] = []
    if lanes <= _MOST_LANES:
        found.append((_COUNT_LUTS[lanes], 1, None))
    # Many lanes are divided in halves.
    least = (lanes - 1) // 2 if lanes > _MOST_DIVIDED else 1
    for carry in (0, 1):
        for left in range(least, (lanes - carry) // 2 + 1):
            below = [_cheapest_count(left), _cheapest_count(lanes - carry - left)]
            luts = sum(each for each, _, _ in below) + lanes.bit_length() + carry
            found.append((luts, 1 + max(levels for _, levels, _ in below), (left, carry)))
    return min(found, key=lambda each: each[:2])
