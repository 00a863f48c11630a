"""Inert lanes that carry something are found, whichever node lets them."""

from types import ModuleType

import numpy as np
import pytest
from amaranth import Const

from dataflow import MatrixVector, fold
from rtl.components import _window, matrix_vector, sliding_window, threshold
from rtl.components.arg_max import ArgMax
from sim_tests.cases import dense_network, random_frames
from sim_tests.conv_cases import conv_network
from sim_tests.mutants import Original

pytestmark = pytest.mark.sim

#: Every kind of node that has inert lanes, each before a node that counts them if they are not 0.
NETWORK = fold(
    conv_network((6, 6, 3), (5, 4), classes=3, padding=(1, 1, 1, 1), pad=1, pool=(2, 2), pool_kinds=("sum", "max")),
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
INERT = ("binarize", "conv0.window", "conv0", "pool0", "sign0", "conv1", "fc")
ORIGINAL = Original(NETWORK, random_frames(NETWORK, 12), seed=3)


def test_the_network_itself_is_equal() -> None:
    assert ORIGINAL.verify().passed
    assert all(NETWORK.node(name).output_streams[0].inert for name in INERT)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (threshold, "binarize"),
        (sliding_window, "conv0.window"),
        (matrix_vector, "conv0"),
        (_window, "pool0"),
        (threshold, "sign0"),
        (matrix_vector, "fc"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_node_that_does_not_clear_its_inert_lanes_is_found(
    module: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clears = module.ends_vector
    stream = NETWORK.node(name).output_streams[0]
    monkeypatch.setattr(module, "ends_vector", lambda m, p, s: Const(0) if s == stream else clears(m, p, s))
    verification = ORIGINAL.verify()
    assert verification.value_mismatches > 0
    assert verification.cycle_mismatches == 0
    assert verification.first[0].stream == NETWORK.fifos_out_of(name)[0].name


@pytest.mark.parametrize("name", ["conv0", "conv1", "fc"])
def test_inert_synapses_that_match_are_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = MatrixVector.weight_words.fget  # type: ignore[attr-defined]

    def inverted(node: MatrixVector) -> np.ndarray:
        found = words(node).reshape(-1, node.synapse_folds, node.pe, node.simd)
        if node.name == name:
            found[:, -1, :, -(-node.synapses % node.simd) :] = False
        return found.reshape(-1, node.pe * node.simd)  # type: ignore[no-any-return]

    monkeypatch.setattr(MatrixVector, "weight_words", property(inverted))
    verification = ORIGINAL.verify()
    assert verification.value_mismatches > 0
    assert verification.cycle_mismatches == 0
    assert verification.first[0].stream == NETWORK.fifos_out_of(name)[0].name


def test_an_inert_class_that_wins_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    network = fold(dense_network((12, 7, 3), seed=5), {"arg_max": {"pe": 2}})
    original = Original(network, random_frames(network, 40))
    assert original.verify().passed
    keys = ArgMax.lane_keys
    monkeypatch.setattr(ArgMax, "lane_keys", lambda self, m, issue, step, last: keys(self, m, issue, step, Const(0)))
    verification = original.verify()
    assert verification.value_mismatches > 0
    assert verification.cycle_mismatches == 0
    assert verification.first[0].stream == "arg_max -> class"
