"""The order in which a frame is computed, with its special cases: steps at several ports, deep FIFOs, deadlocks."""

import numpy as np
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from dataflow import Fifo, InputError, Network, WindowNode
from hwsim import Stalls, simulate
from hwsim.cycle.horizon import fingerprint
from hwsim.cycle.kernel import DEPTH, FIRST_KEPT, PLACE, SLOT, SOURCE, longest_burst
from hwsim.cycle.plan import StandstillError, plan_of
from hwsim.cycle.program import flatten
from tests.examples import examples
from tests.hwsim.pattern_networks import Pattern, branching_networks, network_of, pattern_networks
from tests.hwsim.test_cycle import assert_exact, stalls_of
from tests.hwsim.window_networks import alone, window_nodes


def assert_ordered(network: Network) -> int:
    """Check that every part of a frame is once in the plan, after those it needs; return the number of parts."""
    program = flatten(network, Stalls.none())
    plan = plan_of(program)
    known = np.zeros(plan.fifos[0, FIRST_KEPT] + plan.fifos[:, DEPTH].sum(), bool)
    known[0] = known[plan.befores] = True
    known[plan.fifos[0, FIRST_KEPT] :] = True
    for part in plan.parts.T:
        assert known[[part[SLOT] - 1, part[SOURCE], part[PLACE]]].all()
        assert not known[part[SLOT]]
        known[part[SLOT]] = True
    assert known.all()
    return plan.parts.shape[1]


@pytest.mark.long
@settings(max_examples=examples(100))
@given(pattern_networks() | branching_networks())
def test_every_part_stands_behind_what_it_needs(network: Network) -> None:
    try:
        parts = assert_ordered(network)
    except StandstillError:
        event("deadlock")
        assume(False)
    events = sum(actor.events for actor in flatten(network, Stalls.none()).actors)
    event("an event of several parts" if parts > events else "one part for each event")


@settings(max_examples=examples(60))
@given(window_nodes(), st.integers(1, 4))
def test_every_part_of_a_window_stands_behind_what_it_needs(node: WindowNode, depth: int) -> None:
    assert_ordered(alone(node, depth=depth))


def crossing(inputs: int, outputs: int, depth: int, *, latency: int = 3) -> Network:
    """Return a network whose node consumes and emits beats at all ports in one step, some later than others."""
    late = [Pattern(f"late{i}", ("x" + i * ".",), (i * "." + "x",), repeats=3) for i in range(inputs)]
    node = Pattern("node", ("xxx.",) * inputs, ("xxx.",) * outputs, latency)
    slow = [Pattern(f"slow{i}", ("x" + i * ".",), ("x" + i * ".",), repeats=3) for i in range(outputs)]
    fifos = [Fifo(f"in{i}", f"late{i}") for i in range(inputs)]
    fifos += [Fifo(f"late{i}", "node", 0, i, depth) for i in range(inputs)]
    fifos += [Fifo("node", f"slow{i}", i, 0, depth) for i in range(outputs)]
    fifos += [Fifo(f"slow{i}", f"out{i}", 0, 0, 1) for i in range(outputs)]
    return network_of([*late, node, *slow], fifos)


@pytest.mark.long
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (2, 1), (1, 2), (3, 1), (1, 3), (2, 2), (3, 3)])
@pytest.mark.parametrize("depth", [1, 2, 7])
@pytest.mark.parametrize("seed", [None, 3])
def test_a_step_at_several_ports(inputs: int, outputs: int, depth: int, seed: int | None) -> None:
    network = crossing(inputs, outputs, depth)
    (node,) = (layout for layout in flatten(network, Stalls.none()).layouts if layout.actor.name == "node")
    assert node.latest - node.before == 3 * (inputs + outputs - 1)
    assert_exact(network, 5, stalls_of(network, seed))


@pytest.mark.parametrize("depth", [1, 3, 10, 50])
@pytest.mark.parametrize("seed", [None, 11])
def test_a_fifo_that_holds_several_frames(depth: int, seed: int | None) -> None:
    # Three beats in a frame, taken at the end of twenty steps: the FIFO before it fills over many frames.
    fast, slow = Pattern("fast", ("xxx",), ("xxx",)), Pattern("slow", (17 * "." + "xxx",), (19 * "." + "x",))
    network = network_of([fast, slow], [Fifo("in", "fast"), Fifo("fast", "slow", 0, 0, depth), Fifo("slow", "out")])
    run = assert_exact(network, 30, stalls_of(network, seed))
    assert run.fifos[1].max_taken == depth


@pytest.mark.parametrize("beats", [1, longest_burst - 1, longest_burst, longest_burst + 1, 5 * longest_burst + 3])
def test_bursts_of_any_length(beats: int) -> None:
    # The join takes one branch completely before the other, so the split continues for a frame.
    split = Pattern("split", (beats * "x",), (beats * "x", beats * "x"))
    join = Pattern("join", (beats * "x" + beats * ".", beats * "." + beats * "x"), (2 * beats * "x",))
    fifos = [
        Fifo("in", "split"),
        Fifo("split", "join", 0, 0, 2),
        Fifo("split", "join", 1, 1, beats),
        Fifo("join", "out"),
    ]
    network = network_of([split, join], fifos)
    assert assert_ordered(network) == 7 * beats
    assert_exact(network, 4, Stalls.none())


def test_a_step_that_waits_for_one_of_its_beats_stands_still() -> None:
    # In one step the join takes a beat of each branch, but the late branch gives none before it has taken two.
    split, late = Pattern("split", ("xx",), ("xx", "xx")), Pattern("late", ("xx..",), ("..xx",))
    join = Pattern("join", ("xx", "xx"), ("xx",))
    fifos = [
        Fifo("in", "split"),
        Fifo("split", "join", 0, 0, 1),
        Fifo("split", "late", 1, 0, 1),
        Fifo("late", "join", 0, 1, 1),
        Fifo("join", "out"),
    ]
    network = network_of([split, late, join], fifos, name="late")
    sentence = (
        r"^Network 'late' must be able to move, not deadlock: "
        r"'split' waits for a place in 'split -> join' \(full with 1\); "
        r"'late' waits for a beat in 'split\.1 -> late'; "
        r"'join' waits for a beat in 'late -> join\.1'; a depth of 2 for 'split -> join' resolves it$"
    )
    with pytest.raises(InputError, match=sentence):
        simulate(network, 1)
    assert_exact(network.with_depths({"split -> join": 2}), 3, Stalls.none())


def test_fingerprints_of_differences_are_differences_of_fingerprints() -> None:
    rng = np.random.default_rng(5)
    times, later = rng.integers(-1, 2**40, (2, 1000))
    assert ((fingerprint(later) - fingerprint(times)) == fingerprint(later - times)).all()
    assert (fingerprint(times) == fingerprint(times.copy())).all()
    assert len({fingerprint(times + step).tobytes() for step in np.eye(1000, dtype=np.int64)}) == 1000
    assert len({fingerprint(rng.permutation(times)).tobytes() for _ in range(100)}) == 100
