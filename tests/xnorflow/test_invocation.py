"""Errors of xnorflow and interruptions: what the command line says, and the exit codes 3 and 130."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from tests.xnorflow.command_line import run

#: What is said after Ctrl-C, unless a command has more to say.
INTERRUPTED = "interrupted: no file is half written; the same command starts again"

#: Runs the command line with `open_network`, which every command calls, replaced by the body of `fault`.
FAULTY = """
import os, signal, sys
import xnorflow.networks
def fault(name):
    {}
xnorflow.networks.open_network = fault
from xnorflow.__main__ import main
main()
"""


def raising(error: BaseException) -> Callable[[object], NoReturn]:
    def fault(_: object) -> NoReturn:
        raise type(error)(*error.args)  # a new one each time: the traceback of an old one grows

    return fault


def call_faulty(body: str, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", FAULTY.format(body), *args]
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["show", "simulate", "verify"])
@pytest.mark.parametrize(
    ("error", "summary"),
    [
        (KeyError("fc0"), "KeyError: 'fc0'"),
        (AssertionError(), "AssertionError"),
        (ValueError("operands could not be broadcast"), "ValueError: operands could not be broadcast"),
        (TypeError("two\nlines"), "TypeError: two"),
        (OSError("no file is named"), "OSError: no file is named"),
        (ModuleNotFoundError("No module named 'x'"), "ModuleNotFoundError: No module named 'x'"),
        (RecursionError("too deep"), "RecursionError: too deep"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_of_ours_is_reported_as_one(
    command: str,
    error: Exception,
    summary: str,
    net: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("xnorflow.networks.open_network", raising(error))
    assert run(command, net) == 3
    captured = capfd.readouterr()
    first, second = captured.err.splitlines()
    assert first.startswith(f"error: xnorflow failed at xnorflow.commands.{command}, line ")
    assert first.endswith(f": {summary}")
    assert second.startswith("This is an error of xnorflow, not of what it was given. Please report it to ")
    assert f"the command `xnorflow {command} {net}`" in second
    assert f"`xnorflow --debug {command} {net}`" in second
    assert captured.out == ""


def test_the_place_is_the_innermost_of_ours(
    net: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("json.loads", raising(RuntimeError("deep")))
    assert run("show", net) == 3
    assert capfd.readouterr().err.startswith("error: xnorflow failed at dataflow.file, line ")


@pytest.mark.parametrize("how", ["option", "environment"])
def test_debug_shows_the_traceback(
    how: str, net: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("xnorflow.networks.open_network", raising(KeyError("fc0")))
    if how == "environment":
        monkeypatch.setenv("XNORFLOW_DEBUG", "1")
    assert run(*["--debug"] * (how == "option"), "show", net) == 3
    error = capfd.readouterr().err
    assert error.startswith("Traceback (most recent call last):\n")
    assert "xnorflow/commands/show.py" in error
    assert "the traceback above" in error


def test_debug_changes_nothing_of_bad_input(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none.xnf"
    assert run("--debug", "show", path) == 2
    assert capfd.readouterr().err == f"error: Network file must exist, not {str(path)!r}\n"


def test_json_gets_one_object(net: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("xnorflow.networks.open_network", raising(KeyError("fc0")))
    assert run("show", net, "--json") == 3
    captured = capfd.readouterr()
    result = json.loads(captured.out)
    assert list(result) == ["error"]
    assert captured.err.startswith(f"error: {result['error']}\n")


def test_json_gets_one_object_if_a_table_fails(
    net: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("xnorflow.console.print_table", raising(KeyError("column")))
    assert run("show", net, "--json") == 3
    assert list(json.loads(capfd.readouterr().out)) == ["error"]


@pytest.mark.long
def test_a_program_that_fails() -> None:
    said = call_faulty("return {}['fc0']", "show", "a net.xnf", "--json")
    assert said.returncode == 3
    assert said.stderr.startswith("error: xnorflow failed at xnorflow.commands.show, line ")
    assert "`xnorflow --debug show 'a net.xnf' --json`" in said.stderr
    assert "Traceback" not in said.stderr
    assert list(json.loads(said.stdout)) == ["error"]


@pytest.mark.long
def test_a_program_that_fails_with_debug() -> None:
    said = call_faulty("return {}['fc0']", "show", "net.xnf", XNORFLOW_DEBUG="1")
    assert said.returncode == 3
    assert said.stdout == ""
    assert said.stderr.count("Traceback (most recent call last):") == 1
    assert "KeyError: 'fc0'" in said.stderr


def test_a_file_that_ends_too_early_is_no_interruption(
    net: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("xnorflow.networks.open_network", raising(EOFError("half a header")))
    assert run("show", net) == 3
    assert "half a header" in capfd.readouterr().err


def test_an_interruption_in_process(
    net: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("xnorflow.networks.open_network", raising(KeyboardInterrupt()))
    assert run("show", net, "--json") == 130
    captured = capfd.readouterr()
    assert captured.err == f"{INTERRUPTED}\n"
    assert json.loads(captured.out) == {"error": INTERRUPTED}


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT of a process there")
def test_a_program_that_is_interrupted() -> None:
    # A process started in the background of a shell ignores SIGINT until it is told otherwise.
    heard = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    said = call_faulty(f"{heard}; os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(60)", "show", "net.xnf")
    assert (said.returncode, said.stdout, said.stderr) == (130, "", f"{INTERRUPTED}\n")
