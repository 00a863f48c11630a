"""The critical path and the resources in the names of the network's nodes, from files in nextpnr's and Yosys' form."""

import json
from pathlib import Path
from typing import Any

from rtl.bitstream.critical import Hop, critical_path
from rtl.bitstream.report import Use, use_by_place
from sim_tests.cases import dense_network

NETWORK = dense_network((12, 6, 4))
CLOCK = "$glbnet$serial.core.fifo_0.clk"


def step(kind: str, delay: float, cell: str, source: str = "") -> dict[str, Any]:
    return {"type": kind, "delay": delay, "from": {"cell": source or cell}, "to": {"cell": cell}}


def write(path: Path, *paths: tuple[str, str, list[dict[str, Any]]]) -> Path:
    content = {
        "fmax": {CLOCK: {"achieved": 70.0, "constraint": 24.0015}, "start": {"achieved": 9.0, "constraint": 48.0}},
        "critical_paths": [{"from": start, "to": end, "path": steps} for start, end, steps in paths],
    }
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_the_slowest_way_of_the_network_s_clock(tmp_path: Path) -> None:
    clock = f"posedge {CLOCK}"
    ram, lut, ff = (
        "serial.core.node_fc0.weights$71.0.0",
        "serial.core.node_fc0.popcount_1.ones_LUT4_Z",
        "serial.core.fifo_2.level",
    )
    slow = [
        step("clk-to-q", 5.83, ram),
        step("routing", 2.33, lut, ram),
        step("logic", 0.24, lut),
        step("routing", 0.13, ff, lut),
        step("setup", 0.0, ff),
    ]
    fast = [step("clk-to-q", 1.0, "serial.link.messages.position"), step("setup", 0.1, "start.timer")]
    other = [step("clk-to-q", 99.0, "start.timer")]
    report = write(
        tmp_path / "report.json",
        (clock, clock, fast),
        (clock, clock, slow),
        ("posedge start", "posedge start", other),
        ("<async>", clock, other),
    )
    fifo = NETWORK.fifos[2].name
    assert critical_path(report, NETWORK, 24.0) == (
        Hop("fc0", "weights$71.0.0", 5.83, 0.0),
        Hop("fc0", "popcount_1.ones_LUT4_Z", 0.24, 2.33),
        Hop(f"FIFO {fifo}", "level", 0.0, 0.13),
    )
    fast_only = write(tmp_path / "fast.json", (clock, clock, fast))
    assert [(hop.place, hop.cell) for hop in critical_path(fast_only, NETWORK, 24.0)] == [
        ("serial link", "messages.position"),
        ("board", "start.timer"),
    ]


def test_a_report_without_such_a_path_gives_none(tmp_path: Path) -> None:
    assert critical_path(write(tmp_path / "report.json"), NETWORK, 24.0) == ()


def test_the_resources_of_each_place(tmp_path: Path) -> None:
    cells = {
        "serial.core.node_fc0.weights$71.0.0": "SB_RAM40_4K",
        "serial.core.node_fc0.popcount_1.ones_LUT4_Z": "SB_LUT4",
        "$abc$serial.core.node_fc0.ones_SB_LUT4_O": "SB_LUT4",
        "serial.core.fifo_2.level": "SB_DFFSR",
        "serial.link.messages.position": "SB_DFFESR",
        "start.timer": "SB_LUT4",
        "serial.core.fifo_2.carry": "SB_CARRY",
    }
    modules = {
        "\\part": {"attributes": {}, "cells": {"start.timer": {"type": "SB_LUT4"}}},
        "\\top": {"attributes": {"top": "1"}, "cells": {name: {"type": kind} for name, kind in cells.items()}},
    }
    (tmp_path / "top.json").write_text(json.dumps({"modules": modules}), "utf-8")
    uses = use_by_place(tmp_path / "top.json", NETWORK, "ice40")
    assert next(iter(uses)) == "fc0"
    assert uses == {
        "fc0": Use(2, 0, 1, 0),
        "board": Use(1, 0, 0, 0),
        f"FIFO {NETWORK.fifos[2].name}": Use(0, 1, 0, 0),
        "serial link": Use(0, 1, 0, 0),
    }
