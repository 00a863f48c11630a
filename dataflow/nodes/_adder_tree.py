"""Adder trees in carry chains: how the sums of a neuron are divided into carry cells.

A carry cell of ECP5 (CCU2C) has two halves, each with a LUT of four inputs before the carry:
``s = LUT4(a, b, c, d) ^ carry``, and the carry goes on if that LUT is 1, else it becomes ``LUT2(a, b)``, whose table is
the part of the LUT's for ``c = d = 0``. So an addition multiplies by a weight of one bit as well. With the weights
inverted, ``x ^ w`` is 1 for a match, and for an integer it is ``x`` or ``~x``, as in `dataflow.nodes._terms`.

**Matches.** One half makes a match the carry of the next half, which adds two more matches: three lanes in two halves.
The sum of two counts begins with a carry too, and takes one more lane; so does the accumulator. So `n` groups of three
count ``3*n + (n - 1) + 1 = 4*n`` lanes, for any `n`. The half that begins an addition gives out the last carry of the
addition before, so many of them share a chain.

**Integers** are added in pairs, then their sums. If their number is odd, the last one is added to the first sum that is
left over, or to the total.

The accumulator is the last addition: of the total, and of its last value or the level from which it starts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import accumulate, groupby, islice
from operator import itemgetter

from dataflow.elements import Integer, signed_for

__all__ = ["AdderTree", "Addition", "adder_tree"]

#: Most halves of a chain. Timing analysis takes a chain for one path, although the additions in it are separate.
_LONGEST = 48

#: A sum: its level, and its index there.
Place = tuple[int, int]


@dataclass(frozen=True)
class Addition:
    """A sum of up to two sums of the previous level, by their indices, and of lanes."""

    sums: tuple[int, ...] = ()
    lanes: tuple[int, ...] = ()


@dataclass(frozen=True)
class AdderTree:
    """The adder tree of a neuron, and its accumulator.

    Parameters
    ----------
    term : type of the terms, one for each lane
    lanes : number of lanes. Those that are added later have higher numbers
    levels : the additions of each level; the last level has one, the accumulator
    stages : registered stages before the accumulator, each of one or more levels
    accumulator_width : bits of the accumulator
    """

    term: Integer
    lanes: int
    levels: tuple[tuple[Addition, ...], ...]
    stages: int
    accumulator_width: int

    @property
    def counts(self) -> bool:
        """Whether matches are counted, rather than integers added."""
        return self.term == Integer(1)

    @property
    def places(self) -> Iterator[Place]:
        """The sums, level by level."""
        for level, additions in enumerate(self.levels):
            for index in range(len(additions)):
                yield level, index

    def addition(self, place: Place) -> Addition:
        level, index = place
        return self.levels[level][index]

    def is_accumulator(self, place: Place) -> bool:
        return place[0] == len(self.levels) - 1

    @cached_property
    def _ends(self) -> tuple[int, ...]:
        """For each stage the number of levels up to its end. The first stage, which reads the weights, gets few."""
        sizes = [1] * self.stages
        for extra in range(len(self.levels) - 1 - self.stages):
            sizes[(extra + 1) % self.stages] += 1
        return tuple(accumulate(sizes))

    def stage(self, level: int) -> int:
        """Return the number of registers before a level, which its lanes pass too."""
        return sum(end <= level for end in self._ends)

    def is_registered(self, level: int) -> bool:
        """Return whether the sums of a level are registered."""
        return level + 1 in (*self._ends, len(self.levels))

    def first_lane(self, stage: int) -> int:
        """Return the first lane that is added after `stage` registers or later."""
        late = [self.addition(place).lanes for place in self.places if self.stage(place[0]) >= stage]
        return min((lane for lanes in late for lane in lanes), default=self.lanes)

    @cached_property
    def _terms(self) -> list[list[int]]:
        """The number of terms in each sum, level by level."""
        found: list[list[int]] = []
        for level in self.levels:
            found.append([len(each.lanes) + sum(found[-1][below] for below in each.sums) for each in level])
        return found

    def width(self, place: Place) -> int:
        """Return the bits of a sum."""
        if self.is_accumulator(place):
            return self.accumulator_width
        count = self._terms[place[0]][place[1]]
        if self.counts:
            return count.bit_length()
        return signed_for(count * self.term.minimum, count * self.term.maximum).width

    def halves(self, place: Place) -> int:
        """Return the halves of carry cells of a sum, without the one that gives out its last carry."""
        addition, (level, _) = self.addition(place), place
        if self.is_accumulator(place):
            return self.counts + self.accumulator_width
        if len(addition.sums) == 1 and not addition.lanes:
            return 0
        if not self.counts:
            return self.width(place)
        below = [self.width((level - 1, each)) for each in addition.sums]
        return 1 + max(below, default=int(len(addition.lanes) > 1))

    @cached_property
    def chains(self) -> tuple[tuple[Place, ...], ...]:
        """The sums of each chain; those that are only passed on are in none.

        Integers have a chain each. Counts share chains, except those that go on in the same cycle, and those that wait
        for the weights.
        """
        alone = [place for place in self.places if self.halves(place)]
        if not self.counts:
            return tuple((place,) for place in alone)
        shared = [place for place in alone if place[0] > 0 and self.is_registered(place[0])]
        others = [place for place in alone if place[0] == 0 or not self.is_registered(place[0])]
        groups = [list(places) for _, places in groupby(others, key=itemgetter(0))]
        return tuple(chain for group in (*groups, shared) for chain in self._divided(group))

    def _divided(self, places: list[Place]) -> Iterator[tuple[Place, ...]]:
        """Yield chains of sums that are not too long."""
        chain: list[Place] = []
        for place in places:
            if chain and self.length([*chain, place]) > _LONGEST:
                yield tuple(chain)
                chain = []
            chain.append(place)
        if chain:
            yield tuple(chain)

    def length(self, chain: Sequence[Place]) -> int:
        """Return the halves of a chain; one at its end gives out the last count's carry."""
        return sum(self.halves(place) for place in chain) + (self.counts and not self.is_accumulator(chain[-1]))

    @cached_property
    def cells(self) -> int:
        """Carry cells."""
        return sum(-(-self.length(chain) // 2) for chain in self.chains)

    @cached_property
    def registers(self) -> int:
        """Flip-flops of sums."""
        return sum(self.width(place) for place in self.places if self.is_registered(place[0]))

    @cached_property
    def lane_registers(self) -> int:
        """Flip-flops, for each bit of a lane, of lanes that wait for their level."""
        return sum(self.lanes - self.first_lane(stage) for stage in range(1, self.stages + 1))


@cache
def adder_tree(term: Integer, lanes: int, stages: int, accumulator_width: int) -> AdderTree:
    """Return the adder tree of a number of lanes."""
    counts, waiting = term == Integer(1), iter(range(lanes))
    first = 3 if counts else 2
    groups = -(-lanes // 4) if counts else max(1, lanes // 2)
    levels = [tuple(Addition(lanes=tuple(islice(waiting, first))) for _ in range(groups))]
    while len(levels[-1]) > 1 or (not counts and _lanes_of(levels) < lanes):
        found = []
        for start in range(0, len(levels[-1]), 2):
            sums = tuple(range(start, min(start + 2, len(levels[-1]))))
            # A count that is left over waits, since only an addition has a carry to spare.
            takes = (len(sums) == 2) == counts
            found.append(Addition(sums, tuple(islice(waiting, int(takes)))))
        levels.append(tuple(found))
    levels.append((Addition((0,), tuple(waiting)),))
    return AdderTree(term, lanes, tuple(levels), stages, accumulator_width)


def _lanes_of(levels: list[tuple[Addition, ...]]) -> int:
    return sum(len(addition.lanes) for level in levels for addition in level)
