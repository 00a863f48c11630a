"""Models of the kinds that people bring, lowered and proved equal in RTL."""

import json
from pathlib import Path

import pytest

from dataflow import save_network
from quant.lowering import lower
from tests.quant.lowering.case_models import CASES
from tests.xnorflow.command_line import run

#: Arrangements of nodes that no network of the zoo has: sums into windows, means beside bits, pools of the input.
KINDS = (
    *("averages-layer-2d", "average-and-bits-2d", "averages-concat-1d", "thermometer-levels-2d", "thermometer-dense"),
    *("two-stems-2d", "uint8-cast-2d", "pooled-input", "sums-into-a-layer", "one-neuron-Sigmoid", "pooled-bits"),
)


@pytest.mark.slow
@pytest.mark.sim
@pytest.mark.parametrize("name", KINDS)
def test_rtl_equals_reference(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.xnf"
    save_network(lower(CASES[name].build(), **CASES[name].options), path)
    capsys.readouterr()
    assert run("verify", path, "--simulator", "amaranth", "--frames", 2, "--stalls", 2, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["value_mismatches"], result["cycle_mismatches"]) == (0, 0)
    assert result["beats_compared"] > 0
