"""``xnorflow report``: a page of one network or of two, with the figures of their builds."""

import json
from pathlib import Path

import pytest

from dataflow import Network, expose_scores, fold, save_network
from sim_tests.cases import dense_network
from tests.xnorflow.command_line import run
from xnorflow.accuracy import Accuracy, with_accuracy
from xnorflow.timing import Timing, timing_of

pytestmark = pytest.mark.long


def build_of(network: Network, folder: Path) -> Timing:
    """Write the figures of a build, and return its timing."""
    folder.mkdir()
    timing = timing_of(expose_scores(network))
    figures: dict[str, object] = {
        "network": network.name,
        "latency": timing.latency,
        "interval": timing.interval,
        "board": "icebreaker",
        "luts": 1234,
        "ffs": 777,
        "brams": 6,
        "dsps": 0,
        "clock_mhz": 24.0,
        "fmax_mhz": 40.5,
        "timing_met": True,
    }
    (folder / "bitstream.json").write_text(json.dumps(figures))
    return timing


def test_report_of_a_build(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, page = tmp_path / "bits", tmp_path / "report.html"
    timing = build_of(dense_network((12, 6, 4)), folder)
    assert run("report", net, "-o", page, "--build", folder, "--frames", 2, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["report"], result["frames"]) == (str(page), 2)
    assert (result["timing"]["clock"], result["timing"]["latency"]) == ("met", timing.latency)
    text = page.read_text(encoding="utf-8")
    assert '<span class="badge met">met: routed for 40.5 MHz</span>' in text
    assert "1,234 LUTs" in text
    assert "estimated for ice40" in text
    assert "scores_fork" in text  # as it was built


def test_report_of_two_networks(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = with_accuracy(dense_network((12, 6, 4)), Accuracy(0.75, 1000, "mine"))
    faster, page = tmp_path / "faster.xnf", tmp_path / "report.html"
    save_network(fold(network, {"fc0": {"pe": 6, "simd": 4}}), faster)
    assert run("report", net, faster, "-o", page, "--json") == 0
    first, second = json.loads(capsys.readouterr().out)["networks"]
    assert (first["net"], second["net"]) == (str(net), str(faster))
    assert first["timing"]["interval"] > second["timing"]["interval"]
    text = page.read_text(encoding="utf-8")
    for timing in (first["timing"], second["timing"]):
        assert f">{timing['latency']:,}<" in text
    assert f"{second['timing']['interval'] / first['timing']['interval']:.3g}" in text
    assert ">75.0 %<" in text


def test_builds_of_two_networks(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    for folder in (tmp_path / "one", tmp_path / "two"):
        build_of(dense_network((12, 6, 4)), folder)
    options = ("--build", tmp_path / "one", "--build", tmp_path / "two")
    assert run("report", net, net, "-o", page, *options) == 0
    capsys.readouterr()
    assert "LUTs, built" in page.read_text(encoding="utf-8")
    assert run("report", net, net, "-o", page, *options[:2]) == 2
    assert capsys.readouterr().err == "error: Builds (--build) must be one for each of the 2 networks, not 1\n"


def test_the_accuracy_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.xnf"
    save_network(with_accuracy(dense_network((12, 6, 4)), Accuracy(0.75, 1000, "mine")), path)
    assert run("show", path) == 0
    assert "accuracy 75.0 % of 1,000 test images of mine\n" in capsys.readouterr().out
    assert run("show", path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == {"share": 0.75, "frames": 1000, "dataset": "mine"}
