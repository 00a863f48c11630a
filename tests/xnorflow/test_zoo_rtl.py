"""The networks of the zoo: every beat's value and cycle on every stream."""

from pathlib import Path

import pytest

import zoo
from dataflow import fold
from dataflow.choices import quick_foldings
from hwsim import Stalls, random_stalls
from sim_tests.cases import random_frames
from sim_tests.simulators import available
from sim_tests.verification import verify_rtl_runs
from xnorflow.networks import open_network

#: Most cycles per frame after folding, so that two frames take a simulator only seconds.
INTERVAL = 40_000

pytestmark = [
    pytest.mark.sim,
    pytest.mark.slow,
    pytest.mark.skipif(available()["verilator"] is not None, reason=str(available()["verilator"])),
]


# SFC is a larger TFC, which the documentation's example proves (docs/proving.md).
@pytest.mark.parametrize("name", sorted({*zoo.names()} - {"sfc-w1a1", "tfc-w1a1"}))
def test_the_zoo_in_verilator(name: str, tmp_path: Path) -> None:
    network = open_network(name)
    network = fold(network, quick_foldings(network, INTERVAL, "ecp5"))
    count = 1 if name.startswith("resnet") else 2  # a frame of it has ten times the streams
    frames, stalls = random_frames(network, count), [Stalls.none(), random_stalls(network, 3)]
    for verification in verify_rtl_runs(network, frames, stalls, simulator="verilator", build_dir=tmp_path):
        assert verification.passed, str(verification)
        assert verification.streams == len(network.fifos)
