"""A command that is terminated leaves no half-written files."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataflow import expose_scores, fold, save_network
from sim_tests.cases import dense_network


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM there")
def test_a_bitstream_that_is_terminated_leaves_no_folder(tmp_path: Path) -> None:
    network = expose_scores(dense_network((64, 32, 10)))
    save_network(fold(network, {}), tmp_path / "net.xnf")
    command = [sys.executable, "-m", "xnorflow", "bitstream", "net.xnf", "--board", "icebreaker", "-o", "out"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not list(tmp_path.glob(".out-*")):
            time.sleep(0.01)
        process.terminate()
        _, said = process.communicate()
    assert process.returncode == 128 + 15, said
    assert [path.name for path in tmp_path.iterdir()] == ["net.xnf"]
