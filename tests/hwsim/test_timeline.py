"""The timeline: every cycle of every node and FIFO, compared with the simulation that steps cycle by cycle."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dataflow import InputError, Network
from hwsim import Stalls, Timeline, random_stalls, simulate, unroll
from hwsim.cycle import step_slowly
from hwsim.timeline import BLOCKED, BUSY, STATES, FifoTrack, NodeTrack
from sim_tests.cases import CASES, Case, dense_case, dense_network
from sim_tests.strategies import conv_networks
from tests.examples import examples
from tests.hwsim.pattern_networks import pattern_networks


def history_of(track: NodeTrack, cycles: int) -> tuple[str, ...]:
    """Return what a node does in each cycle; after its last step it waits for a frame that does not come."""
    spells = track.spells
    done = [STATES[state] for state in np.repeat(spells.states, spells.stops - spells.starts)]
    return (*done, *["starved"] * (cycles - len(done)))


def levels_of(track: FifoTrack, cycles: int) -> tuple[int, ...]:
    starts, stored = track.levels
    return tuple(np.repeat(stored, np.diff(np.append(starts, max(cycles, starts[-1] + 1))))[:cycles].tolist())


def check_spans(track: NodeTrack, history: tuple[str, ...], frames: int) -> None:
    """Compare spans, waits and sums between borders with what a node does in each cycle."""
    doing = np.array(history)
    steps = np.flatnonzero(doing == "busy").reshape(frames, track.steps)
    assert track.spans.tolist() == [[frame[0], frame[-1] + 1] for frame in steps]
    borders = np.arange(0, len(doing) + 3, 3)
    for frame, (start, stop) in enumerate(track.spans.tolist()):
        within = doing[start:stop]
        assert track.waits(frame) == ((within == "starved").sum(), (within == "blocked").sum())
        counts = np.bincount(steps[frame] // 3, minlength=len(borders) - 1)
        assert track.spells.cycles_between(borders, BUSY, frame).tolist() == counts.tolist()
    blocked = np.bincount(np.flatnonzero(doing == "blocked") // 3, minlength=len(borders) - 1)
    assert track.spells.cycles_between(borders, BLOCKED).tolist() == blocked.tolist()


def check(network: Network, frames: int, stalls: Stalls) -> Timeline:
    slow = step_slowly(network, frames, stalls=stalls)
    timeline = unroll(network, frames, stalls=stalls)
    run = simulate(network, frames, stalls=stalls)
    assert timeline.cycles == slow.cycles
    for track, activity in zip(timeline.nodes, run.nodes, strict=True):
        history = history_of(track, slow.cycles)
        assert history == slow.history[track.name]
        assert track.steps * frames == activity.busy
        check_spans(track, history, frames)
    for fifo in timeline.fifos:
        assert levels_of(fifo, slow.cycles) == slow.levels[fifo.name]
        starts, stored = fifo.levels
        assert (np.diff(starts) > 0).all()
        assert (np.diff(stored) != 0).all()
    return timeline


@pytest.mark.long
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("seed", [None, 3])
def test_cases(case: Case, seed: int | None) -> None:
    network = case.network()
    check(network, 3, Stalls.none() if seed is None else random_stalls(network, seed))


@pytest.mark.long
@given(pattern_networks(), st.integers(1, 3), st.none() | st.integers(0, 99))
def test_any_patterns(network: Network, frames: int, seed: int | None) -> None:
    try:
        check(network, frames, Stalls.none() if seed is None else random_stalls(network, seed, cycles=31))
    except InputError:
        assume(False)


@pytest.mark.long
@settings(max_examples=examples(20, many=90))
@given(conv_networks(), st.integers(1, 3), st.none() | st.integers(0, 99))
def test_windows(network: Network, frames: int, seed: int | None) -> None:
    try:
        check(network, frames, Stalls.none() if seed is None else random_stalls(network, seed))
    except InputError:
        assume(False)


def test_a_frame_of_a_node_by_hand() -> None:
    # Two pixels come in cycles 0 and 1 and are there from 1 and 2 on; the next beat is there from cycle 4 on.
    timeline = unroll(dense_network((2, 1)), 1)
    assert [node.spans.tolist() for node in timeline.nodes] == [[[1, 3]], [[4, 6]], [[10, 11]]]
    matrix = timeline.nodes[1]
    assert (matrix.steps, matrix.waits(0)) == (2, (0, 0))
    assert (matrix.spells.starts.tolist(), matrix.spells.states.tolist()) == ([0, 4], [1, 0])
    cycles, stored = timeline.fifos[0].levels
    assert (cycles.tolist(), stored.tolist()) == ([0, 1, 3], [0, 1, 0])


def test_quiet_steps_take_no_memory() -> None:
    network, frames = dense_network((256, 256)), 20
    unroll(network, 1)
    tracemalloc.start()
    timeline = unroll(network, frames)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    steps = sum(node.steps for node in timeline.nodes) * frames
    assert steps > 1_300_000
    assert peak < 8 * steps  # less than one number for each of them


def test_an_earlier_frame_does_not_depend_on_later_ones() -> None:
    network = dense_case("inert-wide")
    short, long = unroll(network, 2), unroll(network, 5)
    for few, many in zip(short.nodes, long.nodes, strict=True):
        assert (few.spans == many.spans[:2]).all()
        mine = many.spells.frames < 2
        for name in ("starts", "stops", "states", "frames"):
            assert (getattr(few.spells, name) == getattr(many.spells, name)[mine]).all()
