"""Hardware broken on purpose is found, whatever is broken, and nothing else is reported."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from _pytest.mark import ParameterSet

import hwsim
from dataflow import Network
from dataflow.nodes import WindowNode
from sim_tests.mutants import Fault, Original, break_node, drop_beat, late, swap_lanes
from sim_tests.mutation_cases import (
    BROKEN_NODES,
    CHANGES,
    FAULTS,
    PATCHES,
    Change,
    Patch,
    flipped_weights,
    moved_thresholds,
    original,
)
from sim_tests.simulators import available
from sim_tests.verification import Verification

pytestmark = pytest.mark.sim

#: Mutants of one kind that are simulated, spread over all of them.
MOST = 3

RUNS_HERE = ["amaranth", *(name for name, reason in available().items() if reason is None)]


def differs(verification: Verification) -> tuple[bool, bool]:
    """Return whether values and cycles differ."""
    assert verification.passed == (verification.value_mismatches == verification.cycle_mismatches == 0)
    return verification.value_mismatches > 0, verification.cycle_mismatches > 0


def cases(table: Mapping[str, tuple[object, ...]], representatives: Iterable[str]) -> list[ParameterSet]:
    """Return the cases of a table as parameters: one of each kind is in the default suite, the others are slow."""
    chosen = set(representatives)
    assert chosen <= set(table), chosen - set(table)
    return [
        pytest.param(*values, id=name, marks=[] if name in chosen else [pytest.mark.slow])
        for name, values in table.items()
    ]


NETWORKS = sorted({each.original for each in (*CHANGES, *PATCHES)} | set(BROKEN_NODES))


@pytest.mark.parametrize(
    "name",
    cases({name: (name,) for name in NETWORKS}, {"arg_max", "conv", "dense", "inert"}),
)
def test_the_network_itself_is_equal(name: str) -> None:
    assert original(name).verify().passed


BROKEN = {
    f"{fault.__name__}-{name}-{node}": (name, node, fault, values, cycles)
    for name, nodes in BROKEN_NODES.items()
    for place, node in enumerate(nodes, 1)
    for number, (fault, values, cycles) in enumerate(FAULTS)
    if name == "dense" or fault is late or number == place % len(FAULTS)
}


@pytest.mark.parametrize(
    ("name", "node", "fault", "values", "cycles"),
    cases(
        BROKEN,
        {
            *(f"late-dense-{node}" for node in ("binarize", "fc1", "arg_max")),
            *(f"drop_beat-dense-{node}" for node in ("binarize", "scores_fork", "arg_max")),
            *(f"swap_lanes-dense-{node}" for node in ("fc0", "fc0.width", "scores_fork")),
            *("late-conv-conv0.window", "swap_lanes-conv-pool0", "late-bits-add0", "late-stacked-stack0"),
            *("late-codes-codes0_1", "swap_lanes-codes-codes0"),
            *("late-split-image-shuffle1", "late-integer-pixels-crop0", "swap_lanes-integer-pixels-blocks3"),
        },
    ),
)
def test_a_broken_node_is_found(
    name: str, node: str, fault: Fault, values: bool, cycles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_node(monkeypatch, node, fault)
    verification = original(name).verify()
    assert differs(verification) == (values, cycles), str(verification)
    first = verification.first[0]
    assert first.stream == original(name).stream_after(node)
    if fault is not drop_beat:
        assert {mismatch.what for mismatch in verification.first} == {"value" if values else "cycle"}
    elif name == "dense":  # windows overlap: with one beat less, they still come
        assert verification.stood.startswith("No beat moved from cycle ")
    if fault is late:
        assert (first.side, first.got) == ("written", int(str(first.expected)) + 1)


@pytest.mark.parametrize(
    "change",
    cases(
        {str(change): (change,) for change in CHANGES},
        [
            "dense-fc2-flipped_weights",
            "dense-fc1-moved_thresholds",
            "conv-conv1.window-other_padding",
            "everything-conv0-another_offset",
            "sliced-slice0-other_channels",
        ],
    ),
)
def test_a_changed_number_is_found_if_it_shows(change: Change) -> None:
    true, shown = original(change.original), 0
    mutants = list(change.mutants(true, change.node))
    for mutant in mutants[:: -(-len(mutants) // MOST)]:
        shows = bool(true.differing_streams(mutant))
        verification = true.verify(mutant)
        assert differs(verification) == (shows, False), str(verification)
        if shows:
            assert verification.first[0].stream in {fifo.name for fifo in true.network.fifos_out_of(change.node)}
        shown += shows
    assert shown


@pytest.mark.parametrize(
    "patch",
    cases(
        {str(patch): (patch,) for patch in PATCHES},
        [
            "inert-fc-inert_synapses_match",
            "weights-of-2-bits-conv0-inert_synapses_have_a_weight",
            "arg_max-arg_max-an_inert_class_wins",
            "chains-fc1-a_carry_is_lost",
            "pipelined-fc1-lacks_read_weights",
            "bits-add0-bits_count_as_0_and_1",
            "codes-codes0_0-inert_lanes",
            "codes-codes0_1-absent_channels_have_functions",
            "codes-stacked-codes1-rounds_toward_zero",
        ],
    ),
)
def test_a_component_with_wrong_values_is_found(patch: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    true = original(patch.original)
    patch.what(monkeypatch, true, patch.node)
    verification = true.verify()
    assert differs(verification) == (True, False), str(verification)
    if patch.node:
        assert verification.first[0].stream in {fifo.name for fifo in true.network.fifos_out_of(patch.node)}


def shows_in_time(true: Original, mutant: Network, seed: int) -> bool:
    """Return whether the cycle simulator gives a beat of the mutant another cycle."""
    stalls = hwsim.random_stalls(true.network, seed)
    expected, other = (
        hwsim.simulate(network, frames=len(true.frames), stalls=stalls, record=True)
        for network in (true.network, mutant)
    )
    return any(
        not np.array_equal(getattr(expected, side)[name], getattr(other, side)[name])
        for side in ("writes", "reads")
        for name in expected.writes
    )


@pytest.mark.slow
@pytest.mark.parametrize("change", [-1, 1])
def test_another_depth_is_found_if_it_shows(change: int) -> None:
    true, shown = original("dense"), 0
    for fifo in true.network.fifos:
        mutant = true.network.with_depths({fifo.name: fifo.depth + change})
        shows = shows_in_time(true, mutant, 3)
        assert differs(true.verify(mutant, seed=3)) == (False, shows)
        shown += shows
    assert shown


@pytest.mark.slow
def test_one_place_more_in_a_buffer_is_found_if_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    true, shown = original("conv"), 0
    for name in BROKEN_NODES["conv"]:
        node = true.network.node(name)
        assert isinstance(node, WindowNode)
        wider, places = replace(node), {each: true.network.node(each) for each in BROKEN_NODES["conv"]}
        fewer = {each: node.places for each, node in places.items() if isinstance(node, WindowNode)}
        more = property(lambda self, wider=wider, fewer=fewer: fewer[self.name] + (self is wider))  # type: ignore[misc]
        mutant = true.with_node(wider)
        true.verify()  # expectations are kept, so that they are those without the patch
        with monkeypatch.context() as patch:
            patch.setattr(type(wider), "places", more)
            shows = shows_in_time(true, mutant, true.seed)
            verification = true.verify(mutant)
        assert differs(verification) == (False, shows)
        shown += shows
    assert shown


def broken(node: str, fault: Fault) -> Callable[[Original, pytest.MonkeyPatch], Network]:
    def mutate(true: Original, patch: pytest.MonkeyPatch) -> Network:
        break_node(patch, node, fault)
        return true.network

    return mutate


#: By name, with whether values and cycles must differ.
MUTATIONS: dict[str, tuple[Callable[[Original, pytest.MonkeyPatch], Network], bool, bool]] = {
    "nothing": (lambda true, patch: true.network, False, False),
    "weight": (lambda true, patch: list(flipped_weights(true, "fc1"))[3], True, False),
    "threshold": (lambda true, patch: list(moved_thresholds(true, "fc0"))[4], True, False),
    "drop_beat-fc0": (broken("fc0", drop_beat), True, True),
    "late-fc1": (broken("fc1", late), False, True),
    "swap_lanes-fc0.width": (broken("fc0.width", swap_lanes), True, False),
}


@pytest.mark.parametrize(
    ("simulator", "mutate", "values", "cycles"),
    cases(
        {f"{name}-{sim}": (sim, *mutation) for sim in RUNS_HERE for name, mutation in MUTATIONS.items()},
        ["weight-amaranth", *(f"late-fc1-{simulator}" for simulator in RUNS_HERE)],
    ),
)
def test_every_simulator_finds_the_mutation(
    simulator: str,
    mutate: Callable[[Original, pytest.MonkeyPatch], Network],
    values: bool,
    cycles: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    true = original("dense")
    verification = true.verify(mutate(true, monkeypatch), simulator=simulator, build_dir=tmp_path)
    assert differs(verification) == (values, cycles), str(verification)
