"""The testbench without a simulator: it decides what to drive in each cycle, and records the run.

cocotb (Verilator, Icarus) and the Amaranth simulator run the same `Bench`, so that stalls, limits and recording are
written only once. In each cycle the simulator's side passes one vector of events and a function that reads words, and
the bench returns the inputs that change for the next cycle.

The contract at the ends: an input that is not offering a beat starts to offer one in cycle t if its gate is open in t
and beats are left, and keeps offering it until it is accepted. An output is ready in cycle t if and only if its gate is
open in t. Cycle 0 is the first rising edge after reset.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sim_tests.recording import Beats, InputSetup, Recording, Setup

__all__ = ["Bench", "Drive"]

#: Cycles between two calls of a bench's `watch`.
_WATCHED = 500

#: Reads a word for `Bench.step`, given its side ("write", "read", "output") and the number of the FIFO or output.
WordReader = Callable[[str, int], int]


@dataclass(frozen=True)
class Drive:
    """Inputs of the design that change for the next cycle; None for no change.

    Parameters
    ----------
    valid : bit i offers a beat at input i
    last : bit i marks the beat offered at input i as the last of its frame
    ready : bit i makes output i take a beat
    words : the new words at inputs
    """

    valid: int | None
    last: int | None
    ready: int | None
    words: dict[int, int]


class _PassedBeats:
    """Collects the beats that are transferred at one place."""

    def __init__(self, width: int) -> None:
        self.size = -(-width // 8)
        self.cycles: list[int] = []
        self.words: list[bytes] = []

    def add(self, cycle: int, word: int) -> None:
        self.cycles.append(cycle)
        self.words.append(word.to_bytes(self.size, "little"))

    def beats(self) -> Beats:
        words = np.frombuffer(b"".join(self.words), np.uint8).reshape(-1, self.size)
        return Beats(np.array(self.cycles, np.int64), words)


class _Feeder:
    """Offers the beats of an input."""

    def __init__(self, setup: InputSetup) -> None:
        self.words = [int.from_bytes(row.tobytes(), "little") for row in setup.words]
        self.gate = setup.gate.tolist()
        self.frame_beats = setup.frame_beats
        self.next = 0
        self.offering = False

    def advance(self, cycle: int, accepted: bool) -> int | None:
        """Advance the source in `cycle`; return the word if a new one is offered."""
        if accepted:
            self.offering = False
            self.next += 1
        if self.offering or self.next >= len(self.words) or not self.gate[cycle % len(self.gate)]:
            return None
        self.offering = True
        return self.words[self.next]

    @property
    def last(self) -> bool:
        return (self.next + 1) % self.frame_beats == 0


@dataclass
class Bench:
    """A run of the testbench.

    The events of a cycle are one vector, from bit 0: a write into each FIFO, a read from each FIFO, a beat accepted
    at each input, a beat taken at each output, `last` at each output, the frame error.

    Parameters
    ----------
    watch : called with the number of the cycle from time to time
    """

    setup: Setup
    watch: Callable[[int], None] = lambda cycle: None
    cycle: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        setup = self.setup
        self._sources = [_Feeder(each) for each in setup.inputs]
        self._gates = [each.gate.tolist() for each in setup.outputs]
        self._writes = [_PassedBeats(each.width) for each in setup.fifos]
        self._reads = [_PassedBeats(each.width) for each in setup.fifos]
        self._outputs = [_PassedBeats(each.width) for each in setup.outputs]
        self._accepted: list[list[int]] = [[] for _ in setup.inputs]
        self._lasts: list[list[bool]] = [[] for _ in setup.outputs]
        self._errors: list[int] = []
        self._valid = self._last = self._ready = 0
        self._progress = -1  # the last cycle in which a beat moved
        self._finished: int | None = None  # the cycle of the last expected beat
        self._stood = ""

    @staticmethod
    def event_width(fifos: int, inputs: int, outputs: int) -> int:
        """Return the width of the vector of events."""
        return 2 * fifos + inputs + 2 * outputs + 1

    def start(self) -> Drive:
        """Return the inputs of cycle 0."""
        return self._drive(0, 0)

    def step(self, events: int, word_of: WordReader) -> Drive | None:
        """Record a cycle and return the inputs that change for the next one, or None at the end of the run.

        Parameters
        ----------
        events : the vector of events of this cycle
        word_of : reads a word that is transferred in this cycle
        """
        fifos, inputs, outputs = len(self._writes), len(self._sources), len(self._outputs)
        ends = events >> 2 * fifos
        accepted = ends & ((1 << inputs) - 1)
        if events:
            self._record(events, fifos, word_of)
            for index in _bits(accepted):
                self._accepted[index].append(self.cycle)
            ends >>= inputs
            for index in _bits(ends & ((1 << outputs) - 1)):
                self._outputs[index].add(self.cycle, word_of("output", index))
                self._lasts[index].append(bool(ends >> (outputs + index) & 1))
            if ends >> 2 * outputs:
                self._errors.append(self.cycle)
        self.cycle += 1
        if self.cycle % _WATCHED == 0:
            self.watch(self.cycle)
        return None if self._over() else self._drive(self.cycle, accepted)

    def _record(self, events: int, fifos: int, word_of: WordReader) -> None:
        mask = (1 << fifos) - 1
        for index in _bits(events & mask):
            self._writes[index].add(self.cycle, word_of("write", index))
        for index in _bits(events >> fifos & mask):
            self._reads[index].add(self.cycle, word_of("read", index))
        if events & ((1 << 2 * fifos) - 1):
            self._progress = self.cycle

    def _drive(self, cycle: int, accepted: int) -> Drive:
        words, valid, last, ready = {}, 0, 0, 0
        for index, source in enumerate(self._sources):
            word = source.advance(cycle, bool(accepted >> index & 1))
            if word is not None:
                words[index] = word
            valid |= source.offering << index
            last |= (source.offering and source.last) << index
        for index, gate in enumerate(self._gates):
            ready |= bool(gate[cycle % len(gate)]) << index
        drive = Drive(
            None if valid == self._valid else valid,
            None if last == self._last else last,
            None if ready == self._ready else ready,
            words,
        )
        self._valid, self._last, self._ready = valid, last, ready
        return drive

    def _over(self) -> bool:
        """Return whether the run is over, and record the reason if it did not finish."""
        if self._finished is not None:
            return self.cycle >= self._finished + self.setup.margin
        sent = [len(cycles) >= len(s.words) for cycles, s in zip(self._accepted, self._sources, strict=True)]
        taken = [len(p.cycles) >= o.beats for p, o in zip(self._outputs, self.setup.outputs, strict=True)]
        # Beats on which no output depends, such as rows below the last window, may still be moving.
        silent = self.cycle - self._progress > self.setup.margin
        if all(sent) and all(taken) and (silent or self._all_passed()):
            self._finished = self.cycle
        elif self.cycle - self._progress > self.setup.patience:
            self._stood = f"No beat moved from cycle {self._progress + 1} to {self.cycle - 1}: {self._where()}"
        else:
            for place, fifo in zip(self._writes, self.setup.fifos, strict=True):
                if len(place.cycles) > fifo.beats + self.setup.margin:
                    self._stood = (
                        f"FIFO {fifo.name!r} was written without end until cycle {self.cycle - 1}: {self._where()}"
                    )
        return bool(self._stood)

    def _all_passed(self) -> bool:
        """Return whether all expected beats have passed every FIFO."""
        return all(
            len(place.cycles) >= fifo.beats
            for places in (self._writes, self._reads)
            for place, fifo in zip(places, self.setup.fifos, strict=True)
        )

    def _where(self) -> str:
        """Return the progress of each part of the design."""
        setup = self.setup
        sent = [
            f"{len(cycles)} of {len(source.words)}"
            for cycles, source in zip(self._accepted, self._sources, strict=True)
        ]
        taken = [f"{len(p.cycles)} of {o.beats}" for p, o in zip(self._outputs, setup.outputs, strict=True)]
        places = zip(setup.fifos, self._writes, self._reads, strict=True)
        held = [f"{len(w.cycles) - len(r.cycles)} in {fifo.name!r}" for fifo, w, r in places]
        return (
            f"beats accepted at the inputs {', '.join(sent)}; beats taken at the outputs {', '.join(taken)}; "
            f"beats held {', '.join(held)}"
        )

    def recording(self) -> Recording:
        """Return the recording so far."""
        return Recording(
            tuple(place.beats() for place in self._writes),
            tuple(place.beats() for place in self._reads),
            tuple(np.array(cycles, np.int64) for cycles in self._accepted),
            tuple(place.beats() for place in self._outputs),
            tuple(np.array(lasts, bool) for lasts in self._lasts),
            np.array(self._errors, np.int64),
            self.cycle,
            self._stood,
        )


def _bits(vector: int) -> list[int]:
    """Return the numbers of the bits that are set."""
    found = []
    while vector:
        low = vector & -vector
        found.append(low.bit_length() - 1)
        vector ^= low
    return found
