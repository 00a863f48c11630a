"""``xnorflow lower``: checking, all that prevents it, tolerances and ends."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from dataflow import load
from tests.quant.lowering.oracle import Builder
from tests.xnorflow.command_line import run

SIGNS = np.array([[1.0, -1.0, 1.0, 1.0], [-1.0, -1.0, 1.0, -1.0]])


def saved(model: onnx.ModelProto, tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    return path


def blocked() -> onnx.ModelProto:
    """Return a model with two causes: weights that are no integers, and a Tanh between layers."""
    net = Builder((1, 4))
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0)
    x = net("MatMul", x, np.array([[1.0, 2.0], [3.7, 1.0], [1.0, 1.0], [1.01, 1.0]]), name="first")
    x = net("Mul", net("Tanh", x, name="tanh"), 2.0)
    x = net("BipolarQuant", net("Add", x, 0.25), 1.0)
    return net.model(net.dense(x, SIGNS[:, :2], name="last"))


def noisy() -> onnx.ModelProto:
    net = Builder((1, 4))
    bits = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0)
    weights = (SIGNS.T * (1 + np.float32(1.2e-7) * (np.arange(4)[:, None] % 2))).astype(np.float32)
    return net.model(net("MatMul", bits, weights, name="fc"))


def one_neuron() -> onnx.ModelProto:
    net = Builder((1, 4))
    bits = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0)
    return net.model(net.dense(bits, SIGNS[:1], name="fc"))


def test_each_cause_has_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lower", "--check", saved(blocked(), tmp_path)) == 2
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert [line.split(" must ")[0] for line in lines] == [
        "error: Operator of node 'tanh'",
        "error: Weights of node 'first'",
    ]
    assert captured.out == ""


def test_a_check_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = saved(one_neuron(), tmp_path)
    assert run("lower", "--check", model) == 0
    assert "net can be lowered" in "".join(capsys.readouterr())
    assert list(tmp_path.iterdir()) == [model]


@pytest.mark.parametrize("options", [(), ("--check", "-o", "net.xnf")])
def test_either_a_file_or_a_check(
    options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("lower", saved(one_neuron(), tmp_path), *options) == 2
    given = "both" if options else "neither"
    assert capsys.readouterr().err == f"error: Command lower must have either -o NET.xnf or --check, not {given}\n"
    assert not (tmp_path / "net.xnf").exists()


def test_weight_tolerance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, output = saved(noisy(), tmp_path), tmp_path / "net.xnf"
    assert run("lower", model, "-o", output) == 2
    assert "use weight tolerance 2e-07" in capsys.readouterr().err
    assert run("lower", model, "-o", output, "--weight-tolerance", 2e-7) == 0
    assert load(output).metadata["weights_changed"] == "fc 1.2e-07"


def test_a_neuron_ends_in_its_bit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "net.xnf"
    assert run("lower", saved(one_neuron(), tmp_path), "-o", output, "--json") == 0
    assert json.loads(capsys.readouterr().out)["nodes"][-1]["kind"] == "MatrixVector"
    assert [end.name for end in load(output).outputs] == ["bits"]
    frames, values = tmp_path / "frames.npy", np.array([[0, 0, 0, 0], [255, 0, 255, 255]], np.uint8)
    np.save(frames, values)
    assert run("simulate", output, "--input", frames, "--outputs", tmp_path / "out.npz") == 0
    assert np.load(tmp_path / "out.npz")["predictions"].tolist() == [[0], [1]]
