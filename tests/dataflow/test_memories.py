"""Where weights are: chosen for a device, kept by files and foldings, and what it costs."""

from pathlib import Path

import numpy as np
import pytest

from dataflow import InputError, MatrixVector, fold, load, network_cost, node_cost, save_network
from dataflow.families import FAMILIES
from dataflow.memories import weight_memories, weights_in_blocks, with_weight_memories
from sim_tests.cases import dense_network

NETWORK = fold(dense_network((240, 96, 48, 4)), {"fc0": {"pe": 12, "simd": 60}, "fc1": {"pe": 4, "simd": 48}})


@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_that_are_left_save_luts(family: str) -> None:
    before = network_cost(NETWORK, family)
    used = [before.cells(family)]
    for blocks in (0, 8, 30, 500):
        moved = weights_in_blocks(NETWORK, family, blocks)
        after = network_cost(moved, family)
        assert after.brams - before.brams <= blocks
        used.append(after.cells(family))
        assert moved.interval == NETWORK.interval
    assert used[0] == used[1]
    assert used == sorted(used, reverse=True)
    assert used[-1] < used[0]


def test_the_choice_is_kept_by_files_and_foldings(tmp_path: Path) -> None:
    moved = with_weight_memories(NETWORK, {"fc0": "block", "fc1": "luts"})
    assert weight_memories(moved) == {"fc0": "block", "fc1": "luts"}
    save_network(moved, tmp_path / "net.xnf")
    assert weight_memories(load(tmp_path / "net.xnf")) == {"fc0": "block", "fc1": "luts"}
    assert weight_memories(fold(moved, {"fc0": {"pe": 24}})) == {"fc0": "block", "fc1": "luts"}
    assert weight_memories(NETWORK) == {}


def test_block_ram_and_luts_are_counted_where_the_weights_are() -> None:
    def matrix(where: str) -> MatrixVector:
        weights = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (64, 256))
        return MatrixVector("fc", weights, np.full(64, 128), pe=8, simd=64, weight_memory=where)

    auto, block, luts = (node_cost(matrix(where), "ecp5") for where in ("auto", "block", "luts"))
    assert block.brams - luts.brams == 15, "32 words of 512 bits, in blocks of 36"
    assert luts.luts > block.luts
    assert auto == luts


@pytest.mark.parametrize("steps", [2, 4, 8])
def test_equal_columns_of_block_ram_are_not_one(steps: int) -> None:
    """Yosys leaves out what never changes, and nothing else: it makes 25 blocks of 1,024 columns of 4 words."""
    weights = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (32, 32 * steps))
    node = MatrixVector("fc", weights, np.full(32, 16 * steps), pe=32, simd=32, weight_memory="block")
    moving = (node.weight_words != node.weight_words[0]).any(axis=0).sum()
    assert node_cost(node, "ecp5").brams == -(-moving // 36)


def test_another_place_is_refused() -> None:
    with pytest.raises(InputError, match="weight_memory of node 'fc' must be auto, block, luts, not 'disk'"):
        MatrixVector("fc", np.ones((2, 3), np.int8), weight_memory="disk")
