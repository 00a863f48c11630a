"""`xnorflow methods` and `xnorflow method check`."""

import json
import re
from pathlib import Path

import pytest

from tests.xnorflow.command_line import run

pytestmark = pytest.mark.train

HERE = Path(__file__).parents[1] / "quant" / "methods"


def test_methods_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("methods", "--json") == 0
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)["methods"]}
    assert {"bnn", "biper", "bbc", "ftbnn", "flw"} <= set(found)
    assert found["irnet"]["options"] == {"first": 0.001, "last": 10.0}
    assert all(each["title"] and each["source"] and each["residue"] for each in found.values())
    assert run("methods") == 0
    assert "a power of two per channel" in " ".join(capsys.readouterr().out.split())


def test_a_faulty_method_fails(capsys: pytest.CaptureFixture[str]) -> None:
    name = f"{HERE / 'broken_methods.py'}:Faulty"
    assert run("method", "check", name, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["method"], found["passed"]) == (name, False)
    assert [each["name"] for each in found["checks"] if each["passed"]] == ["channels"]
    assert run("method", "check", name) == 1
    printed = capsys.readouterr().out
    assert "dense: gradients: FAILED, ended in KeyError: 'nothing' (broken_methods.py, line " in printed
    assert printed.endswith(f"{name}: 9 of 10 checks failed\n")


@pytest.mark.slow
def test_a_method_of_ones_own_passes(capsys: pytest.CaptureFixture[str]) -> None:
    name = f"{HERE / 'my_methods.py'}:Triangle"
    assert run("method", "check", name, "--no-rtl", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"]
    assert len(found["checks"]) == 13


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bnnn", r"Method must be one of .*, not 'bnnn' \(did you mean 'bnn'\?\)"),
        ("none.py:Mine", "File of method 'none.py:Mine' must exist, which 'none.py' does not"),
        (f"{HERE / 'broken_methods.py'}:Missing", "File of method '.*' must define 'Missing', which it does not"),
    ],
)
def test_methods_that_cannot_be_loaded_are_bad_input(
    name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("method", "check", name) == 2
    captured = capsys.readouterr()
    assert re.fullmatch(f"error: {message}\n", captured.err)
    assert captured.out == ""
