"""Comparing recorded beats with expected ones, with zero tolerance."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from dataflow import Fifo, Network, Stream, Terminal, beats_of, values_of_words
from sim_tests.recording import Beats, Recording

__all__ = ["Comparison", "Expectation", "Mismatch", "compare", "word_rows"]

#: Number of mismatches that are kept as records, the earliest ones of the run.
KEPT = 10


def word_rows(values: np.ndarray, stream: Stream) -> np.ndarray:
    """Return frames as the words on the wires, (beats, bytes) uint8, little-endian.

    Parameters
    ----------
    values : (frames, *shape) integers within the element's range
    """
    beats = beats_of(values, stream)
    bits = (beats[:, :, None] >> np.arange(stream.element.width) & 1).astype(np.uint8)
    return np.packbits(bits.reshape(len(beats), stream.width), axis=1, bitorder="little")


@dataclass(frozen=True)
class Expectation:
    """The expected results of a run.

    Parameters
    ----------
    values : (frames, *shape) int64, by FIFO name
    writes, reads : (beats,) int64, the cycle of every beat, by FIFO name
    """

    values: Mapping[str, np.ndarray]
    writes: Mapping[str, np.ndarray]
    reads: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Mismatch:
    """A beat that differs from the expected one.

    Parameters
    ----------
    stream : name of the FIFO, or of the network's input or output
    side : where the beat was observed: "written", "read", "accepted" or "taken"
    frame, beat : number of the frame, and of the beat within it, from 0
    what : "value", "cycle", "last", or "beat" for a missing or an additional beat
    cycle : the cycle in which the beat was observed; for a missing beat, in which it was expected
    expected, got : the two values, or cycles, or None for no beat
    """

    stream: str
    side: str
    frame: int
    beat: int
    what: str
    cycle: int
    expected: object
    got: object

    def __str__(self) -> str:
        where = f"Beat {self.beat} of frame {self.frame} {self.side} at {self.stream!r} in cycle {self.cycle}"
        if self.got is None:
            return f"{where} must be there, but is missing"
        if self.expected is None:
            return f"{where} must not be there"
        if self.what == "cycle":
            return f"{where} must pass in cycle {self.expected}"
        return f"{where} must have {self.what} {self.expected}, not {self.got}"


@dataclass(frozen=True)
class Comparison:
    """The result of `compare`.

    Parameters
    ----------
    beats : beats of the streams whose values were compared, once at the write and once at the read
    cycles : cycle numbers compared: of every beat at the write and at the read, and at the two ends
    value_mismatches, cycle_mismatches : transfers with another value, or in another cycle; a missing or additional beat
        counts in both
    first : the earliest mismatches
    """

    beats: int
    cycles: int
    value_mismatches: int
    cycle_mismatches: int
    first: tuple[Mismatch, ...]


@dataclass(frozen=True)
class _ComparedPlace:
    """A place at which beats are compared: a side of a FIFO or an end of the network."""

    name: str
    side: str
    stream: Stream
    expected_cycles: np.ndarray
    got_cycles: np.ndarray
    expected_words: np.ndarray | None = None
    got_words: np.ndarray | None = None

    @property
    def beats(self) -> int:
        """Number of beats that both have."""
        return min(len(self.expected_cycles), len(self.got_cycles))

    @property
    def unmatched(self) -> int:
        """Number of beats that only one of them has."""
        return abs(len(self.expected_cycles) - len(self.got_cycles))

    def wrong_values(self) -> np.ndarray:
        """Return the numbers of the beats with another value."""
        if self.expected_words is None or self.got_words is None:
            return np.empty(0, np.int64)
        common = min(self.expected_words.shape[1], self.got_words.shape[1])
        expected, got = self.expected_words[: self.beats], self.got_words[: self.beats]
        wrong = (expected[:, :common] != got[:, :common]).any(axis=1)
        wrong |= expected[:, common:].any(axis=1) | got[:, common:].any(axis=1)  # padding bits are zero
        return np.flatnonzero(wrong)

    def wrong_cycles(self) -> np.ndarray:
        """Return the numbers of the beats in another cycle."""
        return np.flatnonzero(self.expected_cycles[: self.beats] != self.got_cycles[: self.beats])

    def records(self) -> Iterator[Mismatch]:
        """Yield the first mismatches of this place."""
        for beat in self.wrong_values()[:KEPT].tolist():
            assert self.expected_words is not None
            assert self.got_words is not None
            values = [_values(words[beat], self.stream) for words in (self.expected_words, self.got_words)]
            yield self.record(beat, "value", int(self.got_cycles[beat]), *values)
        for beat in self.wrong_cycles()[:KEPT].tolist():
            cycles = int(self.expected_cycles[beat]), int(self.got_cycles[beat])
            yield self.record(beat, "cycle", cycles[1], *cycles)
        for beat in range(self.beats, min(len(self.expected_cycles), self.beats + KEPT)):
            cycle = int(self.expected_cycles[beat])
            yield self.record(beat, "beat", cycle, cycle, None)
        for beat in range(self.beats, min(len(self.got_cycles), self.beats + KEPT)):
            cycle = int(self.got_cycles[beat])
            yield self.record(beat, "beat", cycle, None, cycle)

    def record(self, beat: int, what: str, cycle: int, expected: object, got: object) -> Mismatch:
        """Return the record of a mismatch of beat number `beat`."""
        frame, within = divmod(beat, self.stream.beats)
        return Mismatch(self.name, self.side, frame, within, what, cycle, expected, got)


def compare(network: Network, expectation: Expectation, recording: Recording) -> Comparison:
    """Compare every beat's value and cycle in every stream, both at the write and at the read."""
    places: list[_ComparedPlace] = []
    beats = 0
    for index, fifo in enumerate(network.fifos):
        written, read = _fifo_places(network.stream(fifo), fifo, expectation, recording, index)
        places += [written, read]
        beats += min(written.beats, read.beats)
    for terminal, accepted in zip(network.inputs, recording.accepted, strict=True):
        cycles = expectation.writes[network.fifos_out_of(terminal.name)[0].name]
        places.append(_ComparedPlace(terminal.name, "accepted", terminal.stream, cycles, accepted))
    lasts: list[Mismatch] = []
    for terminal, taken, last in zip(network.outputs, recording.taken, recording.lasts, strict=True):
        fifo = network.fifos_into(terminal.name)[0]
        words = word_rows(expectation.values[fifo.name], terminal.stream)
        cycles = expectation.reads[fifo.name]
        place = _ComparedPlace(terminal.name, "taken", terminal.stream, cycles, taken.cycles, words, taken.words)
        places.append(place)
        lasts += _wrong_lasts(place, terminal, last)
    unmatched = sum(place.unmatched for place in places)
    records = [record for place in places for record in place.records()] + lasts
    return Comparison(
        beats,
        sum(place.beats for place in places),
        sum(len(place.wrong_values()) for place in places) + unmatched + len(lasts),
        sum(len(place.wrong_cycles()) for place in places) + unmatched,
        tuple(sorted(records, key=lambda record: record.cycle)[:KEPT]),
    )


def _fifo_places(
    stream: Stream, fifo: Fifo, expectation: Expectation, recording: Recording, index: int
) -> tuple[_ComparedPlace, _ComparedPlace]:
    words = word_rows(expectation.values[fifo.name], stream)

    def place(side: str, cycles: np.ndarray, beats: Beats) -> _ComparedPlace:
        return _ComparedPlace(fifo.name, side, stream, cycles, beats.cycles, words, beats.words)

    written = place("written", expectation.writes[fifo.name], recording.writes[index])
    return written, place("read", expectation.reads[fifo.name], recording.reads[index])


def _wrong_lasts(place: _ComparedPlace, terminal: Terminal, last: np.ndarray) -> list[Mismatch]:
    """Return a record for every beat with a wrong `last`, which marks the final beat of a frame."""
    expected = (np.arange(len(last)) + 1) % terminal.stream.beats == 0
    return [
        place.record(beat, "last", int(place.got_cycles[beat]), bool(expected[beat]), bool(last[beat]))
        for beat in np.flatnonzero(expected != last).tolist()
    ]


def _values(row: np.ndarray, stream: Stream) -> list[int]:
    """Return the numbers in a word."""
    word = int.from_bytes(row.tobytes(), "little") & ((1 << stream.width) - 1)
    numbers: list[int] = values_of_words([word], stream)[0].tolist()
    return numbers
