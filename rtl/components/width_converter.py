"""WidthConverter: from one number of lanes to another."""

from typing import ClassVar

import numpy as np
from amaranth import Cat, Module, Signal, Value

import dataflow
from rtl.components._component import NodeComponent
from rtl.components._steps import advanced, foreseen, issue_steps, lookup

__all__ = ["WidthConverter"]


class WidthConverter(NodeComponent):
    """Beats of `lanes_in` numbers repacked into beats of `lanes_out`; the order stays.

    Throughput one step per cycle, ``max(beats in, beats out)`` steps per frame; latency 1 cycle.

    Parameters
    ----------
    node : dataflow.WidthConverter

    Members
    -------
    i : ``In(stream.Signature(payload))``
        Beats of `lanes_in` numbers.
    o : ``Out(Reserved(payload))``
        Beats of `lanes_out` numbers.
    """

    kind: ClassVar = dataflow.WidthConverter

    def elaborate(self, platform) -> Module:
        m = Module()
        schedule, held = self.node.schedule(), self.node.held_before
        issue, step = Signal(), Signal(range(schedule.period))
        consumes = foreseen(m, issue, step, schedule.consumes[0], name="consumes")
        emits = foreseen(m, issue, step, schedule.emits[0], name="emits")
        issue_steps(m, self, issue, consumes=consumes, emits=emits)
        with m.If(issue):
            m.d.sync += step.eq(advanced(step, schedule.period))
        if self.node.lanes_in > self.node.lanes_out:
            self._shift_out(m, issue, step, held)
        else:
            self._shift_in(m, issue, step, held)
        return m

    def _shift_in(self, m: Module, issue: Signal, step: Signal, held: np.ndarray) -> None:
        """Every step consumes: beats enter at the top, and the beat out is cut out where it lies.

        After a step that emits, the numbers left over are those `held` before the next one; the beat out lies right
        below them.
        """
        width = self.node.element.width
        arriving = Value.cast(self.i.payload)
        out_width = self.node.lanes_out * width
        left_over = sorted(set(held[held < self.node.lanes_in].tolist()))
        numbers = Signal(out_width + left_over[-1] * width, reset_less=True)
        with m.If(issue):
            m.d.sync += numbers.eq(Cat(numbers, arriving)[len(arriving) :])
        m.d.comb += self.o.payload.eq(numbers[len(numbers) - out_width :])
        for count in left_over:
            if count:
                end = len(numbers) - count * width
                with m.If(lookup(step, held == count)):
                    m.d.comb += self.o.payload.eq(numbers[end - out_width : end])

    def _shift_out(self, m: Module, issue: Signal, step: Signal, held: np.ndarray) -> None:
        """Every step emits: the beat out lies at the bottom, a beat that enters goes above what is held."""
        width = self.node.element.width
        arriving = Value.cast(self.i.payload)
        out_width = self.node.lanes_out * width
        waiting = sorted(set(held[held < self.node.lanes_out].tolist()))
        numbers = Signal(waiting[-1] * width + len(arriving), reset_less=True)
        rest = Signal(len(numbers))
        m.d.comb += rest.eq(numbers >> out_width)
        m.d.comb += self.o.payload.eq(numbers[:out_width])
        with m.If(issue):
            m.d.sync += numbers.eq(rest)
            for count in waiting:
                with m.If(lookup(step, held == count)):
                    m.d.sync += numbers.eq(Cat(rest[: count * width], arriving))
