"""SpatialArgMax: from scores at every position to the position of each channel's highest score."""

from typing import ClassVar

import numpy as np
from amaranth import Const, Module, Mux, Signal, Value

import dataflow
from rtl.components._component import NodeComponent
from rtl.steps import advanced, foreseen, issue_steps
from rtl.streams import payload_of

__all__ = ["SpatialArgMax"]


class SpatialArgMax(NodeComponent[dataflow.SpatialArgMax]):
    """The position of each channel's highest score, the first at a tie.

    Inert lanes have scores of 0, of which the first is the best, so they give 0 without further logic.

    Throughput one beat per cycle, latency 1 cycle. The best score so far of each channel and its position go round in a
    ring of registers, one word for each beat of a position.

    Parameters
    ----------
    node : dataflow.SpatialArgMax

    Members
    -------
    i : ``In(stream.Signature(payload))``
        Beats of `pe` scores.
    o : ``Out(Reserved(payload))``
        Beats of `pe` positions, after the last position of a frame.
    """

    kind: ClassVar = dataflow.SpatialArgMax

    def elaborate(self, platform: object) -> Module:
        m = Module()
        node = self.node
        (read,), (written,) = node.input_streams, node.output_streams
        beats, positions = read.vector_beats, node.positions
        issue, moves = Signal(), Signal()
        beat, position = Signal(range(beats)), Signal(range(positions))
        numbers = np.arange(positions)
        first = foreseen(m, moves, position, numbers == 0, name="first")
        last = foreseen(m, moves, position, numbers == positions - 1, name="last")
        m.d.comb += moves.eq(issue & foreseen(m, issue, beat, np.arange(beats) == beats - 1, name="ends_position"))
        issue_steps(m, self, issue, consumes=Const(1), emits=last)
        with m.If(issue):
            m.d.sync += beat.eq(advanced(beat, beats))
        with m.If(moves):
            m.d.sync += position.eq(advanced(position, positions))

        scores = [Signal(payload_of(read), name=f"scores_{index}", reset_less=True) for index in range(beats)]
        places = [Signal(payload_of(written), name=f"places_{index}", reset_less=True) for index in range(beats)]
        with m.If(issue):
            for ring in (scores, places):
                m.d.sync += [word.eq(before) for word, before in zip(ring[1:], ring[:-1], strict=True)]
            for lane in range(node.pe):
                score, best = self.i.payload[lane], scores[-1][lane]
                better = Signal(name=f"better_{lane}")
                m.d.comb += better.eq(first | self.is_better(score, best))
                m.d.sync += [
                    scores[0][lane].eq(Mux(better, score, best)),
                    places[0][lane].eq(Mux(better, position, places[-1][lane])),
                ]
        m.d.comb += self.o.payload.eq(places[0])
        return m

    def is_better(self, score: Value, best: Value) -> Value:
        """Return whether a score replaces the best one so far: strictly greater, so that the first wins a tie."""
        return score > best
