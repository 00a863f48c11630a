"""The examples of the documentation run, and print what its pages say."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import run_page

DOCS = Path(__file__).parents[2] / "docs"

#: The pages with examples, by what they need.
PAGES = {
    "commands": pytest.mark.long,
    "exploring": pytest.mark.long,
    "folding": pytest.mark.long,
    "getting-started": pytest.mark.sim,
    "integration": pytest.mark.sim,
    "methods": pytest.mark.long,
    "own": pytest.mark.long,
    "proving": pytest.mark.sim,
    "training-with-a-method": pytest.mark.train,
    "your-model": pytest.mark.train,
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=mark) for name, mark in PAGES.items()])
def test_examples(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XNORFLOW_DATA", raising=False)
    run_page(DOCS / f"{name}.md", capfd.readouterr, fast=True)


def text_of(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.sim
@pytest.mark.parametrize("name", [name for name in PAGES if "skip: next if(fast" in text_of(name)])
def test_slow_examples(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(DOCS / f"{name}.md", capfd.readouterr, fast=False)


def test_every_page_with_examples_is_run() -> None:
    names = [path.stem for path in DOCS.glob("*.md")]
    assert {name for name in names if re.search(r"^```(python|console)$", text_of(name), re.MULTILINE)} == set(PAGES)
    for name in names:  # no example escapes by having no language
        assert not re.search(r"^```\n\$ xnorflow", text_of(name), re.MULTILINE), name
