"""WidthConverter: from one number of lanes to another, in the same order."""

from typing import ClassVar

from amaranth import Cat, Module, Signal, Value

import dataflow
from rtl.components._component import NodeComponent
from rtl.steps import advanced, foreseen, issue_steps, lookup

__all__ = ["WidthConverter"]


class WidthConverter(NodeComponent[dataflow.WidthConverter]):
    """Beats of `lanes_in` numbers repacked into beats of `lanes_out`, in the same order.

    Throughput one step per cycle, ``max(beats in, beats out)`` steps per frame, and up to one more for each vector with
    inert lanes; latency 1 cycle.

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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        schedule = self.node.schedule()
        issue, step = Signal(), Signal(range(schedule.period))
        consumes = foreseen(m, issue, step, schedule.consumes[0], name="consumes")
        emits = foreseen(m, issue, step, schedule.emits[0], name="emits")
        issue_steps(m, self, issue, consumes=consumes, emits=emits)
        with m.If(issue):
            m.d.sync += step.eq(advanced(step, schedule.period))
        if self.node.shifts_in:
            self._shift_in(m, issue if schedule.consumes.all() else issue & consumes, step)
        else:
            self._shift_out(m, issue, step)
        return m

    def _shift_in(self, m: Module, taken: Value, step: Signal) -> None:
        """Write beats at the top of the register, and select the output beat from its place.

        The inert lanes of a vector's last beat are above its last numbers, so the register is 0 there.

        Parameters
        ----------
        taken : value of one bit
            A step that takes a beat is issued.
        """
        width = self.node.element.width
        arriving = Value.cast(self.i.payload)
        numbers = Signal(self.node.depth * width, reset_less=True)
        with m.If(taken):
            m.d.sync += numbers.eq(Cat(numbers, arriving)[len(arriving) :])
        (first, *others), patterns = self.node.windows, self.node.windows

        def window(start: int, shown: int) -> Value:
            begin = len(numbers) - start * width
            return numbers[begin : begin + shown * width]

        m.d.comb += self.o.payload.eq(window(*first))
        for place in others:
            with m.If(lookup(step, patterns[place])):
                m.d.comb += self.o.payload.eq(window(*place))

    def _shift_out(self, m: Module, issue: Signal, step: Signal) -> None:
        """Read the output beat at the bottom, and write a beat above the held numbers; above these is 0."""
        width = self.node.element.width
        arriving = Value.cast(self.i.payload)
        out_width = self.node.lanes_out * width
        numbers = Signal(self.node.depth * width, reset_less=True)
        rest = Signal(len(numbers))
        m.d.comb += rest.eq(numbers >> out_width)
        for count, pattern in self.node.short_shifts.items():
            with m.If(lookup(step, pattern)):
                m.d.comb += rest.eq(numbers >> count * width)
        m.d.comb += self.o.payload.eq(numbers[:out_width])
        for count, pattern in self.node.short_beats.items():
            with m.If(lookup(step, pattern)):
                m.d.comb += self.o.payload.eq(numbers[: count * width])
        with m.If(issue):
            m.d.sync += numbers.eq(rest)
            for count, pattern in self.node.arrivals.items():
                with m.If(lookup(step, pattern)):
                    m.d.sync += numbers.eq(Cat(rest[: count * width], arriving))
