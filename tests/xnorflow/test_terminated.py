"""A command that is terminated, interrupted or killed leaves no processes, and no files that stay."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from dataflow import expose_scores, fold, save_network
from sim_tests.cases import dense_network
from tests.dataflow.test_programs import is_running, wait_until
from tests.xnorflow.command_line import run

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no signals or no /proc there"),
]

#: A program that starts another one, tells its number and waits for it.
SLOW = '#!/bin/sh\nsleep 60 &\necho $! > "{}"\nwait\n'

BITSTREAM = ("bitstream", "net.xnf", "--board", "icebreaker", "-o", "out")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a network for boards."""
    folder = tmp_path / "work"
    folder.mkdir()
    save_network(fold(expose_scores(dense_network((64, 32, 10))), {}), folder / "net.xnf")
    return folder


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def _heed() -> None:
    """Heed signals that whoever runs the tests ignores: a shell for what it has in the background, or nohup."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def stopped(args: Sequence[str], number: signal.Signals, folder: Path, child: Path, **env: str) -> tuple[int, str, int]:
    """Run a command until its program runs, send a signal; return exit code, standard error, the program's child."""
    command = [sys.executable, "-m", "xnorflow", *args]
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **env},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed,
    ) as process:
        while process.poll() is None and not child.exists():
            time.sleep(0.01)
        sleeping = int(wait_until(child)) if child.exists() else 0
        process.send_signal(number)
        _, said = process.communicate()
    child.unlink(missing_ok=True)
    return process.returncode, said, sleeping


@pytest.mark.parametrize(
    "number", [signal.SIGINT, *(pytest.param(each, marks=pytest.mark.slow) for each in (signal.SIGTERM, signal.SIGHUP))]
)
def test_a_bitstream_that_is_ended_leaves_nothing(number: signal.Signals, folder: Path, tmp_path: Path) -> None:
    yosys = program(tmp_path / "bin" / "yosys", SLOW.format(tmp_path / "child"))
    code, said, sleeping = stopped(BITSTREAM, number, folder, tmp_path / "child", YOSYS=str(yosys))
    assert code == 128 + number, said
    assert not is_running(sleeping)
    assert [path.name for path in folder.iterdir()] == ["net.xnf"]
    if number == signal.SIGINT:
        assert said.splitlines()[-1] == "interrupted: out is as before; the same command starts again"


def test_what_a_killed_bitstream_leaves_is_removed_by_the_next(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    yosys = program(tmp_path / "bin" / "yosys", SLOW.format(tmp_path / "child"))
    code, said, sleeping = stopped(BITSTREAM, signal.SIGKILL, folder, tmp_path / "child", YOSYS=str(yosys))
    assert code == -signal.SIGKILL, said
    os.kill(sleeping, signal.SIGKILL)
    assert sorted(path.name for path in folder.iterdir()) == [".out.xnorflow-build", "net.xnf"]
    monkeypatch.chdir(folder)
    monkeypatch.setenv("YOSYS", str(program(tmp_path / "bin" / "yosys", "#!/bin/sh\nls; echo ERROR: no; exit 3\n")))
    assert run(*BITSTREAM) == 1
    assert "error: yosys failed: ERROR: no (logs in " in capfd.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["net.xnf"]


def test_two_bitstreams_with_one_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    child = tmp_path / "child"
    yosys = program(tmp_path / "bin" / "yosys", SLOW.format(child))
    command = [sys.executable, "-m", "xnorflow", *BITSTREAM]
    with subprocess.Popen(command, cwd=folder, env={**os.environ, "YOSYS": str(yosys)}) as first:
        wait_until(child)
        monkeypatch.chdir(folder)
        assert run(*BITSTREAM) == 2
        rule = f"Output folder '{folder}/out' must not be in use by another build, which still runs"
        assert capfd.readouterr().err.splitlines()[-1] == f"error: {rule}"
        first.terminate()
    assert [path.name for path in folder.iterdir()] == ["net.xnf"]


@pytest.mark.sim
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_proof_that_is_ended_ends_the_compiler(number: signal.Signals, folder: Path, tmp_path: Path) -> None:
    program(tmp_path / "bin" / "g++", SLOW.format(tmp_path / "child"))
    (tmp_path / "temporary").mkdir()
    env = {
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": str(tmp_path / "temporary"),
        "XNORFLOW_VERILATOR_RUNTIME": "",
    }
    code, said, sleeping = stopped(("verify", "net.xnf"), number, folder, tmp_path / "child", **env)
    assert code == 128 + number, said
    assert sleeping
    assert not is_running(sleeping)
    assert not list((tmp_path / "temporary").iterdir())
    if number == signal.SIGINT:
        assert said.splitlines()[-1] == "interrupted: no file is half written; the same command starts again"
