"""The cost model's shape: what costs more, and what it refuses."""

from dataclasses import dataclass

import numpy as np
import pytest

from dataflow import BIPOLAR, Cost, InputError, Node, Schedule, Stream, network_cost, node_cost
from dataflow.cost import FAMILIES, fifo_cost
from sim_tests.cases import CASES, Case


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_network_costs_its_nodes_and_fifos(case: Case, family: str) -> None:
    network = case.network()
    costs = [node_cost(node, family) for node in network.nodes]
    costs += [fifo_cost(network.stream(fifo).width, fifo.depth, family) for fifo in network.fifos]
    assert network_cost(network, family) == sum(costs, Cost())
    assert all(cost.luts > 0 and cost.ffs > 0 for cost in costs)


def test_costs_add_up() -> None:
    assert Cost(1, 2, 3, 4) + Cost(10, 20, 30, 40) == Cost(11, 22, 33, 44)
    assert Cost(luts=10, ffs=20, brams=2).weight("ice40") == 10 + 13 + 340
    assert Cost(luts=10, ffs=20, brams=2).weight("ecp5") == 10 + 340


@pytest.mark.parametrize(
    ("family", "depth", "width", "blocks"),
    [
        ("ice40", 256, 16, 1),
        ("ice40", 257, 16, 2),
        ("ice40", 256, 17, 2),
        ("ice40", 2048, 2, 1),
        ("ecp5", 512, 36, 1),
        ("ecp5", 1024, 36, 2),
        ("ecp5", 16384, 1, 1),
    ],
)
def test_blocks_of_the_best_shape(family: str, depth: int, width: int, blocks: int) -> None:
    assert FAMILIES[family].memory.blocks(depth, width) == blocks


def test_deep_fifos_take_block_ram() -> None:
    assert fifo_cost(8, 8, "ice40").brams == 0
    assert fifo_cost(8, 512, "ice40").brams == 1


def test_unknown_family_is_refused() -> None:
    network = CASES[0].network()
    sentence = r"^Device family must be one of ice40, ecp5, not 'virtex'$"
    with pytest.raises(InputError, match=sentence):
        network_cost(network, "virtex")
    with pytest.raises(InputError, match=sentence):
        node_cost(network.nodes[0], "virtex")
    with pytest.raises(InputError, match=sentence):
        fifo_cost(8, 8, "virtex")


@dataclass(frozen=True, eq=False)
class Costless(Node):
    """A kind that the cost model does not know."""

    input_streams = output_streams = (Stream(BIPOLAR, (1,)),)

    def schedule(self) -> Schedule:
        every = np.ones((1, 1), bool)
        return Schedule(every, every, 1)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Node 'odd' must be of a kind with a cost, not Costless$"):
        node_cost(Costless("odd"), "ice40")
