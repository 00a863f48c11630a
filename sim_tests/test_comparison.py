"""The comparison: what it counts and what it says, without any simulator."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hwsim
from dataflow import InputError, Integer, Stream, beats_of, words_of
from sim_tests.cases import Case, dense_network, random_frames
from sim_tests.comparison import Expectation, compare, word_rows
from sim_tests.recording import Beats, Recording
from sim_tests.simulators import available
from sim_tests.verification import (
    Verification,
    expectation_of,
    setup_of,
    verify_recording,
    verify_rtl,
    verify_rtl_runs,
)

NETWORK = Case("compared", (12, 6, 4), {"fc0": {"pe": 2, "simd": 3}}, outputs="scores").network()
FRAMES = random_frames(NETWORK, 3)
EXPECTATION = expectation_of(NETWORK, FRAMES, hwsim.Stalls())
SCORES = [fifo.name for fifo in NETWORK.fifos].index("fc1 -> scores")


def perfect() -> Recording:
    """Return the recording that is as expected."""
    values, writes, reads = EXPECTATION.values, EXPECTATION.writes, EXPECTATION.reads

    def beats(cycles: Mapping[str, np.ndarray]) -> tuple[Beats, ...]:
        return tuple(
            Beats(cycles[fifo.name], word_rows(values[fifo.name], NETWORK.stream(fifo))) for fifo in NETWORK.fifos
        )

    taken = beats(reads)[SCORES]
    last = np.arange(len(taken.cycles)) % 4 == 3
    return Recording(
        beats(writes), beats(reads), (writes["input -> binarize"],), (taken,), (last,), np.empty(0, np.int64), 99, ""
    )


def verified(recording: Recording) -> Verification:
    return verify_recording(NETWORK, EXPECTATION, recording, simulator="none", oracle="reference", frames=3)


def with_reads(recording: Recording, index: int, change: Callable[[Beats], Beats]) -> Recording:
    reads = tuple(change(beats) if k == index else beats for k, beats in enumerate(recording.reads))
    return replace(recording, reads=reads)


def test_equal_recording_passes_and_says_what_was_compared() -> None:
    verification = verified(perfect())
    beats = sum(3 * NETWORK.stream(fifo).beats for fifo in NETWORK.fifos)
    ends = 3 * (12 + 4)
    assert verification.passed
    assert verification.to_json() == {
        "level": "rtl",
        "simulator": "none",
        "oracle": "reference",
        "frames": 3,
        "streams": 6,
        "beats_compared": beats,
        "cycles_compared": 2 * beats + ends,
        "value_mismatches": 0,
        "cycle_mismatches": 0,
        "cycles": 99,
        "stood": "",
        "passed": True,
        "first": [],
    }
    assert str(verification) == (
        f"rtl in none: equal; 3 frames in 99 cycles, {beats} beats of 6 streams and {2 * beats + ends} cycle numbers "
        "compared, 0 value mismatches, 0 cycle mismatches"
    )


def test_wrong_value_is_one_record() -> None:
    def change(beats: Beats) -> Beats:
        words = beats.words.copy()
        words[5] ^= 0b11
        return replace(beats, words=words)

    verification = verified(with_reads(perfect(), SCORES, change))
    cycle = int(EXPECTATION.reads["fc1 -> scores"][5])
    score = int(EXPECTATION.values["fc1 -> scores"][1, 1])
    assert (verification.value_mismatches, verification.cycle_mismatches) == (1, 0)
    assert not verification.passed
    assert [str(mismatch) for mismatch in verification.first] == [
        f"Beat 1 of frame 1 read at 'fc1 -> scores' in cycle {cycle} must have value [{score}], "
        f"not [{((score ^ 3) + 8) % 16 - 8}]"
    ]


def test_bit_above_the_width_is_a_wrong_value() -> None:
    def change(beats: Beats) -> Beats:
        words = beats.words.copy()
        words[5] |= 0b10000
        return replace(beats, words=words)

    assert verified(with_reads(perfect(), SCORES, change)).value_mismatches == 1


def test_wrong_cycle_is_one_record() -> None:
    def change(beats: Beats) -> Beats:
        cycles = beats.cycles.copy()
        cycles[5] += 1
        return replace(beats, cycles=cycles)

    verification = verified(with_reads(perfect(), SCORES, change))
    cycle = int(EXPECTATION.reads["fc1 -> scores"][5])
    assert (verification.value_mismatches, verification.cycle_mismatches) == (0, 1)
    assert not verification.passed
    assert [str(mismatch) for mismatch in verification.first] == [
        f"Beat 1 of frame 1 read at 'fc1 -> scores' in cycle {cycle + 1} must pass in cycle {cycle}"
    ]


def test_missing_beat_counts_in_both() -> None:
    verification = verified(
        with_reads(perfect(), SCORES, lambda beats: Beats(beats.cycles[:-1], beats.words[:-1])),
    )
    cycle = int(EXPECTATION.reads["fc1 -> scores"][-1])
    assert (verification.value_mismatches, verification.cycle_mismatches) == (1, 1)
    assert [str(mismatch) for mismatch in verification.first] == [
        f"Beat 3 of frame 2 read at 'fc1 -> scores' in cycle {cycle} must be there, but is missing"
    ]


def test_beat_too_many_counts_in_both() -> None:
    def change(beats: Beats) -> Beats:
        return Beats(np.append(beats.cycles, 98), np.append(beats.words, beats.words[:1], axis=0))

    verification = verified(with_reads(perfect(), SCORES, change))
    assert (verification.value_mismatches, verification.cycle_mismatches) == (1, 1)
    assert [str(mismatch) for mismatch in verification.first] == [
        "Beat 0 of frame 3 read at 'fc1 -> scores' in cycle 98 must not be there"
    ]


def test_wrong_last_and_frame_error_are_value_mismatches() -> None:
    recording = perfect()
    last = recording.lasts[0].copy()
    last[3] = False
    verification = verified(replace(recording, lasts=(last,), frame_errors=np.array([7, 8])))
    cycle = int(EXPECTATION.reads["fc1 -> scores"][3])
    assert (verification.value_mismatches, verification.cycle_mismatches) == (2, 0)
    assert [str(mismatch) for mismatch in verification.first] == [
        f"Beat 3 of frame 0 taken at 'scores' in cycle {cycle} must have last True, not False"
    ]


def test_wrong_cycle_at_the_ends_is_found() -> None:
    recording = perfect()
    accepted, taken = recording.accepted[0] + 1, replace(recording.taken[0], cycles=recording.taken[0].cycles + 1)
    verification = verified(replace(recording, accepted=(accepted,), taken=(taken,)))
    assert (verification.value_mismatches, verification.cycle_mismatches) == (0, len(accepted) + len(taken.cycles))


def test_the_earliest_mismatches_come_first_and_ten_at_most() -> None:
    recording = perfect()
    writes = tuple(replace(beats, cycles=beats.cycles + 100) for beats in recording.writes)
    first = verified(replace(recording, writes=writes)).first
    assert len(first) == 10
    assert [mismatch.cycle for mismatch in first] == sorted(mismatch.cycle for mismatch in first)
    assert first[0].stream == "input -> binarize"


def test_run_that_stood_still_has_not_passed() -> None:
    verification = verified(replace(perfect(), stood="No beat moved."))
    assert not verification.passed
    assert str(verification).splitlines()[1] == "No beat moved."


def test_run_that_compared_nothing_has_not_passed() -> None:
    none = np.empty(0, np.int64)
    no_beats = tuple(Beats(none, np.empty((0, 1), np.uint8)) for _ in NETWORK.fifos)
    recording = Recording(no_beats, no_beats, (none,), no_beats[:1], (np.empty(0, bool),), none, 0, "")
    values = {fifo.name: np.empty((0, *NETWORK.stream(fifo).shape), np.int64) for fifo in NETWORK.fifos}
    nothing = Expectation(values, dict.fromkeys(values, none), dict.fromkeys(values, none))
    assert compare(NETWORK, nothing, recording).beats == 0
    verification = verify_recording(NETWORK, nothing, recording, simulator="none", oracle="reference", frames=0)
    assert (verification.value_mismatches, verification.cycle_mismatches) == (0, 0)
    assert not verification.passed
    assert "nothing compared" in str(verification)


def test_no_frames_are_refused() -> None:
    with pytest.raises(InputError, match=r"^Frames of network 'dense-12-6-4' must be at least one, not 0$"):
        verify_rtl(NETWORK, FRAMES[:0], simulator="amaranth")


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match=r"^Simulator must be one of amaranth, icarus, verilator, not 'vcs'$"):
        verify_rtl(NETWORK, FRAMES, simulator="vcs")
    with pytest.raises(InputError, match=r"^Oracle must be one of reference, packed, not 'guess'$"):
        verify_rtl(NETWORK, FRAMES, simulator="amaranth", oracle="guess")
    with pytest.raises(InputError, match=r"^Input with a stall gate must be one of input, not 'left'$"):
        verify_rtl(NETWORK, FRAMES, simulator="amaranth", stalls=hwsim.Stalls({"left": np.ones(1, bool)}))


def test_packed_oracle_and_progress_are_told() -> None:
    reports: list[str] = []
    verification = verify_rtl(NETWORK, FRAMES, simulator="amaranth", oracle="packed", progress=reports.append)
    assert verification.passed
    assert verification.oracle == "packed"
    assert reports == [
        "Expected values of 3 frames from the packed oracle, cycles from the cycle simulator",
        "Running in Amaranth's simulator",
    ]


def test_the_share_of_the_simulation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim_tests.bench._WATCHED", 1)
    shares: list[float] = []
    stalls = [hwsim.Stalls(), hwsim.random_stalls(NETWORK, 1)]
    verify_rtl_runs(NETWORK, FRAMES, stalls, simulator="amaranth", advance=shares.append)
    assert shares == sorted(shares)
    assert (0 < shares[0] < 0.01, shares[-1]) == (True, 1)


@pytest.mark.sim
def test_the_share_of_a_simulation_in_another_process_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim_tests.simulators._WATCHED", 0.002)
    shares: list[float] = []
    frames = np.repeat(FRAMES, 20, axis=0)
    simulator = "verilator" if available()["icarus"] else "icarus"
    assert verify_rtl(NETWORK, frames, simulator=simulator, build_dir=tmp_path, advance=shares.append).passed
    assert shares == sorted(shares)
    assert 0 < shares[0] <= shares[-1] <= 1
    assert shares[-1] > 0.5


@pytest.mark.long
def test_long_runs_use_the_packed_oracle_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim_tests.verification.REFERENCE_LIMIT", 3 * (12 * 6 + 6 * 4))
    assert verify_rtl(NETWORK, FRAMES, simulator="amaranth").oracle == "reference"
    monkeypatch.setattr("sim_tests.verification.REFERENCE_LIMIT", 3 * (12 * 6 + 6 * 4) - 1)
    assert verify_rtl(NETWORK, FRAMES, simulator="amaranth").oracle == "packed"
    assert verify_rtl(NETWORK, FRAMES, simulator="amaranth", oracle="reference").oracle == "reference"


@pytest.mark.parametrize(("width", "signed", "lanes"), [(1, False, 3), (5, True, 4), (12, False, 2), (9, True, 30)])
def test_word_rows_are_the_words_on_the_wires(width: int, signed: bool, lanes: int) -> None:
    stream = Stream(Integer(width, signed), (lanes * 2,), lanes)
    element = stream.element
    values = np.random.default_rng(width).integers(element.minimum, element.maximum + 1, (7, lanes * 2))
    words = [int.from_bytes(row.tobytes(), "little") for row in word_rows(values, stream)]
    assert words == words_of(beats_of(values, stream), stream)


def test_patience_covers_gates_and_the_longest_silence_of_a_node() -> None:
    network = dense_network((100, 2, 2))
    closed = np.zeros(50, bool)
    closed[7] = True
    setup = setup_of(network, random_frames(network, 1), hwsim.Stalls({"input": closed}))
    assert setup.patience > 49 + 99  # the gate's closure, and the second neuron's 99 steps between two beats
    assert setup.inputs[0].frame_beats == 100
    assert [fifo.beats for fifo in setup.fifos] == [100, 100, 2, 2, 1]
