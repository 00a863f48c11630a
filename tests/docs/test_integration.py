"""The example in Python of docs/integration.md runs."""

import re
from pathlib import Path

import pytest

from dataflow import save_network
from hwsim import simulate
from sim_tests.cases import dense_network

pytestmark = pytest.mark.long


def test_example_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "integration.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    network = dense_network((12, 6, 4))
    save_network(network, Path("fast.xnf"))
    exec(code, {})
    assert int(capsys.readouterr().out) == simulate(network, 1).first_frame_latency
    assert Path("core/rtl/dense_12_6_4_core.v").is_file()
