"""Fixtures for several tests of the commands."""

from pathlib import Path

import pytest

from dataflow import save_network
from sim_tests.cases import dense_network


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.xnf"
    save_network(dense_network((12, 6, 4)), path)
    return path
