"""Latency and interval with their clock: met by a build, or assumed and marked as such."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dataflow import InputError, expose_scores
from hwsim import simulate
from rtl.boards import board_of
from sim_tests.cases import dense_network
from xnorflow.timing import ASSUMED, Clock, Timing, clock_for, clock_of, open_build, routed_clock, timing_of

NETWORK = dense_network((12, 6, 4))


def build_in(folder: Path, **changes: Any) -> Path:
    """Write the report of a build without building it."""
    timing = timing_of(expose_scores(NETWORK))
    figures: dict[str, Any] = {"network": NETWORK.name, "latency": timing.latency, "interval": timing.interval}
    figures |= {"board": "icebreaker", "luts": 570, "ffs": 400, "brams": 4, "dsps": 0}
    figures |= {"clock_mhz": 24.0, "fmax_mhz": 38.12, "timing_met": True} | changes
    (folder / "bitstream.json").write_text(json.dumps(figures))
    return folder


def test_latency_and_interval_are_the_simulator_s() -> None:
    run = simulate(NETWORK, 50)
    timing = timing_of(NETWORK)
    assert (timing.latency, timing.interval) == (run.first_frame_latency, run.interval)
    assert timing.latency != timing.interval
    assert timing.clock == ASSUMED == Clock(100.0, "assumed", "assumed")


@pytest.mark.parametrize(
    ("timing", "text"),
    [
        (
            Timing(722, 224, routed_clock(24.0, 38.12, met=True)),
            "latency 722 cycles (30.08 us from first beat in to last beat out), interval 224 cycles "
            "(107,143 frames per second) at 24 MHz (met: routed for 38.12 MHz)",
        ),
        (
            Timing(1_386_012, 386.777, routed_clock(25.5, 20.0, met=False)),
            "latency 1,386,012 cycles (54,353 us from first beat in to last beat out), interval 386.78 cycles "
            "(65,929 frames per second) at 25.5 MHz (NOT met: routed for 20 MHz)",
        ),
        (
            Timing(31_177_809, 28_901_376),
            "latency 31,177,809 cycles (311,778 us from first beat in to last beat out), interval 28,901,376 cycles "
            "(3.46 frames per second) at 100 MHz (assumed)",
        ),
        (
            Timing(1, 1),
            "latency 1 cycles (0.01 us from first beat in to last beat out), interval 1 cycles "
            "(100,000,000 frames per second) at 100 MHz (assumed)",
        ),
    ],
)
def test_a_sentence_for_people_and_values_for_programs(timing: Timing, text: str) -> None:
    assert str(timing) == text
    values = json.loads(json.dumps(timing.to_json()))
    assert values["latency_us"] == timing.latency / timing.clock.mhz
    assert values["fps"] == timing.clock.mhz * 1e6 / timing.interval
    assert Timing.from_json(values) == timing


def test_the_clock_is_given_or_assumed_or_that_of_a_build(tmp_path: Path) -> None:
    assert clock_of(None) == ASSUMED
    assert clock_of(24.0) == Clock(24.0, "assumed", "as given, not built")
    build = open_build(build_in(tmp_path), NETWORK)
    assert clock_of(None, build) == Clock(24.0, "met", "met: routed for 38.12 MHz")
    assert build.figures["fmax_mhz"] == 38.12
    slow = open_build(build_in(tmp_path, timing_met=False), NETWORK)
    assert slow.clock == Clock(24.0, "missed", "NOT met: routed for 38.12 MHz")
    board = board_of("icebreaker")
    assert clock_for(board) == Clock(24.0, "assumed", "usual for icebreaker, assumed")
    assert clock_for(board, 30.0) == Clock(30.0, "assumed", "as given, not built")
    with pytest.raises(InputError, match=r"^Clock must come from --clock-mhz or --build, not both$"):
        clock_of(24.0, build)


@pytest.mark.parametrize("mhz", [0.0, -1.0, float("inf"), float("nan")])
def test_a_clock_that_is_none(mhz: float) -> None:
    with pytest.raises(InputError, match=rf"^Clock \(--clock-mhz\) must be positive, not {mhz}$"):
        clock_of(mhz)


def test_builds_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    folder = re.escape(repr(str(tmp_path)))
    with pytest.raises(InputError, match=rf"^Build folder {folder} must hold bitstream\.json of .*, not none$"):
        open_build(tmp_path, NETWORK)
    timing = timing_of(expose_scores(NETWORK))
    want = f"'dense-12-6-4' with latency {timing.latency} and interval {timing.interval}"
    others: list[tuple[dict[str, Any], str]] = [
        ({"network": "other"}, f"'other' with {timing.latency} and {timing.interval}"),
        ({"interval": 7}, f"'dense-12-6-4' with {timing.latency} and 7"),
    ]
    for changes, got in others:
        with pytest.raises(InputError, match=rf"^Build in {folder} must be of network {want}, not of {got}$"):
            open_build(build_in(tmp_path, **changes), NETWORK)
    for text in ("{}", "[]", "no", '{"network": 1}'):
        (tmp_path / "bitstream.json").write_text(text)
        with pytest.raises(
            InputError, match=r"^Build report '.*' must be one that xnorflow bitstream has written, not anoth"
        ):
            open_build(tmp_path, NETWORK)
