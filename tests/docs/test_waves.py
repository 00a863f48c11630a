"""The waveforms in the documentation: drawn from the current network, and equal to the RTL in every cycle."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest

from dataflow import beats_of, words_of
from hwsim import Stalls
from rtl.axi import AxiTop
from sim_tests.cases import random_frames
from tests.rtl.harness import run

pytestmark = [pytest.mark.sim, pytest.mark.long]

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def waves() -> ModuleType:
    spec = importlib.util.spec_from_file_location("waves", DOCS / "waves.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pictures_are_up_to_date(waves: ModuleType) -> None:
    drawings = waves.drawings()
    assert {f"{name}.svg" for name in drawings} == {path.name for path in waves.FOLDER.iterdir()}
    for name, drawing in drawings.items():
        text = (waves.FOLDER / f"{name}.svg").read_text(encoding="utf-8")
        assert text == waves.svg(drawing), f"docs/waves/{name}.svg is old: run python docs/waves.py"
        ElementTree.fromstring(text)
        assert len(text) < 15_000


def test_every_picture_is_shown(waves: ModuleType) -> None:
    shown = re.findall(r"\]\(waves/(\w+)\.svg\)", (DOCS / "integration.md").read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(waves.drawings())


def levels(signal: dict[str, str]) -> str:
    """Return the state of a signal in each cycle."""
    wave = signal["wave"]
    for cycle, sign in enumerate(wave):
        if sign == ".":
            wave = wave[:cycle] + wave[cycle - 1] + wave[cycle + 1 :]
    return wave


@pytest.mark.parametrize("seed", [None, 0, 1, 2])
def test_waves_are_those_of_the_rtl(waves: ModuleType, seed: int | None) -> None:
    network, frames = waves.example(), 3
    stalls = Stalls.none()
    if seed is not None:
        rng = np.random.default_rng(seed)
        gates = rng.random((2, 37)) < 0.4
        gates[:, 0] = True
        stalls = Stalls({network.inputs[0].name: gates[0]}, {network.outputs[0].name: gates[1]})
    drawing = waves.waves(network, frames, stalls, "")
    signals = {signal["name"]: levels(signal) for group in drawing["signal"][2::2] for signal in group[1:]}
    top, stream = AxiTop(network), network.inputs[0].stream
    words = words_of(beats_of(random_frames(network, frames), stream), stream)
    sent = 0

    def step(ctx, cycle: int) -> bool:
        nonlocal sent
        valid = signals["s_axis_tvalid"][cycle] == "1"
        ctx.set(top.s_axis_tvalid, valid)
        ctx.set(top.s_axis_tdata, words[sent] if valid else 0)
        ctx.set(top.s_axis_tlast, signals["s_axis_tlast"][cycle] == "1")
        ctx.set(top.m_axis_tready, signals["m_axis_tready"][cycle] == "1")
        for name in ("s_axis_tready", "m_axis_tvalid"):
            assert str(ctx.get(getattr(top, name))) == signals[name][cycle], (name, cycle)
        if ctx.get(top.m_axis_tvalid):
            assert str(ctx.get(top.m_axis_tlast)) == signals["m_axis_tlast"][cycle], cycle
        assert ctx.get(top.frame_error) == 0
        sent += valid and ctx.get(top.s_axis_tready)
        return cycle + 1 == len(signals["s_axis_tvalid"])

    run(top, step)
    assert sent == len(words)
