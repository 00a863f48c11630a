"""Select: its types, its wiring, its foldings, its refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from safetensors import safe_open

from dataflow import BIPOLAR, InputError, Integer, Select, beats_of, fold, fold_to_interval, load, save_network
from dataflow.families import family_of
from dataflow.logic import Mux, Rom, mux_luts
from sim_tests.strategies import select_nodes
from sim_tests.wiring_cases import WIRING_CASES, WiringCase, wiring_network

SHUFFLE = np.array([0, 3, 1, 4, 2, 5])


def test_a_slice_drops_beats() -> None:
    node = Select("s", Integer(8), (2, 3, 12), np.arange(4, 12), 4)
    assert [str(each) for each in (*node.input_streams, *node.output_streams)] == [
        "uint8 2x3x12, 4 at once",
        "uint8 2x3x8, 4 at once",
    ]
    schedule = node.schedule()
    assert schedule.consumes.tolist() == [[True, True, True]]
    assert schedule.emits.tolist() == [[False, True, True]]
    assert (node.steps, node.latency) == (18, 1)
    assert node.wiring.tolist() == [[-1] * 4, [0, 1, 2, 3], [0, 1, 2, 3]]


def test_a_shuffle_takes_all_channels_at_once() -> None:
    node = Select.unfolded("s", BIPOLAR, (5, 6), SHUFFLE)
    assert (node.pe, node.steps) == (6, 5)
    assert node.wiring.tolist() == [SHUFFLE.tolist()]
    assert list(node.foldings()) == [{"pe": 6}]
    # Where neighbours change places, a beat of two is enough.
    assert Select.unfolded("s", BIPOLAR, (6,), np.array([1, 0, 3, 2, 5, 4])).pe == 2
    assert Select.unfolded("s", BIPOLAR, (6,), np.arange(1, 6, 2)).pe == 1


@given(select_nodes())
def test_wiring_moves_the_lanes(node: Select) -> None:
    (before,), (after,) = node.input_streams, node.output_streams
    numbers = np.arange(before.size).reshape(1, *before.shape)
    beats = beats_of(numbers, before)
    made = [
        [beats[index, lane] if lane >= 0 else 0 for lane in node.wiring[index % before.vector_beats]]
        for index in range(len(beats))
        if node.wiring[index % before.vector_beats, 0] >= 0
    ]
    np.testing.assert_array_equal(made, beats_of(numbers[..., node.channels], after))
    assert node.schedule().emits.sum() * node.schedule().repeats == after.beats
    assert node.structure().registers > after.width


@pytest.mark.parametrize(
    ("channels", "pe", "sentence"),
    [
        ([[0]], 1, r"channels of node 's' must be a vector of at least one, not \(1, 1\)"),
        ([], 1, r"channels of node 's' must be a vector of at least one, not \(0,\)"),
        ([0, 6], 1, "channels of node 's' must be 0 to 5, those of its input, not 6"),
        ([-1], 1, "channels of node 's' must be 0 to 5, those of its input, not -1"),
        ([0], 7, "pe of node 's' must be 1 to 6, the number of its channels, not 7"),
        (SHUFFLE, 3, "pe of node 's' must be such that each beat out takes from one beat in, as 6 or 6, not 3"),
        ([2, 3, 4], 3, "pe of node 's' must be such that each beat out takes from one beat in, as 1 or 6, not 3"),
        ([3, 3], 1, "pe of node 's' must be such that each beat out takes from one beat in, as 2 or 6, not 1"),
    ],
)
def test_refusals(channels: list[int], pe: int, sentence: str) -> None:
    with pytest.raises(InputError, match=f"^{sentence}$"):
        Select("s", BIPOLAR, (6,), np.array(channels, np.int64), pe)


def test_folding_keeps_to_what_the_channels_allow() -> None:
    network = wiring_network((3, 4, 6), ("split", "shuffle"))
    for interval in (72, 200):
        folded = fold(network, fold_to_interval(network, interval))
        assert folded.interval <= interval
        assert folded.node("shuffle1").folding == {"pe": 6}
    with pytest.raises(InputError, match=r"^pe of node 'shuffle1' must be such that .*, not 2$"):
        fold(network, {"shuffle1": {"pe": 2}})


def test_parts_of_wiring_that_changes_by_the_beat() -> None:
    """In one beat of a vector it is wires; else each lane has a multiplexer, and logic that finds its source."""
    whole = Select("s", Integer(4), (1, 1, 6), SHUFFLE, 6).structure()
    assert (whole.muxes, whole.roms, whole.registers) == ((), (), 6 * 4 + 1)
    parts = Select("s", Integer(4), (1, 1, 8), np.array([1, 0, 2, 3, 4, 6, 5, 7]), 4).structure()
    assert parts.muxes == (Mux(2, 3 * 4, 1),)  # lane 3 always takes lane 3
    assert parts.roms == (Rom(2, 2),)


@pytest.mark.parametrize(
    ("inputs", "select_bits", "luts"), [(2, 1, 1), (4, 2, 1), (2, 3, 1), (3, 3, 1), (4, 3, 2), (6, 3, 3), (9, 3, 4)]
)
def test_multiplexers_of_luts_with_six_inputs(inputs: int, select_bits: int, luts: int) -> None:
    assert mux_luts(Mux(inputs, 5, select_bits), family_of("xilinx7")) == 5 * luts
    assert mux_luts(Mux(inputs, 5, select_bits), family_of("ice40")) == 5 * (inputs - 1)


@pytest.mark.parametrize("case", WIRING_CASES, ids=str)
def test_files_keep_everything(case: WiringCase, tmp_path: Path) -> None:
    network = case.network()
    save_network(network, tmp_path / "net.xnf")
    loaded = load(tmp_path / "net.xnf")
    for node, other in zip(network.nodes, loaded.nodes, strict=True):
        for name in node.stored_fields:
            np.testing.assert_array_equal(getattr(node, name), getattr(other, name))
            assert type(getattr(node, name)) is type(getattr(other, name))
    with safe_open(tmp_path / "net.xnf", framework="numpy") as file:
        assert json.loads(file.metadata()["xnorflow"])["format_version"] == 6
