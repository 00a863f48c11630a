"""Lowered networks whose channels and pixels move, in RTL: values and cycles of every stream."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from dataflow import fold, fold_to_interval
from hwsim import random_stalls
from quant.lowering import lower
from sim_tests.cases import random_frames
from sim_tests.test_cases import simulators
from sim_tests.verification import verify_rtl
from tests.quant.lowering.test_wiring import UPS, conv, end, melius_codes, shuffle, shufflenet, start, sums, unet


def melius() -> onnx.ModelProto:
    net, x = sums(8, 4)
    return end(net, melius_codes(net, x), 8, 2)


def shuffled() -> onnx.ModelProto:
    net, x = start(8)
    return end(net, shufflenet(net, x), 8)


def grouped() -> onnx.ModelProto:
    net, x = start(8)
    return end(net, shuffle(net, conv(net, x, (8, 4, 1, 1), "grouped", group=2), 2, 8), 8, 2, groups=2)


def unet_with(up: str) -> onnx.ModelProto:
    net, x = start(8)
    return end(net, unet(net, x, UPS[up]), 13, 3, pad=1)


MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    "melius": melius,
    "shufflenet": shuffled,
    "grouped": grouped,
    **{f"unet-{up}": lambda up=up: unet_with(up) for up in UPS},  # type: ignore[misc]
}


@pytest.mark.slow
@pytest.mark.parametrize("interval", [None, 2000], ids=["unfolded", "folded"])
@pytest.mark.parametrize("simulator", simulators()[1:2])
@pytest.mark.parametrize("name", MODELS)
def test_rtl_equals_reference_and_cycle_simulator(
    name: str, simulator: str, interval: int | None, tmp_path: Path
) -> None:
    network = lower(MODELS[name]())
    network = fold(network, {} if interval is None else fold_to_interval(network, interval))
    assert interval is None or network.interval <= interval
    frames = random_frames(network, 3)
    verification = verify_rtl(
        network, frames, simulator=simulator, stalls=random_stalls(network, 3), build_dir=tmp_path
    )
    assert verification.passed, str(verification)
