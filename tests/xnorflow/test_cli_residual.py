"""Networks with shortcuts on the command line: sizing, the refusal of deadlocks, diagrams and traces."""

import json
from pathlib import Path
from typing import Any

import pytest

from dataflow import Network, fold, load, save_network
from hwsim import simulate
from sim_tests.residual_cases import Block, residual_network
from xnorflow.__main__ import main

NETWORK = residual_network((6, 6, 4), (Block(2), Block(2, project=6)))
SHORTCUT = "fork0.1 -> add0.1"


@pytest.fixture
def net(tmp_path: Path) -> Path:
    save_network(fold(NETWORK, {}), tmp_path / "net.xnf")
    return tmp_path / "net.xnf"


def run(*args: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(arg) for arg in args])
    return int(stop.value.code or 0)


def places(network: Network) -> int:
    return sum(network.stream(fifo).width * fifo.depth for fifo in network.fifos)


@pytest.mark.long
def test_folded_networks_keep_their_interval(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folded = {}
    for how in ("auto", "full"):
        out = tmp_path / f"{how}.xnf"
        assert run("fold", net, "-o", out, "--interval", 1500, "--fifos", how, "--json") == 0
        folded[how] = load(out)
        assert json.loads(capsys.readouterr().out)["interval"] == folded[how].interval == 1296
        assert simulate(folded[how], 2).interval == 1296
    assert places(folded["auto"]) < places(folded["full"])


def test_a_network_that_nobody_folded_moves(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("simulate", net, "--frames", 3, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["cycles"]["interval"] == load(net).interval
    (shortcut,) = (fifo for fifo in result["fifos"] if fifo["name"] == SHORTCUT)
    assert shortcut["max_occupancy"] > 50


#: Two convolutions of 3x3, padded: the first sum takes two rows and three pixels, of four bits each.
FEWEST = 4 * (2 * 6 + 3)
CIRCLE = (
    f"'fork0' waits for a place in '{SHORTCUT}' (full with {{depth}}); "
    "'conv0_0.window' waits for a beat in 'fork0 -> conv0_0.window'; "
    "'conv0_0' waits for a beat in 'conv0_0.window -> conv0_0'; "
    "'conv0_1.window' waits for a beat in 'conv0_0 -> conv0_1.window'; "
    "'conv0_1' waits for a beat in 'conv0_1.window -> conv0_1'; "
    "'add0' waits for a beat in 'conv0_1 -> add0'"
)


def error_of(capfd: pytest.CaptureFixture[str], *args: object) -> str:
    assert run(*args) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    return captured.err


@pytest.mark.parametrize("depth", [1, FEWEST - 1])
def test_a_shortcut_with_too_few_places_is_one_sentence(
    depth: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    save_network(fold(NETWORK, {}, depths={SHORTCUT: depth}), tmp_path / "net.xnf")
    assert error_of(capfd, "simulate", tmp_path / "net.xnf", "--frames", 2) == (
        f"error: Network 'residual-6x6x4' must be able to move, not deadlock: "
        f"{CIRCLE.format(depth=depth)}; a depth of {FEWEST} for '{SHORTCUT}' resolves it\n"
    )


@pytest.mark.long
def test_a_folding_file_with_too_few_places_is_one_sentence(
    net: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "fold.toml"
    for depth, status in ((FEWEST - 1, 2), (FEWEST, 0)):
        config.write_text(f'[fifos]\n"{SHORTCUT}" = {depth}\n')
        for how in ("auto", "full"):
            out = tmp_path / f"{depth}-{how}.xnf"
            assert run("fold", net, "-o", out, "--config", config, "--fifos", how) == status
            assert out.exists() == (status == 0)
            if status:
                text = f"{CIRCLE.format(depth=depth)}; a depth of {FEWEST} for '{SHORTCUT}' resolves it"
                assert capfd.readouterr().err.endswith(f"not deadlock: {text}\n")


def test_diagrams_and_traces_follow_both_branches(net: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("simulate", net, "--frames", 2, "--diagram", "--trace", tmp_path / "run.json") == 0
    rows = {line.split()[0]: line for line in capfd.readouterr().out.splitlines() if line[:1].isalpha()}
    order = [rows[name].index("1", len(name)) for name in ("fork0", "conv0_1", "add0")]
    assert order == sorted(order)
    events: list[dict[str, Any]] = json.loads((tmp_path / "run.json").read_text())["traceEvents"]
    names = {event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert names >= {node.name for node in NETWORK.nodes}


@pytest.mark.sim
def test_hardware_is_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = tmp_path / "net.xnf"
    save_network(fold(residual_network((3, 3, 2), (Block(1), Block(1, project=3))), {}), net)
    assert run("verify", net, "--frames", 2, "--simulator", "amaranth", "--stalls", 4, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["passed"]
    assert result["streams"] == len(load(net).fifos)
