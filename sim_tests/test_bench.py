"""The bench against a model of one FIFO: what is driven when, what is recorded, and when it stops."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataflow import Integer, Stream
from sim_tests.bench import Bench, Drive
from sim_tests.comparison import word_rows
from sim_tests.recording import FifoSetup, InputSetup, OutputSetup, Recording, Setup

STREAM = Stream(Integer(12), (2,))
VALUES = np.array([[1, 2], [0x345, 4]])


def gate(text: str) -> np.ndarray:
    return np.array([mark == "1" for mark in text])


def setup(source: str = "1", sink: str = "1", *, patience: int = 20, margin: int = 3) -> Setup:
    rows = word_rows(VALUES, STREAM)
    return Setup(
        (FifoSetup("input -> class", 12, 4),),
        (InputSetup(rows, 2, gate(source)),),
        (OutputSetup(12, 4, gate(sink)),),
        patience,
        margin,
    )


def run(
    setup: Setup, *, depth: int = 2, broken: Callable[[int, list[int]], None] = lambda cycle, stored: None
) -> tuple[Recording, dict[str, str]]:
    """Run a bench on a FIFO between input and output, and return traces, a letter per cycle.

    Parameters
    ----------
    broken : called with the cycle and what is stored, before each cycle
    """
    bench = Bench(setup)
    drive: Drive | None = bench.start()
    stored: list[int] = []
    valid = last = ready = word = taken = 0
    trace = {"valid": "", "last": "", "ready": "", "accepted": "", "taken": ""}
    while drive is not None:
        valid, last, ready = (
            old if new is None else new
            for old, new in zip((valid, last, ready), (drive.valid, drive.last, drive.ready), strict=True)
        )
        word = drive.words.get(0, word)
        broken(bench.cycle, stored)
        accepted, passes = valid and len(stored) < depth, ready and len(stored) > 0
        final = taken % 2 == 1
        events = accepted | passes << 1 | accepted << 2 | passes << 3 | final << 4
        words = {"write": word, "read": stored[0] if stored else None, "output": stored[0] if stored else None}
        for name, flag in zip(trace, (valid, last, ready, accepted, passes), strict=True):
            trace[name] += "-1"[bool(flag)]
        drive = bench.step(events, lambda what, index, words=words: words[what])  # type: ignore[misc]
        if passes:
            stored.pop(0)
            taken += 1
        if accepted:
            stored.append(word)
    return bench.recording(), trace


def test_without_gates_a_beat_passes_in_every_cycle() -> None:
    recording, trace = run(setup())
    assert trace == {
        "valid": "1111----",
        "last": "-1-1----",
        "ready": "11111111",
        "accepted": "1111----",
        "taken": "-1111---",
    }
    assert recording.cycles == 8
    assert recording.stood == ""
    assert recording.writes[0].cycles.tolist() == recording.accepted[0].tolist() == [0, 1, 2, 3]
    assert recording.reads[0].cycles.tolist() == recording.taken[0].cycles.tolist() == [1, 2, 3, 4]
    assert recording.writes[0].words.tolist() == [[1, 0], [2, 0], [0x45, 3], [4, 0]]
    assert recording.lasts[0].tolist() == [False, True, False, True]


def test_source_waits_for_its_gate_and_then_holds_until_accepted() -> None:
    # The source's gate is open in 1, 4, 7 ..., the sink's in 6, 13, 20 ...; there are two places.
    _, trace = run(setup("010", "0000001", margin=1), depth=2)
    assert trace == {
        "valid": "-1--1--1--11111--------------",
        "last": "----1-----11111--------------",
        "ready": "------1------1------1------1-",
        "accepted": "-1--1--1------1--------------",
        "taken": "------1------1------1------1-",
    }


def test_source_keeps_offering_while_the_fifo_is_full() -> None:
    # The next beat needs an open gate after the one before it was accepted: 9 for 7, 15 for 14.
    _, trace = run(setup("01", "0000001", margin=0), depth=1)
    assert trace == {
        "valid": "-1-11111-1111111111111-------",
        "last": "---11111-------1111111-------",
        "ready": "------1------1------1------1-",
        "accepted": "-1-----1------1------1-------",
        "taken": "------1------1------1------1-",
    }


@pytest.mark.parametrize(
    ("late", "cycles"),
    [
        pytest.param((5, 7), 8 + 3, id="both beats"),
        pytest.param((5,), 9 + 3, id="one beat, then silence"),
        pytest.param((), 7 + 3, id="silence"),
    ],
)
def test_run_goes_on_for_beats_that_no_output_waits_for(late: tuple[int, ...], cycles: int) -> None:
    bench = Bench(replace(setup(), fifos=(*setup().fifos, FifoSetup("a -> b", 12, 2))))
    bench.start()
    events = [0b110101] * 4 + [0b1010 * (cycle in late) for cycle in range(4, 100)]
    while bench.step(events[bench.cycle], lambda what, index: 7) is not None:
        assert bench.cycle < 100
    recording = bench.recording()
    assert recording.cycles == cycles
    assert recording.stood == ""
    assert recording.reads[1].cycles.tolist() == list(late)


def test_run_that_stands_still_says_where() -> None:
    def lose(cycle: int, stored: list[int]) -> None:
        if cycle == 2:
            stored.clear()

    recording, _ = run(setup(patience=5), broken=lose)
    assert recording.stood == (
        "No beat moved from cycle 5 to 9: beats accepted at the inputs 4 of 4; beats taken at the outputs 3 of 4; "
        "beats held 1 in 'input -> class'"
    )


def test_run_without_end_is_stopped() -> None:
    bench = Bench(replace(setup(), inputs=(InputSetup(word_rows(VALUES, STREAM), 2, gate("0")),)))
    bench.start()
    while bench.step(0b11, lambda what, index: 7) is not None:
        assert bench.cycle < 100
    assert bench.recording().stood.startswith("FIFO 'input -> class' was written without end until cycle 7: ")


def test_frame_errors_are_recorded() -> None:
    bench = Bench(setup())
    bench.start()
    bench.step(1 << 5, lambda what, index: 0)
    bench.step(0, lambda what, index: 0)
    assert bench.recording().frame_errors.tolist() == [0]


def test_setup_and_recording_survive_a_file(tmp_path: Path) -> None:
    given = setup("010", "01")
    given.save(tmp_path / "setup.npz")
    again = Setup.load(tmp_path / "setup.npz")
    assert (again.fifos, again.patience, again.margin) == (given.fifos, given.patience, given.margin)
    assert np.array_equal(again.inputs[0].words, given.inputs[0].words)
    assert np.array_equal(again.inputs[0].gate, given.inputs[0].gate)
    assert np.array_equal(again.outputs[0].gate, given.outputs[0].gate)
    assert (again.inputs[0].frame_beats, again.outputs[0].beats, again.outputs[0].width) == (2, 4, 12)

    seen, _ = run(given)
    seen.save(tmp_path / "recording.npz")
    read = Recording.load(tmp_path / "recording.npz")
    assert (read.cycles, read.stood) == (seen.cycles, seen.stood)
    for what in ("writes", "reads", "taken"):
        for one, other in zip(getattr(seen, what), getattr(read, what), strict=True):
            assert np.array_equal(one.cycles, other.cycles)
            assert np.array_equal(one.words, other.words)
    assert np.array_equal(read.accepted[0], seen.accepted[0])
    assert np.array_equal(read.lasts[0], seen.lasts[0])
