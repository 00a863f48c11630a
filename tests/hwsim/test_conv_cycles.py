"""Cycles of convolutional networks: nodes of two actors with a buffer between."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st

from dataflow import (
    BIPOLAR,
    Buffered,
    Fifo,
    InputError,
    MaxPool,
    Network,
    Node,
    Schedule,
    SlidingWindow,
    Stream,
    WindowNode,
    fold,
)
from dataflow.parts import Structure
from hwsim import Stalls, simulate
from hwsim.cycle import step_slowly
from hwsim.fifo_sizing import shrink_depths
from sim_tests.conv_cases import conv_network
from sim_tests.strategies import conv_networks
from tests.examples import examples
from tests.hwsim.pattern_networks import Pattern, network_of
from tests.hwsim.test_cycle import assert_exact, stalls_of
from tests.hwsim.window_networks import alone, window_nodes


@pytest.mark.long
@settings(max_examples=examples(60))
@given(window_nodes(), st.integers(1, 6), st.integers(1, 4), st.none() | st.integers(0, 1000))
@example(SlidingWindow("node", BIPOLAR, (5, 5, 1), (1, 1), (3, 3)), 2, 3, None)  # frees beats that have not arrived
@example(MaxPool("node", BIPOLAR, (7, 2, 1), (1, 1), (3, 1)), 1, 3, 7)
@example(SlidingWindow("node", BIPOLAR, (2, 2, 1), (1, 1), (1, 1), padding=(3, 3, 3, 3)), 1, 3, 0)
def test_one_window(node: WindowNode, frames: int, depth: int, seed: int | None) -> None:
    network = alone(node, depth=depth)
    assert_exact(network, frames, stalls_of(network, seed))


@pytest.mark.long
@settings(max_examples=examples(40))
@given(conv_networks(), st.integers(1, 3), st.none() | st.integers(0, 1000))
def test_random_networks(network: Network, frames: int, seed: int | None) -> None:
    assume(network.interval * frames < 6000)
    run = assert_exact(network, frames, stalls_of(network, seed))
    event("periodic within the frames" if run.simulated_frames < frames else "stepped to the end")


@pytest.mark.long
@settings(max_examples=examples(300))
@given(window_nodes())
@example(SlidingWindow("node", BIPOLAR, (7, 4, 1), (3, 3), (3, 2), padding=(0, 0, 0, 1)))  # stride as large as kernel
@example(SlidingWindow("node", BIPOLAR, (9, 4, 1), (1, 3), (1, 3), (1, 2), (3, 2, 2, 0)))  # positions without a pixel
@example(SlidingWindow("node", BIPOLAR, (7, 5, 4), (1, 1), (1, 2), padding=(3, 3, 1, 0)))
def test_frames_follow_each_other_without_a_bubble(node: WindowNode) -> None:
    # Steps per frame are the larger of the beats in and the beats read, for every kernel.
    run = simulate(alone(node, depth=node.latency + 2), 2)
    assert run.interval == node.steps
    assert run.interval_deviation == 0.0
    event("beats in decide" if node.steps > node.schedule().drain.steps else "beats read decide")


@pytest.mark.long
@settings(max_examples=examples(100))
@given(window_nodes())
def test_one_place_less_than_the_fewest_costs_a_bubble(node: WindowNode) -> None:
    row = node.places - node.fewest_places
    assert row == node.shape[1] * node.channel_folds
    fewest = _with_places(node, node.fewest_places)
    assert simulate(alone(fewest, depth=node.latency + 2), 2).interval == node.steps
    needed = int(node.schedule().needs.max())
    if node.fewest_places == needed:
        event("a window takes all places")  # with one less it never comes
    else:
        less = _with_places(node, node.fewest_places - 1)
        assert simulate(alone(less, depth=node.latency + 2), 2).interval > node.steps


def _with_places(node: WindowNode, places: int) -> WindowNode:
    """Return the node with another number of places in its buffer."""
    other = replace(node)
    other.__dict__["fewest_places"] = places - (node.places - node.fewest_places)
    return other


@dataclass(frozen=True, eq=False)
class Buffer(Node):
    """A node that consists only of its schedules: what each step of its drain needs and frees, and where it emits."""

    places: int
    needs: tuple[int, ...]
    frees: tuple[int, ...]
    emits: str
    latency: int = 1
    repeats: int = 1

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        return (Stream(BIPOLAR, (sum(self.frees) * self.repeats,)),)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        return (Stream(BIPOLAR, (self.emits.count("x") * self.repeats,)),)

    def schedule(self) -> Buffered:
        emits = np.array([[mark == "x" for mark in self.emits]])
        fill = Schedule(np.ones((1, 1), bool), np.zeros((0, 1), bool), 1, sum(self.frees) * self.repeats)
        drain = Schedule(np.zeros((0, len(self.emits)), bool), emits, self.latency, self.repeats)
        return Buffered(fill, drain, self.places, np.array(self.needs), np.array(self.frees))

    def structure(self) -> Structure:
        return Structure(self.kind, {}, registers=0)


@st.composite
def buffers(draw: st.DrawFn) -> Buffer:
    """Draw a buffer that is read in any order. Some beats may be freed before they have arrived."""
    period = draw(st.integers(1, 8))
    frees = draw(st.lists(st.integers(0, 4), min_size=period, max_size=period).filter(any))
    left = sum(frees) - np.cumsum(frees) + frees
    needs = [draw(st.integers(0, int(most))) for most in left]
    emits = "".join("x" if flag else "." for flag in draw(st.lists(st.booleans(), min_size=period, max_size=period)))
    emits = emits if "x" in emits else "x" + emits[1:]
    places = draw(st.integers(max(1, *needs), max(1, *needs) + 4))
    return Buffer("node", places, tuple(needs), tuple(frees), emits, draw(st.integers(1, 4)), draw(st.integers(1, 3)))


@pytest.mark.long
@settings(max_examples=examples(300))
@given(buffers(), st.integers(1, 8), st.integers(1, 4), st.none() | st.integers(0, 1000))
def test_random_buffers(node: Buffer, frames: int, depth: int, seed: int | None) -> None:
    network = alone(node, depth=depth)
    assert_exact(network, frames, stalls_of(network, seed))


def diamond(*, places: int, depth: int) -> Network:
    """Return a network whose join reads four beats of one branch before those of the other, which has a buffer."""
    split = Pattern("split", ("xxxx",), ("xxxx", "xxxx"))
    window = Buffer("window", places, (2, 0, 2, 0), (0, 2, 0, 2), "xxxx")
    join = Pattern("join", ("xxxx....", "....xxxx"), (".......x",))
    fifos = [
        Fifo("in", "split"),
        Fifo("split", "join"),
        Fifo("split", "window", 1, 0, depth),
        Fifo("window", "join", 0, 1, 1),
        Fifo("join", "out"),
    ]
    return network_of([split, window, join], fifos, name="diamond")


def test_a_deadlock_with_a_buffer_is_explained() -> None:
    # The window has emitted one beat and keeps two in its buffer until it has emitted another; one waits before it.
    # So three of the split's four beats are gone when the join still reads the other branch.
    network = diamond(places=2, depth=1)
    sentence = (
        r"^Network 'diamond' must be able to move, not deadlock: "
        r"'split' waits for a place in 'split\.1 -> window' \(full with 1\); "
        r"'window' waits for a place in 'window -> join\.1' \(full with 1\); "
        r"'join' waits for a beat in 'split -> join'; a depth of 2 for 'split\.1 -> window' resolves it$"
    )
    with pytest.raises(InputError, match=sentence):
        simulate(network, 2)
    with pytest.raises(InputError, match=r"^Network 'diamond' must be able to move, not deadlock in cycle \d+$"):
        step_slowly(network, 2)
    for freed in (diamond(places=3, depth=1), diamond(places=2, depth=2)):
        assert_exact(freed, 5, Stalls.none())


def test_a_drain_that_waits_names_the_beat_that_its_fill_waits_for() -> None:
    # The window needs three beats and two come before the join takes one from the split's other output.
    split = Pattern("split", ("xxx",), ("xxx", "xxx"))
    window = Buffer("window", 3, (3,), (3,), "x")
    join = Pattern("join", ("..xxx", "x...."), ("....x",))
    fifos = [
        Fifo("in", "split"),
        Fifo("split", "join"),
        Fifo("split", "window", 1, 0),
        Fifo("window", "join", 0, 1),
        Fifo("join", "out"),
    ]
    network = network_of([split, window, join], fifos, name="late")
    sentence = (
        r"^Network 'late' must be able to move, not deadlock: "
        r"'split' waits for a place in 'split -> join' \(full with 2\); "
        r"'window' waits for a beat in 'split\.1 -> window'; "
        r"'join' waits for a beat in 'window -> join\.1'; a depth of 3 for 'split -> join' resolves it$"
    )
    with pytest.raises(InputError, match=sentence):
        simulate(network, 3)


def test_a_node_is_as_busy_as_its_drain() -> None:
    # Four beats in and twelve out. The first four are written in cycles 0 to 3, taken in 1 to 4, and present in 5; the
    # drain's 24 steps are issued in 5 to 28, and the last beat is written in 29 and read in 30.
    node = Buffer("node", 8, (4,) + 11 * (0,), 11 * (0,) + (4,), 12 * "x")
    run = assert_exact(alone(node), 2, Stalls.none())
    assert run.nodes[0].busy == 24
    assert (run.nodes[0].starved, run.nodes[0].blocked, run.total) == (run.cycles - 24, 0, 31)


def test_a_buffer_is_none_of_the_fifos() -> None:
    network = alone(SlidingWindow("node", BIPOLAR, (4, 4, 1), (2, 2)))
    run = simulate(network, 3, record=True)
    names = [fifo.name for fifo in network.fifos]
    assert [use.name for use in run.fifos] == list(run.writes) == list(run.reads) == names


def test_ten_thousand_frames_cost_no_more_than_a_few() -> None:
    network = fold(conv_network((12, 10, 2), (4, 6), pool=(2, 2), integers=True), {"conv0": {"simd": 6}})
    few, many = simulate(network, 50), simulate(network, 10_000)
    assert few.simulated_frames == many.simulated_frames < 20
    assert many.interval == network.interval
    assert many.total == few.total + 9950 * network.interval


def test_smallest_depths_of_a_convolutional_network() -> None:
    network = fold(conv_network((8, 8, 2), (4, 4), padding=(1, 1, 1, 1), pool=(2, 2), integers=True), {})
    depths = shrink_depths(network)
    assert simulate(network.with_depths(depths), 3).interval == network.interval
    for name, depth in depths.items():
        if depth > 1:
            try:
                interval = simulate(network.with_depths({**depths, name: depth - 1}), 3).interval
            except InputError:
                continue
            assert interval > network.interval, name
