"""Networks of real size: every beat and cycle over many frames, with stalls, in several foldings."""

from pathlib import Path

import pytest

from dataflow import fold
from hwsim import random_stalls
from sim_tests.cases import dense_network, random_frames
from sim_tests.simulators import available
from sim_tests.verification import verify_rtl

pytestmark = [
    pytest.mark.sim,
    pytest.mark.skipif(available()["verilator"] is not None, reason=str(available()["verilator"])),
]

TFC = (784, 64, 64, 64, 10)

#: By name: sizes, frames, folding, and the interval that it must have.
SIZES = {
    "tfc-ragged": (
        TFC,
        100,
        {
            "binarize": {"pe": 7},
            "fc0": {"pe": 16, "simd": 98},
            "fc1": {"pe": 2, "simd": 64},
            "fc2": {"pe": 32, "simd": 8},
            "fc3": {"pe": 5, "simd": 16},
            "arg_max": {"pe": 2},
        },
        112,
    ),
    "tfc-parallel": (
        TFC,
        100,
        {
            "binarize": {"pe": 28},
            "fc0": {"pe": 64, "simd": 28},
            "fc1": {"pe": 64, "simd": 64},
            "fc2": {"pe": 64, "simd": 32},
            "fc3": {"pe": 10, "simd": 64},
            "arg_max": {"pe": 10},
        },
        28,
    ),
}


def verify_size(name: str, build_dir: Path) -> None:
    sizes, frames, folding, interval = SIZES[name]
    network = fold(dense_network(sizes, uneven=True), folding)
    assert network.interval == interval
    stalls = random_stalls(network, 7)
    verification = verify_rtl(network, random_frames(network, frames), stalls=stalls, build_dir=build_dir)
    assert verification.passed, str(verification)
    assert verification.frames == frames
    assert verification.beats_compared == frames * sum(network.stream(fifo).beats for fifo in network.fifos)


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_real_size(name: str, tmp_path: Path) -> None:
    verify_size(name, tmp_path)
