"""The target of a folding: remembered by the file, used and printed by all commands, overridden by options."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow import InputError, load, network_cost, save_network
from dataflow.choices import FoldingChoices
from rtl.boards import board_of
from rtl.link.cost import link_cost
from sim_tests.cases import dense_network
from sim_tests.conv_cases import conv_network
from tests.xnorflow.command_line import run
from xnorflow.folding import fold_for_board, fold_to
from xnorflow.networks import open_network
from xnorflow.target import Target, choose_target, remembered, with_target
from xnorflow.timing import Clock


@pytest.fixture
def folded(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    """A network that is folded for a board."""
    save_network(dense_network((48, 12, 4), outputs="both"), tmp_path / "net.xnf")
    path = tmp_path / "folded.xnf"
    assert run("fold", tmp_path / "net.xnf", "-o", path, "--board", "ulx3s-85f") == 0
    capfd.readouterr()
    return path


ULX3S = "target: board ulx3s-85f (ecp5), 80 MHz (usual for ulx3s-85f, assumed); of the network's folding"


@pytest.mark.parametrize("command", ["show", "simulate", "report", pytest.param("verilog", marks=pytest.mark.long)])
def test_commands_use_and_print_it(
    command: str, folded: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = {"report": ("-o", tmp_path / "page.html"), "verilog": ("-o", tmp_path / "rtl")}.get(command, ())
    assert run(command, folded, *output) == 0
    assert ULX3S in capfd.readouterr().out.splitlines()
    assert run(command, folded, *output, "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["target"]["board"], found["target"]["family"], found["target"]["clock_mhz"]) == (
        "ulx3s-85f",
        "ecp5",
        80,
    )
    if "timing" in found:
        assert found["timing"]["clock_mhz"] == 80


def test_options_override_it_and_say_so(folded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    was = ", instead of ulx3s-85f at 80 MHz, for which it was folded"
    for options, text in (
        (("--clock-mhz", 60), f"board ulx3s-85f (ecp5), 60 MHz (as given, not built); by --clock-mhz{was}"),
        (
            ("--board", "icebreaker"),
            f"board icebreaker (ice40), 24 MHz (usual for icebreaker, assumed); by --board{was}",
        ),
        (("--family", "gowin"), f"device family gowin, 100 MHz (assumed); by --family{was}"),
        (
            ("--board", "ulx3s-85f"),
            "board ulx3s-85f (ecp5), 80 MHz (usual for ulx3s-85f, assumed); by --board",
        ),
    ):
        assert run("show", folded, *options) == 0
        assert capfd.readouterr().out.splitlines()[0] == f"target: {text}"


@pytest.mark.long
def test_a_rate_is_one_at_the_clock_of_the_board(
    folded: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    again = tmp_path / "again.xnf"
    assert run("fold", folded, "-o", again, "--fps", 2e6, "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["interval"] <= 40
    assert found["timing"]["fps"] >= 2e6
    assert remembered(load(again)) == remembered(load(folded))
    other = tmp_path / "other.xnf"
    assert run("fold", folded, "-o", other, "--fps", 1e5, "--board", "icebreaker", "--clock-mhz", 12, "--json") == 0
    assert json.loads(capfd.readouterr().out)["interval"] <= 120
    kept = remembered(load(other))
    assert kept is not None
    assert (kept.board, kept.clock.mhz) == ("icebreaker", 12)


def test_a_network_without_one_has_the_assumed_one() -> None:
    network = dense_network((8, 4))
    assert remembered(network) is None
    assert choose_target(network) == Target()
    assert str(Target()) == "target: device family ecp5, 100 MHz (assumed)"
    target = Target("ice40", Clock(30.0, note="x"), "icebreaker")
    assert remembered(with_target(network, target)) == replace(target, origin="of the network's folding")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '{"board": 1, "family": "ecp5", "mhz": 1, "note": ""}',
        "[" * 100_000,
        '{"board": null}',
        '{"board": [], "family": "ecp5", "mhz": 1, "note": ""}',
        '{"board": null, "family": {}, "mhz": 1, "note": ""}',
        '{"board": null, "family": "ecp5", "mhz": 1' + "0" * 400 + ', "note": ""}',
    ],
)
def test_damaged_ones_are_refused(text: str) -> None:
    network = dense_network((8, 4))
    with pytest.raises(InputError):
        remembered(replace(network, metadata={"target": text}))


# Foldings.


@pytest.mark.long
@pytest.mark.parametrize("family", ["ice40", pytest.param("ecp5", marks=pytest.mark.slow)])
def test_slower_never_costs_more(family: str) -> None:
    network = open_network("tfc-w1a1")
    choices = FoldingChoices(network, family)
    intervals = [448, 784, 1568]
    costs = []
    for interval in intervals:
        folded = fold_to(network, interval, family=family)
        assert folded.interval <= interval
        costs.append(choices.price(folded))
    assert costs == sorted(costs, reverse=True)


@pytest.mark.long
def test_images_too() -> None:
    network = conv_network((9, 8, 3), (5, 7), padding=(1, 1, 1, 1), pool=(2, 2))
    choices = FoldingChoices(network, "ice40")
    costs = [choices.price(fold_to(network, each, family="ice40")) for each in (72, 100, 150, 216, 400, 900, 2000)]
    assert costs == sorted(costs, reverse=True)


@pytest.mark.long
@pytest.mark.parametrize("board", ["icebreaker", "ulx3s-85f"])
def test_a_folding_for_a_board_fits_it_with_its_link(board: str) -> None:
    found = fold_for_board(open_network("tfc-w1a1"), board)
    assert found.missed is None
    chosen = board_of(board)
    cost = network_cost(found.network, chosen.family) + link_cost(found.network, chosen.family)
    assert cost.cells(chosen.family) <= 0.8 * chosen.luts
    assert cost.brams <= chosen.brams
    assert [terminal.name for terminal in found.network.outputs] == ["scores", "class"]
