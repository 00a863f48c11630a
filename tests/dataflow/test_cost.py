"""The cost model: comparisons of costs, block RAMs, and refusals."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from dataflow import (
    BIPOLAR,
    Cost,
    Element,
    InputError,
    Integer,
    MatrixVector,
    Node,
    Schedule,
    SlidingWindow,
    Stream,
    fifo_cost,
    fold,
    network_cost,
    node_cost,
    weight_memory,
)
from dataflow.cost import port_cost
from dataflow.families import FAMILIES
from dataflow.logic import Adders, Groups, Rom
from dataflow.parts import Structure
from dataflow.storage import in_luts
from sim_tests.cases import CASES, Case, dense_network
from sim_tests.conv_cases import conv_network


@pytest.mark.long
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_network_costs_its_nodes_fifos_and_ports(case: Case, family: str) -> None:
    network = case.network()
    costs = [node_cost(node, family) for node in network.nodes]
    costs += [fifo_cost(network.stream(fifo).width, fifo.depth, family) for fifo in network.fifos]
    assert network_cost(network, family) == sum([*costs, port_cost(network)], Cost())
    assert all(cost.ffs > 0 for cost in costs)
    assert sum(cost.luts for cost in costs) > 0
    assert port_cost(network).luts > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_more_at_once_costs_more(family: str) -> None:
    weights = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (64, 256))
    costs = [node_cost(MatrixVector("m", weights, pe=pe, simd=16), family) for pe in (1, 4, 16, 64)]
    assert [cost.luts for cost in costs] == sorted({cost.luts for cost in costs})
    assert [cost.ffs for cost in costs] == sorted({cost.ffs for cost in costs})


def test_costs_add_up() -> None:
    assert Cost(1, 2, 3, 4) + Cost(10, 20, 30, 40) == Cost(11, 22, 33, 44)
    assert Cost(luts=10, ffs=20, brams=2).weight("ice40") == 10 + 9 + 340
    assert Cost(luts=10, ffs=20, brams=2).weight("ecp5") == 10 + 800


@pytest.mark.parametrize(
    ("family", "depth", "width", "blocks", "parts"),
    [
        ("ice40", 256, 16, 1, 1),
        ("ice40", 257, 16, 2, 1),
        ("ice40", 256, 17, 2, 1),
        ("ice40", 2048, 2, 1, 1),
        ("ice40", 1024, 5, 2, 1),
        ("ice40", 2304, 16, 9, 9),
        ("ecp5", 512, 36, 1, 1),
        ("ecp5", 1024, 36, 2, 1),
        ("ecp5", 16384, 1, 1, 1),
        ("ecp5", 18432, 5, 5, 9),
        ("ecp5", 2304, 16, 3, 3),
        ("xilinx7", 144, 512, 15, 1),
    ],
)
def test_blocks_of_the_best_shape(family: str, depth: int, width: int, blocks: int, parts: int) -> None:
    memory = FAMILIES[family].memory
    assert (memory.blocks(depth, width), memory.parts(depth, width)) == (blocks, parts)


@pytest.mark.parametrize(
    ("family", "depth", "width", "blocks"),
    [
        # Writable bits are grouped into bytes of nine.
        ("ecp5", 2048, 20, 3),
        ("ecp5", 600, 38, 3),
        # Two halves of one block cost less than two halves of different blocks.
        ("xilinx7", 4096, 9, 2),
        ("ice40", 300, 24, 3),
    ],
)
def test_blocks_of_memories_that_are_written(family: str, depth: int, width: int, blocks: int) -> None:
    assert FAMILIES[family].memory.blocks(depth, width, written=True) == blocks


def test_little_memory_of_ice40_is_flip_flops() -> None:
    assert fifo_cost(1, 71, "ice40").brams == 0
    assert fifo_cost(1, 71, "ice40").ffs > 71
    assert fifo_cost(1, 76, "ice40").brams == 1


def test_a_vector_needs_one_port_of_block_ram_and_a_fifo_two() -> None:
    # By its price, LUT RAM of Gowin is cheaper than block RAM with two ports, but not than block RAM with one.
    assert fifo_cost(1, 1024, "gowin").brams == 0
    weights = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (2, 1024))
    held = MatrixVector("m", weights, pe=1, simd=1).structure()
    assert held.memories == ((1024, 1),)
    assert node_cost(MatrixVector("m", weights, pe=1, simd=1), "gowin").brams == 2


def test_levels_that_are_alike_are_one_memory() -> None:
    weights = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (32, 64))
    levels = np.arange(32) % 16 + 24
    node = MatrixVector("m", weights, levels, pe=2, simd=64)
    (rom,) = [rom for rom in node.structure().roms if rom.columns < 64]
    # Two neurons per word, each with an initial count of eight bits.
    words = ["".join(f"{-level & 255:08b}" for level in pair) for pair in levels.reshape(16, 2).tolist()]
    columns = {"".join(column) for column in zip(*words, strict=True)}
    assert rom == Rom(depth=16, columns=len(columns - {"0" * 16, "1" * 16}))
    assert rom.columns < 16


def test_ecp5_has_carry_cells_for_sums() -> None:
    rng = np.random.default_rng(0)
    weights, family = rng.choice(np.array([-1, 1], np.int8), (64, 1024)), FAMILIES["ecp5"]
    node = MatrixVector("m", weights, rng.integers(500, 520, 64), pe=8, simd=64)
    chained, general = node.structure_for(family), node.structure()
    assert chained.kind == "MatrixVector.bits.chains"
    assert chained.parts["carry_luts"] == 8 * 2 * node.adder_tree.cells
    assert not chained.sums
    assert not chained.groups
    assert (chained.roms, chained.weight_memories) == (general.roms, general.weight_memories)
    assert node_cost(node, "ecp5").luts < 0.7 * node_cost(node, "ecp5", portable=True).luts
    for other in ("ice40", "gowin", "xilinx7"):
        assert node.structure_for(FAMILIES[other]) == general
        assert node_cost(node, other) == node_cost(node, other, portable=True)


def test_sums_that_are_not_in_carry_chains() -> None:
    rng, family = np.random.default_rng(0), FAMILIES["ecp5"]
    weights = rng.integers(-1, 2, (4, 6), np.int8)
    assert not MatrixVector("m", weights, weight_element=Integer(2, signed=True)).in_chains(family)
    signs = np.where(weights < 0, -1, 1).astype(np.int8)
    assert MatrixVector("m", signs, pe=4, simd=3).in_chains(family)
    assert not MatrixVector("m", signs, pe=4, simd=3).in_chains(None)
    # Weights that are all used at once never change.
    assert not MatrixVector("m", signs, pe=4, simd=6).in_chains(family)
    assert MatrixVector("m", signs, pe=4, simd=6, operand=Integer(8)).in_chains(family)


def test_deep_fifos_take_block_ram() -> None:
    assert fifo_cost(8, 8, "ice40").brams == 0
    assert fifo_cost(8, 512, "ice40").brams == 1


def test_shallow_memories_of_ecp5_are_lut_ram() -> None:
    assert fifo_cost(32, 20, "ecp5").brams == 0
    assert fifo_cost(32, 20, "ice40").brams == 2
    assert fifo_cost(32, 512, "ecp5").brams == 1


@pytest.mark.parametrize(
    ("depth", "width", "luts"),
    [
        (16, 1000, True),
        (17, 36, True),
        (48, 36, True),
        (64, 36, False),
        (512, 1, True),
        (2304, 1, False),
        (589_824, 1, False),
    ],
)
def test_weights_are_in_luts_where_a_block_would_stay_nearly_empty(depth: int, width: int, luts: bool) -> None:
    assert in_luts(depth, width) == luts


def test_weights_waste_what_the_blocks_do_not_hold() -> None:
    network = fold(dense_network((784, 64, 10)), {"fc0": {"pe": 8, "simd": 28}, "fc1": {"simd": 32}})
    found = weight_memory(network, "ecp5")
    assert (found.bits, found.blocks, found.block_bits) == (224 * 224, 7, 7 * 18432)
    assert found.waste == pytest.approx(1 - found.bits / found.block_bits)
    assert weight_memory(dense_network((4, 4, 4)), "ecp5").waste == 0


def test_a_matrix_that_is_computed_at_once_has_no_memory() -> None:
    weights = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (8, 12))
    limits, classes = np.full((2, 8), 6), np.array([0, 1])
    node = MatrixVector("m", weights, limits, pe=8, simd=12, positions=(1, 2), position_classes=classes)
    found = node.structure()
    assert not node.shares_sums
    assert not found.roms
    assert not found.weight_memories
    assert found.groups == (Groups(6, places=2, copies=8, fixed=1.0),)


def test_neurons_whose_weights_never_change_share_sums() -> None:
    weights = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (8, 60))
    node = MatrixVector("m", weights, np.full(8, 30), pe=8, simd=60)
    found, graph = node.structure(), node.adder_graph
    assert found.kind == "MatrixVector.bits.shared"
    assert not found.roms
    assert not found.weight_memories
    assert {groups.bits: groups.places for groups in found.groups} == {
        lanes: count for lanes, count in graph.counts().items() if lanes > 1
    }
    assert sum(sums.copies for sums in found.sums) == graph.sums().total() + graph.differences().total()
    for family in FAMILIES.values():
        assert node.form_for(family) == "shared sums"
        assert node.structure_for(family) == found
    assert not replace(node, simd=30).shares_sums
    assert not replace(node, pe=4).shares_sums
    assert not replace(node, thresholds=None, operand=Integer(2)).shares_sums


@pytest.mark.parametrize("family", FAMILIES)
def test_shared_sums_cost_less_than_those_of_neurons_alone(family: str) -> None:
    weights = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (24, 90))
    shared = node_cost(MatrixVector("m", weights, np.full(24, 45), pe=24, simd=90), family)
    assert shared.luts < 12 * node_cost(MatrixVector("m", weights[:1], np.array([45]), pe=1, simd=90), family).luts


def test_taps_at_once_have_memories_of_their_own() -> None:
    node = SlidingWindow("w", BIPOLAR, (16, 16, 64), (3, 3), pe=64)
    brams = [node_cost(node.folded({"simd": simd}), "ice40").brams for simd in (1, 3, 9)]
    assert brams == [4, 12, 36]


def test_every_node_of_a_convolutional_network_has_a_cost() -> None:
    network = conv_network((8, 8, 3), (4, 4), pool=(2, 2), padding=(1, 1, 1, 1), zero=True, integers=True)
    for family in FAMILIES:
        assert all(node_cost(node, family).ffs > 0 for node in network.nodes)


def test_unknown_family_is_refused() -> None:
    network = CASES[0].network()
    sentence = r"^Device family must be one of ice40, ecp5, gowin, xilinx7, not 'virtex'$"
    with pytest.raises(InputError, match=sentence):
        network_cost(network, "virtex")
    with pytest.raises(InputError, match=sentence):
        node_cost(network.nodes[0], "virtex")
    with pytest.raises(InputError, match=sentence):
        fifo_cost(8, 8, "virtex")


@dataclass(frozen=True, eq=False)
class Unmeasured(Node):
    """A kind for which no sample was synthesized."""

    input_streams = output_streams = (Stream(BIPOLAR, (1,)),)

    def schedule(self) -> Schedule:
        raise NotImplementedError

    def structure(self) -> Structure:
        return Structure("Unmeasured", {"gates": 5}, registers=3)


def test_a_kind_that_was_not_measured_costs_one_for_each_part() -> None:
    assert node_cost(Unmeasured("odd"), "ice40") == Cost(luts=1 + 5, ffs=1 + 3)


@pytest.mark.parametrize(
    ("operand", "width", "parts", "sums", "multipliers"),
    [
        (BIPOLAR, 2, {"masked_bits": 2}, [], ()),
        (Integer(2), 8, {"masked_bits": 16}, [Adders(2, 8, 9, 4)], ()),
        (Integer(8), 2, {"digit_bits": 9, "masked_bits": 0}, [], ()),
        (Integer(8), 4, {"digit_bits": 9, "masked_bits": 16}, [Adders(3, 8, 11, 4)], ()),
        (Integer(8), 8, {}, [], ((8, 8),) * 4),
    ],
    ids=str,
)
def test_how_products_are_made(
    operand: Element, width: int, parts: dict[str, int], sums: list[Adders], multipliers: tuple[tuple[int, int], ...]
) -> None:
    """There are four lanes, with the least and the greatest weight."""
    element = Integer(width, signed=True)
    weights = np.random.default_rng(0).integers(element.minimum, element.maximum + 1, (40, 40))
    weights[0, :2] = element.span
    found = MatrixVector("m", weights, pe=2, simd=2, operand=operand, weight_element=element).structure()
    counted = {name: count for name, count in found.parts.items() if name in {"masked_bits", "digit_bits"}}
    assert counted == {name: 4 * count for name, count in parts.items()}
    assert [each for each in found.sums if each.copies == 4] == sums
    assert found.multipliers == multipliers
