"""Files are written completely or not at all, whatever stands at their path; folders by one process at a time."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow import InputError
from dataflow.writing import atomic_write, check_writable, locked, output_folder, scratch_beside
from tests.limits import largest_file

fcntl = pytest.importorskip("fcntl")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no locks, pipes and devices there")

HOLD = """
import sys
from pathlib import Path
from dataflow.writing import locked, scratch_beside
with {}(sys.argv[1], "training"):
    Path(sys.argv[2]).touch()
    print("held", flush=True)
    input()
"""


def write(path: Path, content: str = "new") -> None:
    with atomic_write(path, "Network") as part:
        part.write_text(content)


def refused(path: str | Path, reason: str) -> None:
    for attempt in (lambda: write(Path(path)), lambda: check_writable(path, "Network")):
        rule = re.escape(f"Network file {str(path)!r} must be writable, not: {reason}")
        with pytest.raises(InputError, match=f"^{rule}$"):
            attempt()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.long
def test_writers_of_one_file_never_tear_it(tmp_path: Path) -> None:
    path, rounds, torn = tmp_path / "x", 100, []
    write(path, "0" * 100_000)

    def write_often(letter: str) -> None:
        for _ in range(rounds):
            write(path, letter * 100_000)

    writers = [threading.Thread(target=write_often, args=[letter]) for letter in "abc"]
    for writer in writers:
        writer.start()
    reads = 0
    while any(writer.is_alive() for writer in writers):
        content = path.read_text()
        torn += [content] if len(content) != 100_000 or len(set(content)) != 1 else []
        reads += 1
    assert (len(torn), reads > 10) == (0, True)
    assert names(tmp_path) == ["x"]


def test_files_of_the_user_stay(tmp_path: Path) -> None:
    (tmp_path / "x.part").write_text("mine")
    (tmp_path / "other").write_text("mine")
    (tmp_path / ".x.part").symlink_to("other")
    write(tmp_path / "x")
    assert {name: (tmp_path / name).read_text() for name in names(tmp_path)} == {
        ".x.part": "mine",
        "other": "mine",
        "x": "new",
        "x.part": "mine",
    }


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_written_through(exists: bool, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    if exists:
        (tmp_path / "folder" / "target").write_text("old")
    (tmp_path / "link").symlink_to("folder/target")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "target").read_text() == "new"
    assert names(tmp_path / "folder") == ["target"]


def test_a_circle_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("link")
    refused(tmp_path / "link", "Too many levels of symbolic links")
    assert (tmp_path / "link").is_symlink()


def test_a_pipe_gets_the_content_and_stays(tmp_path: Path) -> None:
    path, got = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: got.append(path.read_text()))
    reader.start()
    write(path, "x" * 200_000)
    reader.join()
    assert got == ["x" * 200_000]
    assert path.is_fifo()


def test_devices_stay() -> None:
    write(Path(os.devnull))
    assert Path(os.devnull).is_char_device()
    full = Path("/dev/full")
    if full.is_char_device():
        with pytest.raises(InputError, match=r"^Network file '/dev/full' must be writable, not: No space left on dev"):
            write(full)


def test_paths_that_cannot_be_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("folder").mkdir()
    refused(".", "Is a directory")
    refused("folder", "Is a directory")
    refused("none/x", "No such file or directory")
    refused("file/x", "Not a directory")
    refused("x" * 300, "File name too long")
    assert names(tmp_path) == ["file", "folder"]


def test_the_longest_name_is_written(tmp_path: Path) -> None:
    write(tmp_path / ("x" * 255))
    assert names(tmp_path) == ["x" * 255]


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path / "x", "old")
    rule = rf"^Network file '{tmp_path}/x' must be writable, not: File too large$"
    with largest_file(100), pytest.raises(InputError, match=rule):
        write(tmp_path / "x", "new" * 1000)
    assert (names(tmp_path), (tmp_path / "x").read_text()) == (["x"], "old")


def test_the_rights_of_a_file_stay(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write(path)
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask
    path.chmod(0o640)
    write(path)
    assert path.stat().st_mode & 0o777 == 0o640


def test_what_killed_writers_left_is_removed(tmp_path: Path) -> None:
    parts = [tmp_path / f".{name}.{digit * 16}.part" for name, digit in ("x0", "x1", "x2", "y3")]
    left, held, fresh, other = parts
    for path in parts:
        path.touch()
        if path != fresh:
            os.utime(path, (0, 0))
    with held.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        write(tmp_path / "x")
    assert names(tmp_path) == sorted([held.name, fresh.name, other.name, "x"]), left


def test_folders_for_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert output_folder("a/b").is_dir()
    assert output_folder("a/b") == Path("a/b")
    assert names(tmp_path / "a" / "b") == []
    Path("file").touch()
    with pytest.raises(InputError, match=r"^Output folder 'file' must be a folder, not a file$"):
        output_folder("file")
    with pytest.raises(InputError, match=r"^Output folder 'file/x' must be writable, not: Not a directory$"):
        output_folder("file/x")


def test_a_folder_that_must_not_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("dataflow.writing.TemporaryFile", refuse)
    with pytest.raises(InputError, match=rf"^Output folder '{tmp_path}' must be writable, not: Operation not perm"):
        output_folder(tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("what", [locked, scratch_beside], ids=["folder", "scratch"])
def test_another_process_is_refused_until_the_first_ends(what: Callable[..., object], tmp_path: Path) -> None:
    folder, mark = tmp_path / "out", tmp_path / "mark"
    folder.mkdir()
    rule = f"Output folder {str(folder)!r} must not be in use by another training, which still runs"
    command = [sys.executable, "-c", HOLD.format(what.__name__), str(folder), str(mark)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"^{re.escape(rule)}$"), what(folder, "training"):
            pass
        first.kill()
    left = names(tmp_path)
    assert left == ["mark", "out"] if what is locked else [".out.xnorflow-training", "mark", "out"]
    with what(folder, "training"):
        pass
    assert names(tmp_path) == ["mark", "out"]
    assert names(folder) == []


def test_scratch_is_empty_and_goes(tmp_path: Path) -> None:
    left = tmp_path / ".out.xnorflow-build"
    (left / "folder").mkdir(parents=True)
    (left / "file").touch()
    (left / "link").symlink_to(tmp_path)

    def fail() -> None:
        with scratch_beside(tmp_path / "out", "build") as folder:
            assert (folder, names(folder)) == (left, [])
            (folder / "file").touch()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert names(tmp_path) == []
