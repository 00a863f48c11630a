"""Where the program writes: results on standard output, the rest on standard error, whatever these two lead to."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.xnorflow.command_line import run
from xnorflow.commands import _completion

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such pipes and devices there")

#: A full disk, as a device.
FULL = Path("/dev/full")
NO_SPACE = "error: Standard output must be writable, not: No space left on device\n"


def call(*args: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xnorflow", *map(str, args)]
    pipes = {name: subprocess.PIPE for name in ("stdout", "stderr") if name not in options}
    return subprocess.run(command, text=True, check=False, **{**pipes, **options})


@pytest.mark.parametrize("command", [["show"], ["simulate", "--frames", "3", "--diagram"], ["boards"]])
def test_results_are_on_standard_output(
    command: list[str], net: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    name, *options = command
    args = [name, *([] if name == "boards" else [net]), *options]
    assert run(*args) == 0
    for_people = capfd.readouterr()
    assert (for_people.out.count("\n") > 4, for_people.err) == (True, "")
    assert run(*args, "--json") == 0
    for_machines = capfd.readouterr()
    assert (isinstance(json.loads(for_machines.out), dict), for_machines.err) == (True, "")


def test_a_bare_call_prints_the_help(capfd: pytest.CaptureFixture[str]) -> None:
    for args in ([], ["method"]):
        assert run(*args) == 0
        bare = capfd.readouterr()
        assert run(*args, "--help") == 0
        assert (bare.out.rstrip(), bare.err) == (capfd.readouterr().out.rstrip(), "")
        assert "Usage: xnorflow" in bare.out


@pytest.mark.parametrize(
    ("args", "code", "error"),
    [
        (("show", "none.xnf"), 2, "Network file must exist, not 'none.xnf'"),
        (("show",), 2, "Missing argument 'NET'."),
        (("show", "net.xnf", "--frame"), 2, "No such option: --frame"),
    ],
)
def test_json_of_an_error(args: tuple[str, ...], code: int, error: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(*args, "--json") == code
    captured = capfd.readouterr()
    assert json.loads(captured.out)["error"].startswith(error)
    assert captured.err == f"error: {json.loads(captured.out)['error']}\n"


@pytest.mark.long
def test_a_reader_that_leaves_ends_the_program_quietly() -> None:
    for args in (["boards"], ["--help"], ["show", "none.xnf", "--json"]):
        reading, writing = os.pipe()
        os.close(reading)
        done = call(*args, stdout=writing)
        os.close(writing)
        gone = args[1:2] != ["none.xnf"]
        assert (done.returncode, done.stderr.count("\n")) == ((128 + signal.SIGPIPE, 0) if gone else (2, 1)), args


@pytest.mark.long
@pytest.mark.skipif(not FULL.exists(), reason="no device /dev/full there")
def test_a_full_disk_is_one_sentence() -> None:
    for args in (["boards", "--json"], ["--version"]):
        with FULL.open("w") as full:
            done = call(*args, stdout=full)
        assert (done.returncode, done.stderr) == (2, NO_SPACE), args


@pytest.mark.long
def test_a_full_pipe_that_does_not_wait_is_one_sentence() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with open(writing, "wb", buffering=0) as pipe:
        for size in (4096, 1):
            while pipe.write(bytes(size)):
                pass
        # Unbuffered, Python counts nothing that it writes to such a pipe.
        buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        done = call("boards", stdout=pipe, env=buffered)
    os.close(reading)
    assert done.returncode == 2
    assert done.stderr == "error: Standard output must be writable, not: write could not complete without blocking\n"


@pytest.mark.long
def test_results_come_even_if_nobody_can_read_the_rest(tmp_path: Path) -> None:
    expected = call("boards").stdout
    reading, writing = os.pipe()
    os.close(reading)
    assert call("boards", stderr=writing).stdout == expected
    os.close(writing)
    if FULL.exists():
        with FULL.open("w") as full:
            assert call("boards", stderr=full).stdout == expected
            assert call("show", tmp_path / "none.xnf", stderr=full).returncode == 2


@pytest.mark.long
@pytest.mark.parametrize("closed", [pytest.param(">&-", marks=pytest.mark.slow), "<&- >&- 2>&-"])
def test_closed_streams_leave_the_files_alone(closed: str, net: Path, tmp_path: Path) -> None:
    out, whole = tmp_path / "out.npz", tmp_path / "whole.npz"
    command = f"{sys.executable} -m xnorflow simulate {net} --frames 3 --outputs"
    assert subprocess.run(f"{command} {out} {closed}", shell=True, check=False).returncode == 0
    assert subprocess.run(f"{command} {whole} >{os.devnull}", shell=True, check=False).returncode == 0
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.long
def test_completion_for_shells() -> None:
    shown = call(env={**os.environ, "_XNORFLOW_COMPLETE": "source_zsh"})
    assert (shown.returncode, "_XNORFLOW_COMPLETE" in shown.stdout) == (0, True), shown.stderr
    for words, offered in (
        ("xnorflow si", ["simulate"]),
        ("xnorflow fold tfc-w1a1 --board i", ["icebreaker"]),
    ):
        asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        found = call(env={**os.environ, **asked, "_XNORFLOW_COMPLETE": "complete_bash"})
        assert found.stdout.split() == offered, found.stderr


def test_what_completion_offers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("tfc.xnf", "tfc.txt", "t[1].xnf", "tiny.toml"):
        (tmp_path / name).touch()
    (tmp_path / "trained").mkdir()
    assert _completion.networks("t") == ["tfc-w1a1", "t[1].xnf", "tfc.xnf", "trained/"]
    assert _completion.networks("t[") == ["t[1].xnf"]
    assert _completion.recipes("tin") == ["tiny.toml"]
    assert {"tfc-w1a1", "resnet20-w1a1"} <= set(_completion.recipes(""))
    assert _completion.boards("u") == ["ulx3s-85f"]
    assert _completion.families("x") == ["xilinx7"]


@pytest.mark.long
def test_what_amaranth_says_of_unused_components_reaches_nobody() -> None:
    code = (
        "import gc\n"
        "from rtl.core import Core\n"
        "from sim_tests.cases import dense_network\n"
        "from rtl import AxiTop\n"
        "from amaranth.hdl import Fragment\n"
        "def interrupted(self, platform): raise KeyboardInterrupt\n"
        "Core.elaborate = interrupted\n"
        "def build():\n"
        "    try: Fragment.get(AxiTop(dense_network((12, 6, 4))), None)\n"
        "    except KeyboardInterrupt: print('interrupted')\n"
        "build()\n"
        "gc.collect()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


@pytest.mark.long
def test_a_device_gets_a_network_without_a_file_beside_it(net: Path, tmp_path: Path) -> None:
    assert run("fold", net, "-o", os.devnull, "--interval", 12) == 0
    assert run("lower", "tfc-w1a1", "-o", os.devnull) == 0
    assert Path(os.devnull).is_char_device()
    assert not Path(os.devnull).with_suffix(".toml").exists()
    (tmp_path / "link.xnf").symlink_to("target.xnf")
    assert run("fold", net, "-o", tmp_path / "link.xnf", "--interval", 12) == 0
    assert (tmp_path / "link.xnf").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.toml", "link.xnf", "net.xnf", "target.xnf"]
