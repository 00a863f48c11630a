"""ArgMax: from scores to the class with the highest score."""

from typing import ClassVar

import numpy as np
from amaranth import Array, Const, Module, Mux, Signal, Value, signed

import dataflow
from rtl.components._component import NodeComponent
from rtl.steps import advanced, delayed, foreseen, issue_steps

__all__ = ["ArgMax"]


class ArgMax(NodeComponent[dataflow.ArgMax]):
    """The class with the highest key, at every position: ``o = argmax(scale*i + offset)``, the lowest at a tie.

    Throughput one beat per cycle, ``classes/pe`` steps per position, rounded up; latency ``2 + ceil(log2(pe))`` cycles:
    keys, a registered tree over the lanes, the best so far.

    Parameters
    ----------
    node : dataflow.ArgMax

    Members
    -------
    i : ``In(stream.Signature(payload))``
        Beats of `pe` scores.
    o : ``Out(Reserved(payload))``
        One beat per position: the class.
    """

    kind: ClassVar = dataflow.ArgMax

    def elaborate(self, platform: object) -> Module:
        m = Module()
        node = self.node
        steps = node.input_streams[0].vector_beats
        issue, step = Signal(), Signal(range(steps))
        last = foreseen(m, issue, step, np.arange(steps) == steps - 1, name="last")
        emitting = issue_steps(m, self, issue, consumes=Const(1), emits=last)
        with m.If(issue):
            m.d.sync += step.eq(advanced(step, steps))
        valid = delayed(m, issue, node.latency - 1, name="valid")

        key, lane = self._highest(m, self.lane_keys(m, issue, step, last))
        best_key = Signal.like(key, name="best_key", reset_less=True)
        best = Signal(range(node.classes), reset_less=True)
        first, base = Signal(init=1), Signal(range(node.classes))
        with m.If(valid[-1]):
            m.d.sync += first.eq(emitting[-2])
            m.d.sync += base.eq(Mux(emitting[-2], 0, base + node.pe))
            # Strictly greater, so that the lowest index wins a tie.
            with m.If(first | (key > best_key)):
                m.d.sync += [best_key.eq(key), best.eq(base + lane)]
        m.d.comb += self.o.payload[0].eq(best)
        return m

    def lane_keys(self, m: Module, issue: Signal, step: Signal, last: Value) -> list[Signal]:
        """Return the registered keys of a beat, one per lane; those of inert lanes are the lowest possible key.

        Parameters
        ----------
        last : value of one bit
            The beat is the last one of its position.
        """
        node = self.node
        steps, inert = node.input_streams[0].vector_beats, node.input_streams[0].inert
        keys = []
        for k in range(node.pe):
            scale = _by_step(m, issue, step, node.scale[k :: node.pe].tolist(), steps=steps, name=f"scale_{k}")
            offset = _by_step(m, issue, step, node.offset[k :: node.pe].tolist(), steps=steps, name=f"offset_{k}")
            key = Signal(signed(node.key_element.width), name=f"key_{k}", reset_less=True)
            m.d.sync += key.eq(self.i.payload[k] * scale + offset)
            if k >= node.pe - inert:
                with m.If(last):
                    m.d.sync += key.eq(node.key_element.minimum)
            keys.append(key)
        return keys

    def _highest(self, m: Module, keys: list[Signal]) -> tuple[Signal, Signal]:
        """Return the highest key and its lane, through a tree with a register at every level."""
        ranked = [(key, Const(lane, range(len(keys)))) for lane, key in enumerate(keys)]
        for level in range((len(keys) - 1).bit_length()):
            winners = []
            for index in range(0, len(ranked), 2):
                key = Signal.like(keys[0], name=f"key_{level}_{index // 2}", reset_less=True)
                lane = Signal(range(len(keys)), name=f"lane_{level}_{index // 2}", reset_less=True)
                (left, left_lane), (right, right_lane) = ranked[index], ranked[min(index + 1, len(ranked) - 1)]
                keep = Signal(name=f"keep_{level}_{index // 2}")
                m.d.comb += keep.eq(left >= right)  # at a tie the left key wins, which has the lower index
                m.d.sync += [key.eq(Mux(keep, left, right)), lane.eq(Mux(keep, left_lane, right_lane))]
                winners.append((key, lane))
            ranked = winners
        return ranked[0]


def _by_step(m: Module, issue: Signal, step: Signal, values: list[int], *, steps: int, name: str) -> Value:
    """Return a lane's factor for the current step, which is read one step ahead."""
    if len(set(values)) == 1:
        return Const(values[0])
    # An inert lane of the last beat needs no factor, and keeps the previous one.
    values += values[-1:] * (steps - len(values))
    low, high = min(values), max(values)
    element = dataflow.signed_for(low, high)
    value = Signal(signed(element.width), name=name, init=values[0])
    following = Array(values[1:] + values[:1])
    with m.If(issue):
        m.d.sync += value.eq(following[step])
    return value
