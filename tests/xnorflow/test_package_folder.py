"""Writing a package: completely or not at all, again and again, and nothing of the user's is lost."""

import json
import os
import re
from pathlib import Path

import pytest

from dataflow import InputError
from dataflow.writing import locked
from xnorflow.package import write_folder
from xnorflow.package.folder import FACTS, GENERATOR, digest_of


def files(**texts: str) -> dict[str, str]:
    named = {name.replace("__", "/"): text for name, text in texts.items()}
    digests = {name: digest_of(text) for name, text in named.items()}
    return {**named, FACTS: json.dumps({"generator": GENERATOR, "files": digests})}


def content(folder: Path) -> dict[str, str]:
    found = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    found.pop(FACTS, None)
    return found


def test_new_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "a" / "b", files(x="1", rtl__y="2"))
    assert content(tmp_path / "a" / "b") == {"x": "1", "rtl/y": "2"}
    assert os.listdir(tmp_path / "a") == ["b"]
    assert (tmp_path / "a" / "b").stat().st_mode == (tmp_path / "a").stat().st_mode


def test_folder_is_written_again_and_other_files_stay(tmp_path: Path) -> None:
    write_folder(tmp_path / "p", files(x="1", rtl__old="2"))
    (tmp_path / "p" / "rtl" / "mine").write_text("mine")
    write_folder(str(tmp_path / "p"), files(x="3", sim__new="4"))
    assert content(tmp_path / "p") == {"x": "3", "sim/new": "4", "rtl/mine": "mine"}


def test_empty_folder_is_taken(tmp_path: Path) -> None:
    write_folder(tmp_path, files(x="1"))
    assert content(tmp_path) == {"x": "1"}


WROTE = "must be one that xnorflow verilog wrote, not another: move it, or choose another folder"
EDITED = "must be unchanged, not edited since xnorflow verilog wrote it: move it, or choose another folder"


@pytest.mark.parametrize("edited", ["x", "rtl/y"])
def test_files_that_were_edited_are_not_overwritten(edited: str, tmp_path: Path) -> None:
    write_folder(tmp_path / "p", files(x="1", rtl__y="2"))
    (tmp_path / "p" / edited).write_text("edited")
    before = content(tmp_path / "p")
    sentence = re.escape(f"File {edited!r} in output folder {str(tmp_path / 'p')!r} {EDITED}")
    with pytest.raises(InputError, match=f"^{sentence}$"):
        write_folder(tmp_path / "p", files(x="3"))
    assert content(tmp_path / "p") == before


@pytest.mark.parametrize("name", ["x", "core.json"])
def test_files_of_the_user_are_not_overwritten(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("{}")
    sentence = re.escape(f"File {name!r} in output folder {str(tmp_path)!r} {WROTE}")
    with pytest.raises(InputError, match=f"^{sentence}$"):
        write_folder(tmp_path, files(x="3"))
    assert os.listdir(tmp_path) == [name]


def test_links_and_folders_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("1")
    for make in (lambda path: path.symlink_to(tmp_path / "target"), lambda path: path.mkdir()):
        folder = tmp_path / f"p{len(os.listdir(tmp_path))}"
        folder.mkdir()
        make(folder / "x")
        with pytest.raises(InputError, match=f"{WROTE}$"):
            write_folder(folder, files(x="1"))
    assert (tmp_path / "target").read_text() == "1"


def test_list_of_files_cannot_name_others(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("1")
    folder = tmp_path / "p"
    folder.mkdir()
    names = {"../precious": digest_of("1"), str(tmp_path / "precious"): digest_of("1")}
    (folder / FACTS).write_text(json.dumps({"generator": GENERATOR, "files": names}))
    write_folder(folder, files(x="1"))
    assert (tmp_path / "precious").read_text() == "1"


def test_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("1")
    sentence = re.escape(f"Output folder {str(tmp_path / 'p')!r} must be a folder, not a file")
    with pytest.raises(InputError, match=f"^{sentence}$"):
        write_folder(tmp_path / "p", files(x="1"))
    assert os.listdir(tmp_path) == ["p"]


@pytest.mark.parametrize("exists", [False, True])
def test_failure_leaves_everything_as_it_was(exists: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if exists:
        write_folder(tmp_path / "p", files(x="1"))
    before = content(tmp_path)
    write = Path.write_text

    def full(path: Path, text: str, **options: str) -> int:
        if path.name == "y":
            raise OSError(28, "No space left on device")
        return write(path, text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    sentence = re.escape(f"Output folder {str(tmp_path / 'p')!r} must be writable, not: No space left on device")
    with pytest.raises(InputError, match=f"^{sentence}$"):
        write_folder(tmp_path / "p", files(x="2", y="3"))
    assert content(tmp_path) == before
    assert os.listdir(tmp_path) == (["p"] if exists else [])


@pytest.mark.parametrize("exists", [False, True])
def test_what_a_killed_run_left_is_removed(exists: bool, tmp_path: Path) -> None:
    if exists:
        write_folder(tmp_path / "p", files(x="1"))
    left = tmp_path / ("p/.package.xnorflow-verilog" if exists else ".p.xnorflow-verilog")
    left.mkdir()
    (left / "x").write_text("half")
    write_folder(tmp_path / "p", files(x="2"))
    assert content(tmp_path) == {"p/x": "2", "p/core.json": (tmp_path / "p" / FACTS).read_text()}


def test_folder_inside_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    sentence = re.escape(f"Output folder {str(tmp_path / 'file' / 'p')!r} must be inside a folder, not inside a file")
    with pytest.raises(InputError, match=f"^{sentence}$"):
        write_folder(tmp_path / "file" / "p", files(x="1"))


def test_folder_in_use_is_refused(tmp_path: Path) -> None:
    sentence = re.escape(f"Output folder {str(tmp_path)!r} must not be in use by another {GENERATOR}, which still runs")
    with locked(tmp_path, GENERATOR), pytest.raises(InputError, match=f"^{sentence}$"):
        write_folder(tmp_path, files(x="1"))
    assert os.listdir(tmp_path) == []
