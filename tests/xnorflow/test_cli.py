"""The command line: exit codes, one-line errors, JSON keys, nothing half-written."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from dataflow import BIPOLAR, fold, save_network
from hwsim import predict, reference
from quant.datasets import load
from sim_tests import verification
from sim_tests.cases import CASES, INT2, dense_network, random_frames
from tests.quant.lowering.test_heads import two_heads
from tests.quant.lowering.test_maps import map_model
from tests.xnorflow.command_line import run
from xnorflow.target import Target, with_target


def test_help_loads_neither_torch_nor_numba() -> None:
    code = (
        "import sys; from xnorflow.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as stop: assert not stop.code\n"
        "heavy = {'torch', 'numba', 'amaranth', 'onnx', 'cocotb', 'lightning'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == "xnorflow 0.1.0\n"


def test_show_json(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", net, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["interval"] == 82  # the FIFOs are not deep enough for the 72 steps of fc0
    assert {"name", "kind", "pe", "simd", "cycles", "luts", "ffs", "brams"} <= set(result["nodes"][0])
    assert set(result["estimate"]) == {"luts", "ffs", "brams", "dsps"}
    assert [node["cycles"] for node in result["nodes"]] == [12, 72, 24, 4]
    assert result["timing"]["interval"] == 82
    assert (result["timing"]["clock_mhz"], result["timing"]["clock"]) == (100.0, "assumed")


@pytest.mark.parametrize("command", ["show", "simulate"])
def test_latency_and_interval_at_a_clock(command: str, net: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(command, net, "--clock-mhz", 24, "--json") == 0
    timing = json.loads(capfd.readouterr().out)["timing"]
    assert timing["latency"] > timing["interval"] == 82
    assert run(command, net, "--clock-mhz", 24) == 0
    captured = capfd.readouterr()
    assert captured.err == ""
    assert captured.out.splitlines()[-1] == (
        f"latency {timing['latency']} cycles ({timing['latency'] / 24:.2f} us from first beat in to last beat out), "
        "interval 82 cycles (292,683 frames per second) at 24 MHz (as given, not built)"
    )


def test_show_tells_what_the_weight_memories_waste(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folded = fold(dense_network((784, 64, 10)), {"fc0": {"pe": 8, "simd": 28}, "fc1": {"simd": 32}})
    save_network(folded, tmp_path / "net.xnf")
    assert run("show", tmp_path / "net.xnf", "--json", "--board", "ulx3s-85f") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["family"] == "ecp5"
    assert {key: result["weight_memory"][key] for key in ("bits", "blocks", "block_bits")} == {
        "bits": 50176,
        "blocks": 7,
        "block_bits": 7 * 18432,
    }
    parts = [*result["nodes"], *result["fifos"], result["ports"]]
    for count in ("luts", "ffs", "brams", "dsps"):
        assert sum(part[count] for part in parts) == result["estimate"][count]


def test_show_tells_which_sums_are_in_carry_chains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = dense_network((16, 8, 6, 4), weights=(BIPOLAR, INT2, BIPOLAR))
    save_network(network, tmp_path / "net.xnf")
    assert run("show", tmp_path / "net.xnf", "--family", "ecp5", "--json") == 0
    nodes = json.loads(capsys.readouterr().out)["nodes"]
    assert {node["name"] for node in nodes if node["form"] == "carry chains"} == {"fc0", "fc2"}
    assert run("show", tmp_path / "net.xnf", "--family", "ecp5") == 0
    assert "\nmade of carry chains: fc0, fc2; as for any family: fc1\n" in capsys.readouterr().out
    assert run("show", tmp_path / "net.xnf", "--family", "ice40") == 0
    assert "carry chains" not in capsys.readouterr().out


def test_show_tells_which_sums_are_shared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = fold(dense_network((16, 8, 6)), {"fc0": {"pe": 8, "simd": 16}})
    save_network(network, tmp_path / "net.xnf")
    assert run("show", tmp_path / "net.xnf", "--family", "ice40") == 0
    assert "\nmade of shared sums: fc0\n" in capsys.readouterr().out


def test_far_too_big_for_a_board_is_refused_at_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save_network(fold(dense_network((784, 64, 10)), {"fc0": {"pe": 64, "simd": 784}}), tmp_path / "big.xnf")
    assert run("bitstream", tmp_path / "big.xnf", "--board", "icebreaker", "-o", tmp_path / "out") == 2
    error = capfd.readouterr().err
    assert error.startswith(
        "error: Network 'dense-784-64-10' must fit icebreaker with 5,280 logic cells and 30 block RAMs"
    )
    assert not (tmp_path / "out").exists()


def test_simulate_writes_outputs(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (9, 12), np.uint8)
    np.save(tmp_path / "x.npy", frames)
    out = tmp_path / "out.npz"
    assert run("simulate", net, "--input", tmp_path / "x.npy", "--outputs", out, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["frames"], result["accuracy"]) == (9, None)
    keys = {"first_beat_latency", "first_frame_latency", "interval", "interval_deviation", "total"}
    assert set(result["cycles"]) == keys
    with np.load(out) as saved:
        assert saved["predictions"].dtype == np.int64
        assert saved["scores"].shape == (9, 4)
        assert (saved["predictions"] == saved["scores"].argmax(axis=1)).all()


@pytest.mark.parametrize("ending", ["vcd", "json"])
def test_simulate_traces_the_first_frames(
    ending: str, net: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"run.{ending}"
    assert run("simulate", net, "--frames", 20, "--trace", file, "--trace-frames", 2, "--stalls", 1, "--json") == 0
    trace = json.loads(capfd.readouterr().out)["trace"]
    assert (trace["file"], trace["frames"]) == (str(file), 2)
    assert run("simulate", net, "--frames", 20, "--trace", file, "--trace-frames", 2, "--stalls", 1) == 0
    assert f"{file}: the first 2 frames, cycles 0 to {trace['cycles'] - 1:,}\n" in capfd.readouterr().out
    assert file.stat().st_size > 1000


def test_simulate_draws_the_pipeline(net: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("simulate", net, "--frames", 2, "--diagram") == 0
    names = ("binarize", "fc0", "fc1", "arg_max")
    printed = capfd.readouterr().out.splitlines()
    rows = {line.split()[0]: line for line in printed if line.startswith(names)}
    assert tuple(rows) == names
    assert all(set(row.split(maxsplit=1)[1]) <= set("12· ") for row in rows.values())


def test_simulate_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_network(dense_network((784, 8, 10)), tmp_path / "n.xnf")
    assert run("simulate", tmp_path / "n.xnf", "--dataset", "mnist-sample", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["frames"] == 500
    assert 0 <= result["accuracy"] <= 1


@pytest.mark.long
def test_verilog_writes_a_package(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--files", "split", "--reset", "active-low", "--frames", 2, "--clock-mhz", 50)
    assert run("verilog", net, "-o", tmp_path / "v", *options, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    text = Path(result["verilog"]).read_text()
    for port in ("s_axis_tdata", "s_axis_tvalid", "s_axis_tready", "s_axis_tlast", "m_axis_tdata", "m_axis_tlast"):
        assert port in text
    assert (result["folder"], result["top"]) == (str(tmp_path / "v"), "dense_12_6_4")
    assert result["bytes"] == sum((tmp_path / "v" / name).stat().st_size for name in result["sources"])
    assert len(result["sources"]) > 5
    assert result["reset"] == {"port": "aresetn", "active": "low", "synchronous": True, "cycles": 1}
    assert (result["testbench"]["frames"], result["timing"]["clock_mhz"]) == (2, 50)
    assert result["target"]["clock_mhz"] == 50
    assert run("verilog", net, "-o", tmp_path / "v") == 0
    out = capsys.readouterr().out
    assert "top module dense_12_6_4" in out
    assert "testbench with 5 frames (random, seed 0)" in out
    assert not (tmp_path / "v" / "rtl" / "dense_12_6_4_core.v").exists()


@pytest.mark.long
def test_verilog_with_frames_of_a_file(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", np.arange(84, dtype=np.uint8).reshape(7, 12))
    assert run("verilog", net, "-o", tmp_path / "v", "--input", tmp_path / "x.npy", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["testbench"]["frames"] == 5
    assert result["inputs"][0]["example"][1] == {"beat": 1, "tdata": "01", "numbers": [1]}


@pytest.mark.sim
@pytest.mark.sim
def test_verify_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_network(CASES[0].network(), tmp_path / "n.xnf")
    args = ("verify", tmp_path / "n.xnf", "--simulator", "amaranth", "--frames", 3, "--stalls", 5, "--json")
    assert run(*args) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["passed"] is True
    assert result["frames"] == 3
    assert result["beats_compared"] > 100
    keys = {"level", "simulator", "streams", "cycles_compared", "value_mismatches", "cycle_mismatches"}
    assert keys <= set(result)


@pytest.mark.sim
@pytest.mark.parametrize(
    ("folded_for", "options", "family"),
    [
        (Target("ecp5", board="ulx3s-85f"), (), "ecp5"),
        (Target("ecp5"), (), None),
        (Target("ecp5"), ("--family", "ecp5"), "ecp5"),
        (Target("ecp5", board="ulx3s-85f"), ("--family", "gowin"), "gowin"),
    ],
)
def test_verify_proves_the_hardware_of_a_family(
    folded_for: Target,
    options: tuple[str, ...],
    family: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_network(with_target(CASES[0].network(), folded_for), tmp_path / "n.xnf")
    record, seen = verification.record_rtl, []

    def recorded(*arguments: Any, **named: Any) -> Any:
        seen.append(named["family"])
        return record(*arguments, **named)

    monkeypatch.setattr(verification, "record_rtl", recorded)
    assert run("verify", tmp_path / "n.xnf", "--simulator", "amaranth", "--frames", 2, *options) == 0
    assert seen == [family]


@pytest.mark.train
def test_an_interrupted_training_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("quant.training.train", interrupt)
    assert run("train", "tfc-w1a1", "--out", tmp_path) == 130
    assert capfd.readouterr().err == f"interrupted: --resume continues after the last complete epoch in {tmp_path}\n"


def test_a_missing_package_names_its_extra(
    net: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in {"rtl", "amaranth", "amaranth_boards"}]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "amaranth", None)
    monkeypatch.setitem(sys.modules, "amaranth_boards", None)
    assert run("boards") == 0
    capfd.readouterr()
    assert run("verilog", net, "-o", net.parent / "rtl") == 2
    error = capfd.readouterr().err
    assert "error: Package amaranth" in error
    assert "pip install 'xnorflow[fpga]'" in error


def test_images_become_the_codes_that_a_network_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels = dense_network((784, 8, 10))
    codes = " ".join(str(255 - pixel) for pixel in range(256))
    for name, network in (("a", pixels), ("b", replace(pixels, metadata={"codes_of_pixels": codes}))):
        save_network(network, tmp_path / f"{name}.xnf")
        args = (
            "simulate",
            tmp_path / f"{name}.xnf",
            "--dataset",
            "mnist-sample",
            "--outputs",
            tmp_path / f"{name}.npz",
        )
        assert run(*args) == 0
    with np.load(tmp_path / "b.npz") as saved:
        inverted = predict(pixels, 255 - load("mnist-sample", "test").images.reshape(-1, 784).astype(np.int64))
        assert (saved["scores"] == inverted.scores).all()
        with np.load(tmp_path / "a.npz") as plain:
            assert (saved["scores"] != plain["scores"]).any()
        images = load("mnist-sample", "test").images.reshape(-1, 784)
        for values in (images, 255 - images.astype(np.int64)):  # bytes are pixels, other integers are codes
            np.save(tmp_path / "frames.npy", values)
            outputs = tmp_path / "again.npz"
            files = ("--input", tmp_path / "frames.npy", "--outputs", outputs)
            assert run("simulate", tmp_path / "b.xnf", *files) == 0
            with np.load(outputs) as again:
                assert (again["scores"] == saved["scores"]).all()


def test_a_network_that_ends_in_bits_has_predictions_of_bits(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    network = dense_network((12, 6, 3), outputs="bits")
    save_network(network, tmp_path / "bits.xnf")
    frames = random_frames(network, 7)
    np.save(tmp_path / "frames.npy", frames)
    outputs = tmp_path / "out.npz"
    args = ("--input", tmp_path / "frames.npy", "--outputs", outputs, "--json")
    assert run("simulate", tmp_path / "bits.xnf", *args) == 0
    assert json.loads(capfd.readouterr().out)["accuracy"] is None
    with np.load(outputs) as found:
        assert found.files == ["predictions"]
        expected = reference.evaluate(network, frames)["fc1 -> bits"]
        np.testing.assert_array_equal(found["predictions"], expected, strict=True)
    for command in (
        ("show",),
        ("verify", "--simulator", "amaranth", "--frames", 2),
        ("report", "-o", tmp_path / "bits.html"),
    ):
        assert run(command[0], tmp_path / "bits.xnf", *command[1:]) == 0


def test_a_model_with_several_outputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(two_heads(), tmp_path / "model.onnx")
    net, out = tmp_path / "net.xnf", tmp_path / "out.npz"
    assert run("lower", tmp_path / "model.onnx", "-o", net, "--outputs", "logits=both", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["outputs"]
    assert [(each["name"], each["shape"]) for each in listed] == [
        ("logits_scores", [3]),
        ("logits_class", [1]),
        ("aux_logits_scores", [2]),
    ]
    assert run("simulate", net, "--frames", 6, "--outputs", out, "--json") == 0
    capsys.readouterr()
    with np.load(out) as found:
        assert {name: found[name].shape for name in found} == {
            "predictions": (6,),
            "scores": (6, 3),
            "predictions_logits": (6,),
            "scores_logits": (6, 3),
            "predictions_aux_logits": (6,),
            "scores_aux_logits": (6, 2),
        }
        np.testing.assert_array_equal(found["predictions"], found["predictions_logits"])
    assert run("show", net) == 0
    assert "outputs: logits_scores 3 of int" in capsys.readouterr().out
    assert run("lower", tmp_path / "model.onnx", "-o", net, "--outputs", "boxes=class") == 2
    assert capsys.readouterr().err.strip() == (
        "error: Outputs must be of one of the model (logits, aux.logits), not of 'boxes'"
    )


def test_scores_at_every_position(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(map_model(), tmp_path / "model.onnx")
    net, out = tmp_path / "net.xnf", tmp_path / "out.npz"
    assert run("lower", tmp_path / "model.onnx", "-o", net) == 0
    assert "outputs: scores 3x4x3 of int" in capsys.readouterr().out
    assert run("simulate", net, "--frames", 5, "--outputs", out) == 0
    with np.load(out) as found:
        assert (found["predictions"].shape, found["scores"].shape) == ((5, 3, 4), (5, 3, 4, 3))
        np.testing.assert_array_equal(found["predictions"], found["scores"].argmax(axis=3))
