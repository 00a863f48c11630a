"""The command `fold`: targets, boards, folding files."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow import Cost, is_pipelined, save_network
from hwsim import simulate
from sim_tests.cases import dense_network
from sim_tests.conv_cases import conv_network
from tests.xnorflow.command_line import run
from xnorflow.networks import open_network


def test_fold_to_interval(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "folded.xnf"
    assert run("fold", net, "-o", out, "--interval", 12, "--json") == 0
    assert json.loads(capsys.readouterr().out)["interval"] <= 12
    assert run("simulate", out, "--frames", 50, "--json") == 0
    assert json.loads(capsys.readouterr().out)["cycles"]["interval"] <= 12


def test_a_target_that_cannot_be_reached_gives_the_nearest(
    net: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    save_network(conv_network((6, 6, 3), (4,), integers=True), tmp_path / "conv.xnf")
    out = tmp_path / "f.xnf"
    assert run("fold", tmp_path / "conv.xnf", "-o", out, "--interval", 5, "--json") == 1
    printed = capfd.readouterr()
    result = json.loads(printed.out)
    assert result["interval"] == 36
    assert result["error"] == (
        f"Interval must be at least 36 for node 'conv0.window', not 5. The nearest folding, interval 36, is in {out}"
    )
    assert printed.err == f"error: {result['error']}\n"
    assert run("fold", tmp_path / "conv.xnf", "-o", out, "--fps", 1e6, "--clock-mhz", 10) == 1
    assert "not 10: 1,000,000 frames per second need a clock of 36.0 MHz. The nearest" in capfd.readouterr().err
    assert run("show", out) == 0


@pytest.mark.long
def test_a_network_that_no_board_holds_gives_the_smallest(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save_network(dense_network((784, 512, 512, 10)), tmp_path / "big.xnf")
    out = tmp_path / "f.xnf"
    assert run("fold", tmp_path / "big.xnf", "-o", out, "--board", "icebreaker") == 1
    error = capfd.readouterr().err.splitlines()[-1]
    assert re.fullmatch(
        r"error: Network 'dense-784-512-512-10' must fit icebreaker with 4,224 cells, 30 block RAMs and 8 DSPs, "
        r"not need [\d,]+ cells, \d{3} block RAMs and 0 DSPs\. The nearest folding, interval \d+, is in .*",
        error,
    )
    assert out.exists()


@pytest.mark.long
def test_fold_for_a_board_fits_it(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_network(dense_network((196, 64, 10)), tmp_path / "net.xnf")
    intervals = []
    for part in (0.3, 0.6):
        out = tmp_path / "f.xnf"
        assert run("fold", tmp_path / "net.xnf", "-o", out, "--board", "icebreaker", "--utilization", part) == 0
        capsys.readouterr()
        assert run("show", out, "--board", "icebreaker", "--json") == 0
        result = json.loads(capsys.readouterr().out)
        assert Cost(**result["estimate"]).cells("ice40") <= part * 5280
        assert result["estimate"]["brams"] <= 30
        intervals.append(result["interval"])
    assert intervals[0] > intervals[1]


def test_the_folding_is_written_and_can_be_given_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unfolded = dense_network((12, 6, 4))
    nodes = tuple(replace(node, name='a."b" c') if node.name == "fc0" else node for node in unfolded.nodes)
    fifos = tuple(
        replace(fifo, **{end: 'a."b" c' for end in ("source", "target") if getattr(fifo, end) == "fc0"})
        for fifo in unfolded.fifos
    )
    save_network(replace(unfolded, nodes=nodes, fifos=fifos), tmp_path / "net.xnf")
    assert run("fold", tmp_path / "net.xnf", "-o", tmp_path / "once.xnf", "--interval", 12) == 0
    assert run("fold", tmp_path / "net.xnf", "-o", tmp_path / "again.xnf", "--config", tmp_path / "once.toml") == 0
    assert (tmp_path / "once.xnf").read_bytes() == (tmp_path / "again.xnf").read_bytes()
    assert (tmp_path / "once.toml").read_bytes() == (tmp_path / "again.toml").read_bytes()
    text = (tmp_path / "once.toml").read_text()
    assert '[nodes."a.\\"b\\" c"]' in text
    (tmp_path / "same.toml").write_text(text + "# mine\n")
    assert run("fold", tmp_path / "net.xnf", "-o", tmp_path / "same.xnf", "--config", tmp_path / "same.toml") == 0
    assert (tmp_path / "same.toml").read_text().endswith("# mine\n")


def test_registers_around_memories_are_chosen_remembered_and_given_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_network(dense_network((24, 12, 4)), tmp_path / "net.xnf")

    def folded(name: str, *options: object) -> tuple[bool, int]:
        assert run("fold", tmp_path / "net.xnf", "-o", tmp_path / f"{name}.xnf", *options, "--json") == 0
        result = json.loads(capsys.readouterr().out)
        assert is_pipelined(open_network(tmp_path / f"{name}.xnf")) == result["pipelined"]
        return result["pipelined"], result["interval"]

    assert folded("plain", "--interval", 16) == (False, 16)
    assert folded("fast", "--interval", 16, "--pipelined") == (True, 16)
    assert "\npipelined = true\n" in (tmp_path / "fast.toml").read_text()
    assert folded("again", "--config", tmp_path / "fast.toml") == (True, 16)
    assert (tmp_path / "fast.xnf").read_bytes() == (tmp_path / "again.xnf").read_bytes()
    assert folded("without", "--config", tmp_path / "fast.toml", "--no-pipelined")[0] is False
    assert folded("ulx3s", "--interval", 16, "--board", "ulx3s-85f")[0]
    assert not folded("ulx3s", "--interval", 16, "--board", "ulx3s-85f", "--no-pipelined")[0]
    assert not folded("icebreaker", "--interval", 16, "--board", "icebreaker")[0]
    for name, said in (("fast", True), ("plain", False)):
        assert run("show", tmp_path / f"{name}.xnf") == 0
        assert ("pipelined: registers around memories" in capsys.readouterr().out) is said


def test_fold_to_rate_counts_cycles(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fold", net, "-o", tmp_path / "f.xnf", "--fps", 1e6, "--clock-mhz", 24, "--json") == 0
    assert json.loads(capsys.readouterr().out)["interval"] <= 24


def test_fold_as_a_file_says(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "fold.toml"
    config.write_text('[nodes.fc0]\npe = 3\nsimd = 4\n[fifos]\n"input -> binarize" = 7\n')
    assert run("fold", net, "-o", tmp_path / "f.xnf", "--config", config, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert [(n["pe"], n["simd"]) for n in result["nodes"] if n["name"] == "fc0"] == [(3, 4)]
    assert [f["depth"] for f in result["fifos"] if f["name"] == "input -> binarize"] == [7]
    assert result["interval"] == 6  # that of fc0; the others follow


@pytest.mark.long
def test_fold_trades_places_for_interval(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def folded(*options: object) -> tuple[int, int | float]:
        out = tmp_path / "f.xnf"
        # In this family the folding is one in which FIFOs of fewer places take longer.
        assert run("fold", net, "-o", out, "--interval", 12, "--family", "gowin", *options, "--json") == 0
        network = open_network(out)
        capsys.readouterr()
        return sum(fifo.depth for fifo in network.fifos), simulate(network, 1).interval

    auto, full, slack = folded(), folded("--fifos", "full"), folded("--interval-slack", "30%")
    assert auto == folded("--fifos", "auto") == folded("--interval-slack", "0%")
    assert full[0] > auto[0] > slack[0]
    assert full[1] == auto[1] < slack[1] <= 1.3 * auto[1]


def test_a_folding_file_tells_the_interval_with_its_fifos(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, again = tmp_path / "f.xnf", tmp_path / "again.xnf"
    family = ("--family", "gowin")  # as in the test before
    assert run("fold", net, "-o", out, "--interval", 12, "--interval-slack", "30%", *family, "--json") == 0
    interval = json.loads(capsys.readouterr().out)["interval"]
    assert interval > open_network(out).interval
    text = out.with_suffix(".toml").read_text()
    assert text.startswith(f"# Folding of dense-12-6-4: {interval} cycles between frames.\n")
    assert run("fold", net, "-o", again, "--config", out.with_suffix(".toml"), *family) == 0
    assert again.read_bytes() == out.read_bytes()
    assert again.with_suffix(".toml").read_text() == text


def test_fold_as_a_file_of_fifos_says(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "fold.toml"
    config.write_text('[fifos]\n"fc0 -> fc1" = 9\n')
    assert run("fold", net, "-o", tmp_path / "f.xnf", "--config", config, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["interval"] == 72
    assert [f["depth"] for f in result["fifos"] if f["name"] == "fc0 -> fc1"] == [9]
