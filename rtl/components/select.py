"""Select: some channels of every position, in any order."""

from typing import ClassVar

import numpy as np
from amaranth import Const, Module, Signal, Value

import dataflow
from rtl.components._component import NodeComponent
from rtl.steps import advanced, foreseen, issue_steps, lookup

__all__ = ["Select"]


class Select(NodeComponent[dataflow.Select]):
    """Wires from the lanes of each beat in to those of a beat out: ``o[k][t + 1] = i[wiring[step, k]][t]``.

    Throughput one beat in per cycle, latency 1 cycle. A beat in from which nothing is taken is dropped.

    Parameters
    ----------
    node : dataflow.Select

    Members
    -------
    i : ``In(stream.Signature(payload))``
        Beats of `pe` numbers.
    o : ``Out(Reserved(payload))``
        Beats of at most as many numbers.
    """

    kind: ClassVar = dataflow.Select

    def elaborate(self, platform: object) -> Module:
        m = Module()
        schedule = self.node.schedule()
        issue, step = Signal(), Signal(range(schedule.period))
        with m.If(issue):
            m.d.sync += step.eq(advanced(step, schedule.period))
        emits = foreseen(m, issue, step, schedule.emits[0], name="emits")
        issue_steps(m, self, issue, consumes=Const(1), emits=emits)
        numbers = Signal(self.o.payload.shape(), reset_less=True)
        m.d.comb += self.o.payload.eq(numbers)
        for lane, sources in enumerate(self.node.wiring.T):
            used = sources[schedule.emits[0]]
            usual, *others = sorted(set(used.tolist()), key=lambda source: -np.count_nonzero(used == source))
            m.d.sync += numbers[lane].eq(self.lane_number(usual))
            for source in others:
                with m.If(lookup(step, (sources == source) & schedule.emits[0])):
                    m.d.sync += numbers[lane].eq(self.lane_number(source))
        return m

    def lane_number(self, source: int) -> Value:
        """Return a lane of the beat in, or 0 for an inert one."""
        if source < 0:
            return Const(0)
        number: Value = self.i.payload[source]
        return number
