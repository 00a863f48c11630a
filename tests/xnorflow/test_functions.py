"""The steps as functions of the package: with paths as texts, and nothing heavy before it is used."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import xnorflow
from dataflow import InputError, MatrixVector, save_network
from sim_tests.cases import dense_network, random_frames
from xnorflow.target import remembered


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, xnorflow\n"
        "assert set(xnorflow.__all__) <= set(dir(xnorflow))\n"
        "heavy = {'torch', 'numba', 'amaranth', 'onnx', 'numpy', 'rich', 'typer'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "from xnorflow import train, lower, load, fold, simulate, verify, verilog, build, explore\n"
        "assert not (heavy - {'numpy'}) & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match=r"^module 'xnorflow' has no attribute 'quantise'$"):
        _ = xnorflow.quantise


@pytest.mark.long
def test_from_a_model_to_verilog(tmp_path: Path) -> None:
    network = xnorflow.lower("tfc-w1a1")
    folded = xnorflow.fold(network, interval=448)
    save_network(folded, str(tmp_path / "net.xnf"))
    assert xnorflow.load(str(tmp_path / "net.xnf")).interval <= 448
    assert xnorflow.simulate(folded, 3).interval <= 448
    small = dense_network((12, 6, 4))
    path = xnorflow.verilog(small, str(tmp_path / "rtl"))
    assert path.read_text().startswith("// dense-12-6-4: ")


def test_folding_targets(tmp_path: Path) -> None:
    network = dense_network((12, 6, 4))
    config = tmp_path / "fold.toml"
    config.write_text("[nodes.fc0]\npe = 3\nsimd = 4\n")
    node = xnorflow.fold(network, config=str(config)).node("fc0")
    assert isinstance(node, MatrixVector)
    assert (node.pe, node.simd) == (3, 4)
    for targets, given in (({}, "none"), ({"interval": 3, "fps": 1000.0}, "interval and fps")):
        names = "interval, fps, config, board"
        with pytest.raises(InputError, match=rf"^Folding target must be one of {names}, not {given}$"):
            xnorflow.fold(network, **targets)
    with pytest.raises(InputError, match=r"^clock_mhz or board must be given with fps, not left out$"):
        xnorflow.fold(network, fps=1000.0)
    for_board = remembered(xnorflow.fold(network, fps=1e6, board="icebreaker"))
    assert for_board is not None
    assert (for_board.board, for_board.clock.mhz) == ("icebreaker", 24.0)
    assert xnorflow.fold(network, fps=1e6, clock_mhz=12.0).interval <= 12
    for target, family in (({"interval": 12}, None), ({"interval": 12}, "ice40"), ({"config": str(config)}, "gowin")):
        target_of = remembered(xnorflow.fold(network, **target, family=family))
        assert target_of is not None
        assert target_of.family == (family or "ecp5")
    again = xnorflow.fold(xnorflow.fold(network, interval=12, family="ice40"), interval=24)
    assert (kept := remembered(again)) is not None
    assert kept.family == "ice40"
    with pytest.raises(InputError, match=r"^Interval must be at least \d+ for node '.*', not 0$"):
        xnorflow.fold(network, interval=0)


@pytest.mark.sim
def test_a_proof(tmp_path: Path) -> None:
    network = dense_network((12, 6, 4))
    result = xnorflow.verify(network, random_frames(network, 2), simulator="amaranth", build_dir=str(tmp_path))
    assert result.passed


def test_a_board_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^Board must be one of .*, not 'papilio'$"):
        xnorflow.build(dense_network((12, 6, 4)), "papilio", str(tmp_path / "out"))
    assert np.array_equal(list(tmp_path.iterdir()), [])


@pytest.mark.long
def test_exploring(tmp_path: Path) -> None:
    space = {
        "model": "tfc-w1a1",
        "board": "icebreaker",
        "points": 3,
        "sampler": "grid",
        "space": {"interval": [448, 784, 3136]},
    }
    told: list[int] = []
    front = xnorflow.explore(space, str(tmp_path / "out"), told=lambda point: told.append(point.number))
    assert told == [0, 1, 2]
    assert {point.parameters["interval"] for point in front} <= {448, 784, 3136}
    assert len(front) >= 2
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.train
def test_training(tmp_path: Path) -> None:
    result = xnorflow.train(
        "tfc-w1a1", str(tmp_path / "run"), dataset="mnist-sample", epochs=1, hidden=(8,), progress=False
    )
    assert xnorflow.load(tmp_path / "run").node("fc0").name == "fc0"
    assert 0 <= result.accuracy <= 1
