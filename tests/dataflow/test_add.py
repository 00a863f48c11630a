"""Add: its types, its refusals, its file; depths where branches meet."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from safetensors import safe_open

from dataflow import BIPOLAR, Add, Element, InputError, Integer, fold, load, save_network, verify
from dataflow.folding import default_depth, default_depths
from sim_tests.residual_cases import RESIDUAL_CASES, Block, ResidualCase, residual_network
from sim_tests.strategies import conv_networks
from tests.examples import examples

INT8 = Integer(8, signed=True)


@pytest.mark.parametrize(
    ("operands", "element"),
    [
        ((BIPOLAR, BIPOLAR), "int3"),  # -2 to 2
        ((BIPOLAR, BIPOLAR, BIPOLAR), "int3"),  # -3 to 3
        ((BIPOLAR, BIPOLAR, BIPOLAR, BIPOLAR), "int4"),  # -4 to 4
        ((INT8, INT8), "int9"),
        ((INT8, BIPOLAR), "int9"),  # -129 to 128
        ((Integer(8), Integer(8)), "uint9"),  # 0 to 510
        ((Integer(8), BIPOLAR), "int10"),  # -1 to 256
        ((Integer(1), Integer(1), Integer(1)), "uint2"),
    ],
    ids=str,
)
def test_sums_are_exact_by_themselves(operands: tuple[Element, ...], element: str) -> None:
    node = Add("a", operands, (6,))
    assert str(node.element) == element
    assert not node.saturates
    assert node.latency == 1
    assert [stream.element for stream in node.input_streams] == list(operands)
    assert str(node.output_streams[0]) == f"{element} 6, 1 at once"


def test_a_narrower_result_saturates_in_a_cycle_more() -> None:
    node = Add("a", (INT8, INT8), (6,), INT8)
    assert node.saturates
    assert node.latency == 2
    assert not Add("a", (INT8, INT8), (6,), Integer(9, signed=True)).saturates
    assert Add("a", (BIPOLAR, BIPOLAR), (6,), Integer(8)).saturates
    assert Add("a", (BIPOLAR,) * 7, (6,), Integer(3, signed=True)).latency == 3


def test_factors() -> None:
    node = Add("a", (BIPOLAR, INT8), (6,), factors=(4, 1))
    assert node.span == (-132, 131)
    assert str(node.element) == "int9"
    assert node.stored_fields[-1] == "factors"
    assert "factors" not in Add("a", (BIPOLAR, INT8), (6,)).stored_fields
    for factors in ((1,), (0, 1), (1, 2.0)):
        with pytest.raises(InputError, match=r"^factors of node 'a' must be positive integers for its 2 inputs, not "):
            Add("a", (BIPOLAR, INT8), (6,), factors=factors)  # type: ignore[arg-type]


def test_foldings() -> None:
    node = Add("a", (INT8, INT8), (2, 3, 6), pe=3)
    assert [folding["pe"] for folding in node.foldings()] == [1, 2, 3, 6]
    assert [folding["pe"] for folding in node.foldings(lambda number: [number - 1])] == [5]
    assert (node.steps, node.folded({"pe": 4}).steps) == (12, 12)
    with pytest.raises(InputError, match=r"^pe of node 'a' must be 1 to 6, the number of its channels, not 7$"):
        Add("a", (INT8, INT8), (2, 3, 6), pe=7)


def test_refusals() -> None:
    with pytest.raises(InputError, match=r"^operands of node 'a' must be at least two, not \(Integer\(.*\),\)$"):
        Add("a", (INT8,), (6,))
    with pytest.raises(InputError, match=r"^result of node 'a' must be an integer, not Bipolar\(\)$"):
        Add("a", (BIPOLAR, BIPOLAR), (6,), BIPOLAR)
    with pytest.raises(InputError, match=r"^Sums of node 'a' must be at most 63 bits wide, not 64$"):
        Add("a", (Integer(63, signed=True), Integer(63, signed=True)), (6,))
    with pytest.raises(InputError, match=r"^shape of node 'a' must be positive sizes, not \(0,\)$"):
        Add("a", (INT8, INT8), (0,))


def test_an_input_of_another_type_is_named() -> None:
    network = residual_network((12,), (Block(),))
    swapped = {"add0": lambda fifo: replace(fifo, target_port=1 - fifo.target_port)}
    fifos = tuple(swapped.get(fifo.target, lambda fifo: fifo)(fifo) for fifo in network.fifos)
    sentence = r"^Node 'add0' must read what 'conv0_0' writes \(int5 12, 1 at once\), not \(bipolar 12, 1 at once\)$"
    with pytest.raises(InputError, match=sentence):
        verify(replace(network, fifos=fifos))


@pytest.mark.parametrize("case", RESIDUAL_CASES, ids=str)
def test_files_keep_everything(case: ResidualCase, tmp_path: Path) -> None:
    network = case.network()
    save_network(network, tmp_path / "net.xnf")
    loaded = load(tmp_path / "net.xnf")
    for node, other in zip(network.nodes, loaded.nodes, strict=True):
        assert (node.kind, node.folding, node.input_streams) == (other.kind, other.folding, other.input_streams)
        if isinstance(node, Add):
            assert isinstance(other, Add)
            assert (node.operands, node.result, node.factors) == (other.operands, other.result, other.factors)
    assert loaded.fifos == network.fifos
    with safe_open(tmp_path / "net.xnf", framework="numpy") as file:
        version = json.loads(file.metadata()["xnorflow"])["format_version"]
    assert version == (5 if case.name.startswith("codes") else 4 if case.name == "factors" else 3)


def test_depths_where_branches_meet() -> None:
    network = fold(residual_network((12,), (Block(),)), {})
    depths = {fifo.name: fifo.depth for fifo in network.fifos}
    # The branch holds 15 places before the matrix, 12 bits of the next vector and those that it takes in itself.
    assert depths["fork0 -> conv0_0"] == 15
    assert 12 < depths["fork0.1 -> add0.1"] <= 15 + 12 + 2 * 6
    assert default_depths(network) == depths


@settings(max_examples=examples(10))
@given(conv_networks())
def test_nothing_is_deeper_where_nothing_meets(network) -> None:  # type: ignore[no-untyped-def]
    assert default_depths(network) == {fifo.name: default_depth(network, fifo) for fifo in network.fifos}
