"""Adder trees: every lane is added once, in the stages of the description, and the cells are few."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow import Integer
from dataflow.nodes import AdderTree, adder_tree, popcount_stages

BIT, BYTE, SIGNED = Integer(1), Integer(9, signed=True), Integer(4, signed=True)


def tree_of(term: Integer, lanes: int, width: int = 12) -> AdderTree:
    return adder_tree(term, lanes, popcount_stages(lanes), width)


@given(st.sampled_from([BIT, BYTE, SIGNED]), st.integers(1, 400))
def test_every_lane_and_every_sum_is_added_once(term: Integer, lanes: int) -> None:
    tree = tree_of(term, lanes)
    added = [lane for place in tree.places for lane in tree.addition(place).lanes]
    assert added == list(range(lanes))
    for level in range(1, len(tree.levels)):
        below = [each for addition in tree.levels[level] for each in addition.sums]
        assert below == list(range(len(tree.levels[level - 1])))
    assert len(tree.levels[-1]) == 1


@given(st.sampled_from([BIT, BYTE]), st.integers(1, 400))
def test_levels_are_divided_into_the_stages_and_lanes_wait_for_theirs(term: Integer, lanes: int) -> None:
    tree = tree_of(term, lanes)
    stages = [tree.stage(level) for level in range(len(tree.levels))]
    assert stages == sorted(stages)
    assert set(stages) == set(range(popcount_stages(lanes) + 1))
    # Integers of 5 and 6, and of 17 and 18 lanes have three levels in a stage; the accumulator is alone.
    assert max(map(stages.count, stages)) <= (2 if term == BIT else 3)
    assert stages.count(stages[-1]) == 1
    for stage in range(max(stages) + 1):
        late = [lane for place in tree.places if tree.stage(place[0]) >= stage for lane in tree.addition(place).lanes]
        assert tree.first_lane(stage) == min(late, default=lanes)


@given(st.sampled_from([BIT, BYTE, SIGNED]), st.integers(1, 400))
def test_sums_hold_their_greatest_value(term: Integer, lanes: int) -> None:
    tree = tree_of(term, lanes)
    counts: dict[tuple[int, int], int] = {}
    for place in tree.places:
        addition = tree.addition(place)
        counts[place] = len(addition.lanes) + sum(counts[place[0] - 1, each] for each in addition.sums)
        if not tree.is_accumulator(place):
            result = Integer(tree.width(place), signed=term.signed)
            assert result.minimum <= counts[place] * term.minimum
            assert counts[place] * term.maximum <= result.maximum
    assert counts[place] == lanes


@given(st.sampled_from([BIT, BYTE]), st.integers(1, 200))
def test_each_sum_that_adds_is_in_one_chain(term: Integer, lanes: int) -> None:
    tree = tree_of(term, lanes)
    chained = sorted(place for chain in tree.chains for place in chain)
    assert chained == [place for place in tree.places if tree.halves(place)]
    passed_on = [tree.addition(place) for place in tree.places if not tree.halves(place)]
    assert all(len(addition.sums) == 1 and not addition.lanes for addition in passed_on)
    for chain in tree.chains:
        assert tree.length(chain) <= 48 or len(chain) == 1
        # A sum that went into its own chain before a register would make the chain a loop.
        levels = {level for level, _ in chain}
        assert not levels & {level + 1 for level in levels if not tree.is_registered(level)}


@pytest.mark.parametrize("groups", [1, 2, 3, 5, 8, 16, 37])
def test_n_groups_of_three_count_4_n_lanes(groups: int) -> None:
    tree = tree_of(BIT, 4 * groups)
    assert [len(addition.lanes) for addition in tree.levels[0]] == [3] * groups
    assert tree.levels[-1][0].lanes == (4 * groups - 1,)


def test_cells_of_64_lanes() -> None:
    tree = tree_of(BIT, 64)
    # 16 groups of 2 halves; 8 sums of 3; the sums of 4, 5 and 6 halves with the accumulator's 13. A half ends a chain.
    assert [tree.length(chain) for chain in tree.chains] == [33, 25, 4 * 4 + 2 * 5 + 6 + 13]
    assert tree.cells == 17 + 13 + 23
    # Sums of 2 bits, then 4, 5 and 6; the accumulator.
    assert tree.registers == 16 * 2 + 4 * 4 + 2 * 5 + 6 + 12
    # The lanes of later levels, after each register.
    assert tree.lane_registers == 16 + 4 + 2 + 1


def test_cells_of_27_integers() -> None:
    tree = tree_of(BYTE, 27, 15)
    # 13 pairs of 10 bits; 6 sums of 11, and one with the last integer; 3 sums of 12; 13, 14; the accumulator.
    assert [tree.length(chain) for chain in tree.chains] == [10] * 13 + [11] * 7 + [12] * 3 + [13, 13, 14, 15]
