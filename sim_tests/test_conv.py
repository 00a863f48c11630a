"""Convolutional networks: every beat's value and cycle on every stream, from plain windows to ragged ones."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dataflow import Integer, Network, fold
from hwsim import random_stalls
from sim_tests.cases import INT2, INT4, INT8, random_frames
from sim_tests.conv_cases import conv_network
from sim_tests.simulators import available
from sim_tests.verification import verify_rtl

pytestmark = pytest.mark.sim


@dataclass(frozen=True)
class ConvCase:
    """A convolutional network, its folding, and FIFO depths that are not the default's."""

    shape: tuple[int, int, int]
    channels: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)
    folding: dict[str, dict[str, int]] = field(default_factory=dict)
    depths: dict[str, int] = field(default_factory=dict)

    def network(self) -> Network:
        return fold(conv_network(self.shape, self.channels, **self.options), self.folding, depths=self.depths)


CASES = {
    "plain": ConvCase((6, 6, 2), (4,)),
    "odd-channels-pool": ConvCase(
        (9, 8, 3),
        (5, 7),
        {"pool": (2, 2), "padding": (1, 1, 1, 1)},
        {"conv0.window": {"pe": 3}, "conv0": {"pe": 5, "simd": 9}, "conv1": {"pe": 7, "simd": 5}},
    ),
    "pad-plus-1": ConvCase((5, 4, 4), (3,), {"padding": (1, 1, 1, 1), "pad": 1}, {"conv0.window": {"pe": 2}}),
    "1x1": ConvCase((4, 5, 6), (4, 3), {"kernel": (1, 1)}, {"conv0.window": {"pe": 6}, "conv0": {"pe": 4, "simd": 6}}),
    "1x1-apart": ConvCase((7, 6, 3), (4,), {"kernel": (1, 1), "stride": (3, 2)}),
    "not-square": ConvCase(
        (4, 11, 2),
        (4,),
        {"kernel": (2, 5), "stride": (1, 2), "padding": (0, 1, 2, 1), "seed": 3},
        {"conv0.window": {"pe": 2}, "conv0": {"pe": 2, "simd": 5}},
    ),
    "stride-pool-3x3": ConvCase(
        (13, 13, 2), (6,), {"stride": (2, 2), "pool": (3, 3), "padding": (1, 0, 1, 0)}, {"pool0": {"pe": 3}}
    ),
    "dilated": ConvCase((8, 9, 2), (3,), {"dilation": (2, 3), "pad": 1, "padding": (2, 1, 0, 3)}),
    "integers": ConvCase(
        (5, 5, 3),
        (4, 4),
        {"integers": True, "padding": (1, 1, 1, 1)},
        {"conv0.window": {"pe": 3}, "conv0": {"pe": 4, "simd": 27}, "conv1": {"pe": 2, "simd": 12}},
    ),
    "integers-ragged": ConvCase(
        (6, 5, 2),
        (6,),
        {"integers": True, "pool": (2, 2), "seed": 5},
        {"conv0": {"pe": 3, "simd": 9}, "pool0": {"pe": 2}, "fc": {"pe": 4, "simd": 4}},
    ),
    "windows-outside": ConvCase((3, 3, 2), (2,), {"kernel": (1, 1), "padding": (2, 1, 1, 2), "stride": (2, 1)}),
    "narrow-fifos": ConvCase(
        (6, 6, 4),
        (4,),
        {"padding": (1, 1, 1, 1)},
        {"conv0.window": {"pe": 4}},
        {"conv0.window -> conv0.width": 1, "conv0.window.width -> conv0.window": 1},
    ),
    "zero": ConvCase((6, 5, 3), (4,), {"padding": (1, 1, 1, 1), "zero": True}),
    "zero-beside-plus-1": ConvCase(
        (5, 6, 2),
        (6, 4),
        {"padding": (1, 1, 1, 1), "zero": True, "pad": 1},
        {"conv0.window": {"pe": 2}, "conv0": {"pe": 2, "simd": 9}, "conv1": {"pe": 4, "simd": 6}},
    ),
    "zero-every-position-another": ConvCase(
        (3, 4, 2), (3,), {"kernel": (4, 5), "padding": (3, 2, 2, 3), "zero": True}, {"conv0": {"pe": 3, "simd": 40}}
    ),
    "zero-apart": ConvCase(
        (7, 9, 2),
        (4,),
        {"kernel": (2, 3), "stride": (2, 3), "dilation": (3, 1), "padding": (2, 1, 0, 3), "zero": True},
        {"conv0": {"pe": 2, "simd": 12}},
    ),
    "zero-of-sums": ConvCase(
        (5, 5, 3),
        (4, 3),
        {"padding": (1, 0, 1, 1), "zero": True, "sums": (True,)},
        {"conv0.window": {"pe": 3}, "conv0": {"pe": 4, "simd": 27}, "conv1": {"pe": 3, "simd": 4}, "sign0": {"pe": 2}},
    ),
    "zero-of-even-sums": ConvCase((4, 4, 2), (4,), {"padding": (1, 1, 1, 1), "zero": True, "sums": (True,)}),
    "zero-of-integers": ConvCase(
        (5, 4, 2),
        (4, 4),
        {"padding": (1, 1, 2, 1), "zero": True, "pad": 1, "integers": True, "sums": (True,)},
        {"conv0": {"pe": 2, "simd": 6}},
    ),
    "zero-on-one-pixel": ConvCase((1, 1, 4), (4,), {"padding": (1, 1, 1, 1), "zero": True}, {"conv0": {"simd": 9}}),
    "groups": ConvCase(
        (6, 5, 4),
        (6, 9),
        {"groups": 2, "padding": (1, 1, 1, 1)},
        {"conv0.window": {"pe": 2}, "conv0": {"pe": 3, "simd": 6}, "conv1": {"simd": 9}},
    ),
    "depthwise": ConvCase((6, 7, 3), (3, 3), {"groups": 3}, {"conv0": {"simd": 9}, "conv1": {"simd": 3}}),
    "depthwise-of-more-neurons": ConvCase(
        (5, 5, 2),
        (4, 8),
        {"groups": 4, "zero": True, "padding": (1, 1, 1, 1)},
        {"conv0": {"pe": 2, "simd": 3}, "conv1": {"pe": 2, "simd": 9}},
    ),
    "groups-of-integers": ConvCase(
        (5, 6, 4),
        (4,),
        {"groups": 4, "integers": True, "sums": (True,), "stride": (1, 2), "kernel": (2, 2)},
        {"conv0": {"simd": 4}},
    ),
    "groups-of-1x1": ConvCase((4, 5, 6), (6, 4), {"kernel": (1, 1), "groups": 2}, {"conv0.window": {"pe": 3}}),
    "sum-pool": ConvCase(
        (12, 11, 2),
        (4, 6),
        {"pool": (2, 2), "pool_kinds": ("sum",)},
        {"pool0": {"pe": 2}, "conv1": {"pe": 2, "simd": 6}, "sign0": {"pe": 4}},
    ),
    "sum-pool-with-pixels-outside": ConvCase(
        (4, 4, 2), (3,), {"kernel": (2, 2), "pool": (2, 2), "pool_padding": (1, 2, 2, 1), "pool_kinds": ("sum",)}
    ),
    "sum-pool-of-sums": ConvCase(
        (9, 8, 2),
        (3,),
        {"pool": (3, 2), "pool_kinds": ("sum",), "sums": (True,), "zero": True, "padding": (1, 1, 1, 1)},
        {"pool0": {"pe": 3}},
    ),
    "sum-pool-of-integers": ConvCase(
        (6, 6, 3),
        (4,),
        {"pool": (2, 3), "pool_padding": (1, 1, 0, 1), "pool_kinds": ("sum",), "sums": (True,), "integers": True},
        {"pool0": {"pe": 2}},
    ),
    "max-pool-of-sums": ConvCase(
        (12, 11, 2),
        (4, 4),
        {"pool": (2, 2), "sums": (True,), "groups": 2},
        {"pool0": {"pe": 4}, "conv0": {"pe": 2, "simd": 9}, "conv1.window": {"pe": 2}},
    ),
    "max-pool-of-integers": ConvCase(
        (7, 6, 2), (3, 4), {"kernel": (2, 2), "pool": (2, 1), "sums": (True,), "integers": True}
    ),
    "inert": ConvCase(
        (6, 5, 3),
        (5, 7),
        {"pool": (2, 1), "padding": (1, 1, 1, 1), "pad": 1},
        {
            "binarize": {"pe": 2},
            "conv0.window": {"pe": 2},
            "conv0": {"pe": 3, "simd": 8},
            "pool0": {"pe": 4},
            "conv1.window": {"pe": 3},
            "conv1": {"pe": 4, "simd": 7},
            "pool1": {"pe": 5},
            "fc": {"pe": 3, "simd": 6},
            "arg_max": {"pe": 3},
        },
    ),
    "inert-neighbours": ConvCase(
        (5, 4, 5),
        (5, 5),
        {"kernel": (1, 1), "padding": (0, 1, 1, 0), "pad": 1},
        {
            **{name: {"pe": 3} for name in ("binarize", "conv0.window", "conv1.window")},
            **{name: {"pe": 3, "simd": 3} for name in ("conv0", "conv1")},
            "fc": {"simd": 3},
        },
    ),
    "inert-sums": ConvCase(
        (6, 5, 3),
        (5, 3),
        {"pool": (2, 2), "pool_kinds": ("sum",), "padding": (1, 1, 1, 1), "zero": True, "sums": (True, False)},
        {
            "conv0": {"pe": 3, "simd": 4},
            "pool0": {"pe": 3},
            "sign0": {"pe": 2},
            "conv1": {"pe": 2, "simd": 11},
            "pool1": {"pe": 2},
            "fc": {"pe": 3, "simd": 2},
        },
    ),
    "inert-integers": ConvCase(
        (5, 5, 3),
        (5, 4),
        {"integers": True, "padding": (1, 0, 1, 1), "zero": True, "pad": 1, "sums": (True,)},
        {"conv0.window": {"pe": 2}, "conv0": {"pe": 4, "simd": 10}, "sign0": {"pe": 3}, "conv1": {"pe": 3, "simd": 6}},
    ),
    "inert-groups": ConvCase(
        (6, 5, 6),
        (6, 10),
        {"groups": 2, "padding": (1, 1, 1, 1), "pad": 1, "pool": (1, 2), "sums": (False, True)},
        {
            "conv0.window": {"pe": 2},
            "conv0": {"pe": 2, "simd": 4},
            "conv1.window": {"pe": 2},
            "conv1": {"pe": 3, "simd": 5},
            "pool1": {"pe": 3},
        },
    ),
    "weights-of-8-bits": ConvCase(
        (5, 5, 3),
        (4, 4),
        {"integers": True, "padding": (1, 1, 1, 1), "weights": (INT8, INT4), "sums": (True, False)},
        {"conv0.window": {"pe": 3}, "conv0": {"pe": 4, "simd": 9}, "conv1": {"pe": 3, "simd": 5}, "fc": {"simd": 4}},
    ),
    "weights-of-2-bits": ConvCase(
        (5, 6, 4),
        (6, 4),
        {
            **{"integers": True, "pixels": Integer(2), "weights": (INT2, INT2, INT8), "sums": (True, False)},
            **{"groups": 2, "padding": (1, 0, 1, 1), "zero": True, "pad": 1},
        },
        {"conv0": {"pe": 2, "simd": 4}, "sign0": {"pe": 2}, "conv1": {"pe": 2, "simd": 27}, "fc": {"pe": 3, "simd": 5}},
    ),
    "weights-of-pooled-sums": ConvCase(
        (6, 6, 3),
        (4,),
        {
            **{"integers": True, "pixels": Integer(5, signed=True), "weights": (INT4, INT2), "pool": (2, 2)},
            **{"pool_kinds": ("sum",), "padding": (1, 1, 1, 1), "zero": True, "pad": -4},
        },
        {"conv0": {"pe": 2, "simd": 7}, "fc": {"pe": 2, "simd": 3}},
    ),
    "weights-masked-by-2-bits": ConvCase(
        (5, 4, 2),
        (4,),
        {"integers": True, "pixels": Integer(2, signed=True), "weights": (INT8,), "sums": (True,)},
        {"conv0": {"pe": 4, "simd": 5}},
    ),
    "everything": ConvCase(
        (7, 8, 4),
        (4, 6),
        {
            **{"groups": 2, "zero": True, "padding": (1, 1, 2, 1), "stride": (1, 2), "pad": 1},
            **{"pool": (2, 2), "pool_padding": (0, 1, 1, 0)},
            **{"pool_kinds": ("max", "sum"), "sums": (True, False)},
        },
        {
            "conv0.window": {"pe": 2},
            "conv0": {"pe": 2, "simd": 9},
            "conv1": {"pe": 3, "simd": 6},
            "pool0": {"pe": 2},
            "pool1": {"pe": 3},
        },
    ),
}


def verify_case(name: str, *, simulator: str, seed: int | None, frames: int, build_dir: Path | None = None) -> None:
    network = CASES[name].network()
    stalls = None if seed is None else random_stalls(network, seed)
    verification = verify_rtl(
        network, random_frames(network, frames), simulator=simulator, stalls=stalls, build_dir=build_dir
    )
    assert verification.passed, str(verification)
    assert verification.frames == frames
    assert verification.oracle == "reference"
    assert verification.beats_compared == frames * sum(network.stream(fifo).beats for fifo in network.fifos)


#: Cases that between them have every option, for simulators that take long to compile; Amaranth's simulator runs all.
REPRESENTATIVES = (
    *("odd-channels-pool", "not-square", "integers", "everything", "inert", "inert-sums", "inert-groups"),
    *("weights-of-8-bits", "weights-of-2-bits"),
)

#: Those that Icarus runs in the default suite.
OFTEN = ("not-square", "everything", "weights-of-8-bits")
#: Cases that take thousands of cycles, and whose kinds are in shorter ones too.
LONG = {
    *("narrow-fifos", "stride-pool-3x3", "sum-pool", "sum-pool-of-sums", "zero", "zero-of-integers"),
    *("groups", "zero-beside-plus-1", "odd-channels-pool", "inert-integers"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in CASES]
)
def test_convolutions_in_the_amaranth_simulator(name: str) -> None:
    verify_case(name, simulator="amaranth", seed=1, frames=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["everything", "inert", "odd-channels-pool"])
def test_convolutions_without_stalls_in_the_amaranth_simulator(name: str) -> None:
    verify_case(name, simulator="amaranth", seed=None, frames=2)


@pytest.mark.skipif(available()["icarus"] is not None, reason=str(available()["icarus"]))
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in OFTEN else [pytest.mark.slow])
        for name in dict.fromkeys((*OFTEN, *REPRESENTATIVES))
    ],
)
def test_convolutions_in_icarus(name: str, tmp_path: Path) -> None:
    verify_case(name, simulator="icarus", seed=7, frames=2, build_dir=tmp_path)


@pytest.mark.skipif(available()["verilator"] is not None, reason=str(available()["verilator"]))
@pytest.mark.parametrize(
    "name",
    ["everything", *(pytest.param(name, marks=pytest.mark.slow) for name in ("odd-channels-pool", "inert-groups"))],
)
def test_convolutions_in_verilator(name: str, tmp_path: Path) -> None:
    verify_case(name, simulator="verilator", seed=11, frames=6, build_dir=tmp_path)
