"""Mutations: networks, and everything in them that is broken on purpose. `test_mutations` sees each of them found."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType

import numpy as np
import pytest
from amaranth import Const, Module, Mux, Signal, Value

from dataflow import MatrixVector, Network, Rearrange, Requantize, Select, SlidingWindow, Threshold, fold, pipelined
from dataflow.families import FAMILIES
from dataflow.nodes import AdderTree, Difference, Sum
from rtl.components import (
    _shared_sums,
    _tree_sum,
    add,
    arg_max,
    matrix_vector,
    requantize,
    select,
    sliding_window,
    spatial_arg_max,
    sum_pool,
    threshold,
)
from rtl.components import _window as window
from rtl.components._carry_chain import INJECT, Half
from sim_tests.cases import Case, dense_case, dense_network, random_frames
from sim_tests.conv_cases import conv_network
from sim_tests.family_cases import FAMILY_CASES
from sim_tests.head_cases import HEAD_CASES
from sim_tests.map_cases import MAP_CASES
from sim_tests.mutants import Fault, Original, drop_beat, late, swap_lanes
from sim_tests.residual_cases import RESIDUAL_CASES
from sim_tests.test_conv import CASES as CONV_CASES
from sim_tests.wiring_cases import WIRING_CASES

__all__ = ["BROKEN_NODES", "CHANGES", "PATCHES", "Change", "Patch", "original"]

#: Every node kind of dense networks, with at least two lanes into each node.
DENSE = Case(
    "mutated",
    (24, 8, 6, 4),
    {
        "binarize": {"pe": 4},
        "fc0": {"pe": 4, "simd": 6},
        "fc1": {"pe": 3, "simd": 4},
        "fc2": {"pe": 2, "simd": 3},
        "scores_fork": {"pe": 4},
        "arg_max": {"pe": 2},
    },
    outputs="both",
    uneven=True,
)


def _conv() -> Network:
    """Return sums of integers, windows and a pool, with two lanes into each."""
    return fold(
        conv_network((5, 6, 2), (4, 4), integers=True, padding=(1, 1, 1, 1), pool=(2, 2)),
        {
            "conv0.window": {"pe": 2},
            "conv0": {"pe": 4, "simd": 6},
            "pool0": {"pe": 2},
            "conv1.window": {"pe": 2},
            "conv1": {"pe": 2, "simd": 12},
            "pool1": {"pe": 4},
            "fc": {"simd": 2},
        },
    )


def _inert() -> Network:
    """Return every kind of node that has inert lanes, in front of one that counts them if they are not 0."""
    unfolded = conv_network(
        (6, 6, 3), (5, 4), classes=3, padding=(1, 1, 1, 1), pad=1, pool=(2, 2), pool_kinds=("sum", "max")
    )
    return fold(
        unfolded,
        {
            "binarize": {"pe": 2},
            "conv0.window": {"pe": 2},
            "conv0": {"pe": 3, "simd": 8},
            "pool0": {"pe": 3},
            "sign0": {"pe": 2},
            "conv1": {"pe": 3, "simd": 7},
            "fc": {"pe": 2, "simd": 3},
            "arg_max": {"pe": 2},
        },
    )


def _branched(name: str) -> Network:
    return next(case for case in (*RESIDUAL_CASES, *WIRING_CASES) if case.name == name).network()


@cache
def original(name: str) -> Original:
    """Return a network with the frames on which its mutants are told from it."""
    if name == "dense":
        network = DENSE.network()
        frames = random_frames(network, 24)
        binarize = network.node("binarize")
        assert isinstance(binarize, Threshold)
        frames[2] = np.maximum(binarize.thresholds - 1, 0)  # one below, where a moved threshold shows
        return Original(network, frames)
    if name == "arg_max":
        network = fold(dense_network((12, 7, 3), seed=5), {"arg_max": {"pe": 2}})
        return Original(network, random_frames(network, 40))
    if name == "pipelined":
        # Only where each step ends a sum does it matter in which cycle a level comes.
        network = fold(pipelined(DENSE.network()), {"fc1": {"simd": 8}})
        return Original(network, random_frames(network, 24))
    if name == "shared":
        network = dense_case("shared-sums")
        return Original(network, random_frames(network, 40))
    if name == "chains":
        (network,) = (case.network() for case in FAMILY_CASES if case.name == name)
        return Original(network, random_frames(network, 8), family="ecp5")
    if name in {case.name for case in (*RESIDUAL_CASES, *WIRING_CASES)}:
        network = _branched(name)
        return Original(network, random_frames(network, 8 if name == "codes" else 16))
    if name in {case.name for case in (*MAP_CASES, *HEAD_CASES)}:
        network = next(case for case in (*MAP_CASES, *HEAD_CASES) if case.name == name).network()
        return Original(network, random_frames(network, 6))
    # In "everything" are sums of bits with zero outside, in groups, pooled; thresholds with zero outside, in groups.
    make, frames_run, seed = {
        "conv": (_conv, 6, 2),
        "inert": (_inert, 5, 3),
        "everything": (CONV_CASES["everything"].network, 4, 2),
        "weights-of-2-bits": (CONV_CASES["weights-of-2-bits"].network, 2, 2),
        "weights-of-8-bits": (CONV_CASES["weights-of-8-bits"].network, 2, 2),
    }[name]
    network = make()
    return Original(network, random_frames(network, frames_run), seed=seed)


#: Nodes whose component is wrapped in each fault.
BROKEN_NODES: dict[str, tuple[str, ...]] = {
    "dense": tuple(node.name for node in DENSE.network().nodes),
    "conv": ("conv0.window", "pool0", "conv1.window", "pool1"),
    "bits": ("add0",),
    "stacked": ("stack0",),
    "codes": ("codes0_1", "codes0", "codes1_1"),
    "split-image": ("split0.second", "shuffle1"),
    "integer-pixels": ("crop0", "blocks3"),
    "map-positions-parallel": ("arg_max",),
    "map-class": ("arg_max",),
    "heads-class": ("head0", "out0_scores_fork", "head1"),
}

#: Faults with whether values and cycles must differ.
FAULTS: tuple[tuple[Fault, bool, bool], ...] = ((late, False, True), (drop_beat, True, True), (swap_lanes, True, False))


@dataclass(frozen=True)
class Change:
    """Networks that differ from an original in one number each; they are found if the reference says that it shows.

    Parameters
    ----------
    original : name of the original
    node : the node that differs
    mutants : yields the networks, of which some must show
    """

    original: str
    node: str
    mutants: Callable[[Original, str], Iterator[Network]]

    def __str__(self) -> str:
        return f"{self.original}-{self.node}-{self.mutants.__name__}"


def matrix_of(original: Original, name: str) -> MatrixVector:
    node = original.network.node(name)
    assert isinstance(node, MatrixVector)
    return node


def flipped_weights(original: Original, name: str) -> Iterator[Network]:
    """Yield a network for each neuron, in which one of its weights has the other sign."""
    rng, node = np.random.default_rng(0), matrix_of(original, name)
    for neuron in range(node.neurons):
        weights = node.weights.copy()
        weights[neuron, rng.integers(node.synapses)] *= -1
        yield original.with_node(replace(node, weights=weights))


def other_weights(original: Original, name: str) -> Iterator[Network]:
    """Yield a network for each neuron, in which one of its weights has another lowest bit."""
    rng, node = np.random.default_rng(0), matrix_of(original, name)
    for neuron in range(node.neurons):
        weights = node.weights.copy()
        weights[neuron, rng.integers(node.synapses)] ^= 1
        yield original.with_node(replace(node, weights=weights))


def moved_thresholds(original: Original, name: str) -> Iterator[Network]:
    node = original.network.node(name)
    assert isinstance(node, MatrixVector | Threshold)
    assert node.thresholds is not None
    for channel in range(min(8, node.thresholds.size)):
        thresholds = node.thresholds.copy()
        thresholds[channel] += 1 if thresholds[channel] == 0 else -1
        yield original.with_node(replace(node, thresholds=thresholds))


def window_of(original: Original, name: str) -> SlidingWindow:
    node = original.network.node(name)
    assert isinstance(node, SlidingWindow)
    return node


def other_padding(original: Original, name: str) -> Iterator[Network]:
    node = window_of(original, name)
    yield original.with_node(replace(node, pad=1 - node.pad))


def another_order_of_groups(original: Original, name: str) -> Iterator[Network]:
    node = window_of(original, name)
    assert node.groups == 2
    yield original.with_node(replace(node, groups=1))


def weights_of_another_group(original: Original, name: str) -> Iterator[Network]:
    node = matrix_of(original, name)
    yield original.with_node(replace(node, weights=np.roll(node.weights, node.group_neurons, axis=0)))


def another_class_of_a_position(original: Original, name: str) -> Iterator[Network]:
    """Yield two networks that differ in what they compute: the first or the last position has the class of another."""
    node = matrix_of(original, name)
    levels = node.offsets if node.thresholds is None else node.thresholds
    assert node.position_classes is not None
    assert levels is not None
    for position in (0, -1):
        classes = node.position_classes.copy()
        for kind in range(len(levels)):
            classes[position] = kind
            mutant = original.with_node(replace(node, position_classes=classes))
            if original.differing_streams(mutant):
                yield mutant
                break


def another_offset(original: Original, name: str) -> Iterator[Network]:
    """Yield a network in which one offset of one class differs in its lowest bit, so that no width changes."""
    node = matrix_of(original, name)
    assert node.offsets is not None
    offsets = node.offsets.copy()
    offsets[0, 1] += 1 if offsets[0, 1] < offsets.max() else -1
    yield original.with_node(replace(node, offsets=offsets))


def requantize_of(original: Original, name: str) -> Requantize:
    node = original.network.node(name)
    assert isinstance(node, Requantize)
    return node


def moved_starts(original: Original, name: str) -> Iterator[Network]:
    """Yield a network for each start of some channels, in which it is one less."""
    node = requantize_of(original, name)
    assert node.starts is not None
    before = np.pad(node.starts[:, :-1], ((0, 0), (1, 0)), constant_values=node.element.minimum)
    for row, column in np.argwhere(node.starts > before)[:3].tolist():
        starts = node.starts.copy()
        starts[row, column] -= 1
        yield original.with_node(replace(node, starts=starts))


def other_lines(original: Original, name: str) -> Iterator[Network]:
    """Yield networks in which the lines of a channel are steeper, or a code higher."""
    node = requantize_of(original, name)
    assert node.form == "lines"
    for field, change in (("multipliers", 1), ("offsets", 1 << node.shift)):
        for row in range(2):
            values = getattr(node, field).copy()
            values[row] += change
            yield original.with_node(replace(node, **{field: values}))


def other_codes(original: Original, name: str) -> Iterator[Network]:
    """Yield a network for each of the numbers around the middle, with another code of one channel for it."""
    node = requantize_of(original, name)
    assert node.table is not None
    for index in range(-1, 2):
        table = node.table.copy()
        table[0, index - node.element.minimum] ^= 1
        yield original.with_node(replace(node, table=table))


def other_channels(original: Original, name: str) -> Iterator[Network]:
    """Yield networks in which two neighbouring channels are exchanged."""
    node = original.network.node(name)
    assert isinstance(node, Select)
    for place in range(min(3, node.channels.size - 1)):
        channels = node.channels.copy()
        channels[place : place + 2] = channels[place : place + 2][::-1]
        yield original.with_node(replace(node, channels=channels))


CHANGES = (
    Change("dense", "fc0", flipped_weights),
    Change("dense", "fc1", flipped_weights),
    Change("dense", "fc2", flipped_weights),
    Change("shared", "fc0", flipped_weights),
    Change("shared", "fc1", moved_thresholds),
    Change("dense", "binarize", moved_thresholds),
    Change("dense", "fc0", moved_thresholds),
    Change("dense", "fc1", moved_thresholds),
    Change("conv", "conv0", flipped_weights),
    Change("conv", "conv1", flipped_weights),
    Change("conv", "conv0.window", other_padding),
    Change("conv", "conv1.window", other_padding),
    Change("everything", "conv0", another_class_of_a_position),
    Change("everything", "conv1", another_class_of_a_position),
    Change("everything", "conv0", another_offset),
    Change("everything", "conv0.window", another_order_of_groups),
    Change("everything", "conv0", weights_of_another_group),
    Change("weights-of-2-bits", "conv0", other_weights),
    Change("weights-of-2-bits", "fc", other_weights),
    Change("weights-of-8-bits", "conv0", other_weights),
    Change("codes", "codes0_0", moved_starts),
    Change("codes", "codes0_1", other_lines),
    Change("codes", "codes0", other_codes),
    Change("split-image", "shuffle1", other_channels),
    Change("sliced", "slice0", other_channels),
)


@dataclass(frozen=True)
class Patch:
    """A component whose values are wrong, in an original in which that must show; no cycle may differ.

    Parameters
    ----------
    original : name of the original
    node : after which the first difference must be
    what : called with the patch to apply and the original
    """

    original: str
    node: str
    what: Callable[[pytest.MonkeyPatch, Original, str], None]

    def __str__(self) -> str:
        return f"{self.original}-{self.node}-{self.what.__name__}"


def clears_no_inert_lanes(module: ModuleType) -> Callable[[pytest.MonkeyPatch, Original, str], None]:
    """Return the mutation that a node's component, which is in `module`, leaves what it has in inert lanes."""

    def inert_lanes(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
        clears, stream = module.ends_vector, original.network.node(name).output_streams[0]
        assert stream.inert
        patch.setattr(module, "ends_vector", lambda m, p, s: Const(0) if s == stream else clears(m, p, s))

    return inert_lanes


def inert_synapses_match(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
    words = MatrixVector.weight_words.fget  # type: ignore[attr-defined]

    def inverted(node: MatrixVector) -> np.ndarray:
        found = words(node).reshape(-1, node.synapse_folds, node.pe, node.simd)
        if node.name == name:
            found[:, -1, :, -(-node.synapses % node.simd) :] = False
        inverted_words: np.ndarray = found.reshape(-1, node.pe * node.simd)
        return inverted_words

    patch.setattr(MatrixVector, "weight_words", property(inverted))


def inert_synapses_have_a_weight(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
    words = MatrixVector.weight_words.fget  # type: ignore[attr-defined]

    def negative(node: MatrixVector) -> np.ndarray:
        found: np.ndarray = words(node)
        if node.name == name:
            lanes = found.reshape(-1, node.synapse_folds, node.pe, node.simd, node.weight_element.width)
            lanes[:, -1, :, -(-node.synapses % node.simd) :] = True
        return found

    patch.setattr(MatrixVector, "weight_words", property(negative))


def an_inert_class_wins(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
    keys = arg_max.ArgMax.lane_keys
    patch.setattr(arg_max.ArgMax, "lane_keys", lambda self, m, issue, step, last: keys(self, m, issue, step, Const(0)))


def the_last_position_wins(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
    patch.setattr(spatial_arg_max.SpatialArgMax, "is_better", lambda self, score, best: score >= best)


def sums_count_what_is_outside(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
    number = sum_pool.SumPool.lane_number

    class Everywhere:
        """A buffer all of whose taps are inside."""

        def __init__(self, buffer: object) -> None:
            self.o, self.inside = buffer.o, ~buffer.inside | buffer.inside  # type: ignore[attr-defined]

    def everywhere(self: sum_pool.SumPool, m: Module, k: int, buffer: object) -> Value:
        return number(self, m, k, Everywhere(buffer))  # type: ignore[arg-type]

    patch.setattr(sum_pool.SumPool, "lane_number", everywhere)


def bits_count_as_0_and_1(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
    patch.setattr(add.Add, "lane_number", lambda self, n, k, there: self.inputs[n].payload[k])


def inert_lanes_count(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
    number = add.Add.lane_number
    patch.setattr(add.Add, "lane_number", lambda self, n, k, there: number(self, n, k, Const(1)))


def sums_wrap(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
    assert sum(getattr(node, "saturates", False) for node in original.network.nodes) == 2
    patch.setattr(add.Add, "saturated", lambda self, m, exact, k: _held(m, exact))


def absent_channels_have_functions(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
    node = requantize_of(original, name)
    assert node.rows > 1
    assert node.output_streams[0].inert
    by_group = Requantize.by_group

    def filled(node: Requantize, values: np.ndarray) -> np.ndarray:
        if node.name != name:
            return by_group(node, values)
        return by_group(node, np.pad(values, ((0, -len(values) % node.pe), (0, 0)), mode="edge"))

    patch.setattr(Requantize, "by_group", filled)


def codes_wrap(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
    assert requantize_of(original, name).saturates
    patch.setattr(requantize, "saturated", lambda m, exact, element, name: _held(m, exact))


def rounds_toward_zero(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
    shifted = requantize.Requantize.shifted

    def toward_zero(self: requantize.Requantize, m: Module, total: Signal, k: int) -> Value:
        """Return the code of a sum to which one less than a step is added if it is negative."""
        raised = Signal.like(total)
        m.d.comb += raised.eq(total + Mux(total < 0, (1 << self.node.shift) - 1, 0))
        return shifted(self, m, raised, k)

    patch.setattr(requantize.Requantize, "shifted", toward_zero)


def inert_lanes_repeat_a_channel(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
    assert original.network.node(name).output_streams[0].inert
    number = select.Select.lane_number
    patch.setattr(select.Select, "lane_number", lambda self, source: number(self, max(0, source)))


def reads_the_next_beat(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
    first = Rearrange.first_beat.fget  # type: ignore[attr-defined]
    patch.setattr(Rearrange, "first_beat", property(lambda node: first(node) + (node.name == name)))


def lanes_do_not_wait(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
    tree = _matrix_tree(original, name)
    assert tree.first_lane(1) < tree.lanes
    waiting = _tree_sum.waiting

    def at_once(m: Module, of: AdderTree, value: Value, *, name: str) -> list[object]:
        found: list[object] = list(waiting(m, of, value, name=name))
        return [found[0]] * len(found) if of == tree else found

    patch.setattr(matrix_vector, "waiting", at_once)


def a_carry_is_lost(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
    tree, counted = _matrix_tree(original, name), _tree_sum._counted

    def without(of: AdderTree, *arguments: object) -> list[Half]:
        first, *others = counted(of, *arguments)  # type: ignore[arg-type]
        return [Half(INJECT, Const(0), Const(0)) if of == tree else first, *others]

    patch.setattr(_tree_sum, "_counted", without)


def lacks_a_register(which: str) -> Callable[[pytest.MonkeyPatch, Original, str], None]:
    """Return the mutation that one of the registers around a layer's memories is left out."""

    def lacks(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
        assert matrix_of(original, name).is_pipelined
        registered = matrix_vector.MatrixVector._registered

        def without(node: matrix_vector.MatrixVector, m: Module, value: Value, label: str, **options: bool) -> Value:
            if (node.node.name, label) == (name, which):
                return Value.cast(value)
            return registered(node, m, value, label, **options)

        patch.setattr(matrix_vector.MatrixVector, "_registered", without)

    lacks.__name__ = f"lacks_{which}"
    return lacks


def _matrix_tree(original: Original, name: str) -> AdderTree:
    node = matrix_of(original, name)
    assert node.in_chains(FAMILIES[original.family or ""])
    return node.adder_tree


def shares_wrong_sums(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
    """Make one neuron take the sum of the synapses in which another one differs from the first of their cluster."""
    node = matrix_of(original, name)
    assert node.shares_sums
    graph = node.adder_graph
    places = [place for place, number in enumerate(graph.numbers) if isinstance(number, Difference)]
    numbers = list(graph.numbers)
    numbers[places[1]] = numbers[places[0]]
    patch.setitem(node.__dict__, "adder_graph", replace(graph, numbers=tuple(numbers)))


def carries_are_lost(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
    graph = matrix_of(original, name).adder_graph
    numbers = [replace(each, carry=None) if isinstance(each, Sum) else each for each in graph.numbers]
    assert numbers != list(graph.numbers)
    patch.setitem(matrix_of(original, name).__dict__, "adder_graph", replace(graph, numbers=tuple(numbers)))


def limits_are_exceeded(patch: pytest.MonkeyPatch, original: Original, name: str) -> None:
    """Make a sum count as one that reaches its neuron's limit only if it is above."""
    assert original.network.node(name) is matrix_of(original, name)
    reaches = _shared_sums._reaches

    def exceeds(m: Module, number: Value, span: tuple[int, int], limit: int, *, name: str) -> Value:
        return reaches(m, number, span, limit + 1, name=name)

    patch.setattr(_shared_sums, "_reaches", exceeds)


def _held(m: Module, exact: Value) -> Signal:
    """Return the register of a number, whose upper bits are lost where it is written on."""
    held = Signal(exact.shape())
    m.d.sync += held.eq(exact)
    return held


PATCHES = (
    Patch("inert", "binarize", clears_no_inert_lanes(threshold)),
    Patch("inert", "conv0.window", clears_no_inert_lanes(sliding_window)),
    Patch("inert", "conv0", clears_no_inert_lanes(matrix_vector)),
    Patch("inert", "pool0", clears_no_inert_lanes(window)),
    Patch("inert", "sign0", clears_no_inert_lanes(threshold)),
    Patch("inert", "fc", clears_no_inert_lanes(matrix_vector)),
    Patch("inert", "conv0", inert_synapses_match),
    Patch("inert", "conv1", inert_synapses_match),
    Patch("inert", "fc", inert_synapses_match),
    Patch("weights-of-2-bits", "conv0", inert_synapses_have_a_weight),
    Patch("chains", "fc0", lanes_do_not_wait),
    Patch("chains", "fc1", a_carry_is_lost),
    Patch("pipelined", "fc0", lacks_a_register("address")),
    Patch("pipelined", "fc0", lacks_a_register("arrived")),
    Patch("pipelined", "fc0", lacks_a_register("read_vector")),
    Patch("pipelined", "fc1", lacks_a_register("read_weights")),
    Patch("pipelined", "fc1", lacks_a_register("read_levels")),
    Patch("shared", "fc0", shares_wrong_sums),
    Patch("shared", "fc0", carries_are_lost),
    Patch("shared", "fc0", limits_are_exceeded),
    Patch("arg_max", "arg_max", an_inert_class_wins),
    Patch("map-positions", "arg_max", the_last_position_wins),
    Patch("everything", "pool1", sums_count_what_is_outside),
    Patch("bits", "add0", bits_count_as_0_and_1),
    Patch("inert-bits", "add0", inert_lanes_count),
    Patch("integers-go-on", "", sums_wrap),
    Patch("codes", "codes0_0", clears_no_inert_lanes(requantize)),
    Patch("codes", "codes1_0", clears_no_inert_lanes(requantize)),
    Patch("codes", "codes0_1", absent_channels_have_functions),
    Patch("codes", "codes1_1", absent_channels_have_functions),
    Patch("codes", "codes0_1", codes_wrap),
    Patch("codes-stacked", "codes1", rounds_toward_zero),
    Patch("inert-slice", "slice0", inert_lanes_repeat_a_channel),
    Patch("integer-pixels", "crop0", reads_the_next_beat),
)
