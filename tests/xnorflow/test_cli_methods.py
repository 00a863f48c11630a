"""`xnorflow methods`."""

import json

import pytest

from tests.xnorflow.command_line import run

pytestmark = pytest.mark.train


def test_methods_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("methods", "--json") == 0
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)["methods"]}
    assert {"bnn", "biper", "bbc", "ftbnn", "flw"} <= set(found)
    assert found["irnet"]["options"] == {"first": 0.001, "last": 10.0}
    assert all(each["title"] and each["source"] and each["residue"] for each in found.values())
    assert run("methods") == 0
    assert "a power of two per channel" in " ".join(capsys.readouterr().err.split())
