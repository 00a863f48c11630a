"""A program ends with the block that started it, and so do the processes that it has started."""

import os
import sys
import time
from pathlib import Path

import pytest

from dataflow.programs import started

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no process groups there")

#: Starts a process of its own, says so, and waits for it.
FAMILY = "sleep 60 & echo $! > child; wait"


def is_running(process: int) -> bool:
    """Return whether a process runs; one that nobody has waited for has ended."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(file: Path) -> str:
    while not (file.exists() and file.read_text().strip()):
        time.sleep(0.01)
    return file.read_text()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc there")
def test_the_whole_family_ends(tmp_path: Path) -> None:
    def interrupted() -> None:
        with started(["sh", "-c", FAMILY], tmp_path):
            wait_until(tmp_path / "child")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    child, end = int(wait_until(tmp_path / "child")), time.monotonic() + 20
    while is_running(child) and time.monotonic() < end:  # its signal is sent, and arrives when the machine has time
        time.sleep(0.05)
    assert not is_running(child)


def test_a_program_that_ignores_the_request_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflow.programs._GRACE", 0.05)

    def interrupted() -> None:
        with started(["sh", "-c", "trap '' TERM; echo 1 > child; sleep 60; sleep 60"], tmp_path):
            wait_until(tmp_path / "child")
            raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - start < 30


def test_output_and_exit_code(tmp_path: Path) -> None:
    with started(["sh", "-c", "echo $WHAT; pwd >&2; exit 3"], tmp_path, environment={"WHAT": "this"}) as process:
        assert process.stdout is not None
        assert process.stdout.read().splitlines() == ["this", os.path.realpath(tmp_path)]
    assert process.returncode == 3
