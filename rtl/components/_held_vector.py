"""HeldVector: holds the vector that is multiplied with a matrix while one group of neurons after another needs it."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from dataflow.storage import in_registers

__all__ = ["HeldVector"]


class HeldVector(wiring.Component):
    """A vector's beats, read once and repeated: ``o[t + 1] = i[t] if fresh[t] else held[fold[t]]``.

    Throughput one beat per cycle, latency 1 cycle.

    Parameters
    ----------
    lanes : int
        Bits per beat.
    folds : int
        Beats per vector.

    Members
    -------
    step : ``In(1)``
        A step is issued; `o` gets the beat of the next fold.
    fresh : ``In(1)``
        The beat comes from `i`, and is held from now on.
    fold : ``In(range(folds))``
        Index of the step's beat in the vector. It counts up by one per step, modulo `folds`.
    i : ``In(lanes)``
        The arriving beat.
    o : ``Out(lanes)``
        The beat of the previous step.
    """

    def __init__(self, lanes: int, folds: int) -> None:
        assert lanes >= 1
        assert folds >= 1
        self.lanes, self.folds = lanes, folds
        super().__init__({"step": In(1), "fresh": In(1), "fold": In(range(folds)), "i": In(lanes), "o": Out(lanes)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if in_registers(self.folds, self.lanes):
            self._rotate(m)
        else:
            self._look_up(m)
        return m

    def _rotate(self, m: Module) -> None:
        """Hold the beats in a ring of registers. They are needed in order, so no address is needed."""
        ring = [Signal(self.lanes, name=f"ring_{k}", reset_less=True) for k in range(self.folds)]
        with m.If(self.step):
            m.d.sync += ring[0].eq(Mux(self.fresh, self.i, ring[-1]))
            m.d.sync += [ring[k].eq(ring[k - 1]) for k in range(1, self.folds)]
        m.d.comb += self.o.eq(ring[0])

    def _look_up(self, m: Module) -> None:
        """Hold the beats in a memory that is read and written at the same word."""
        m.submodules.memory = memory = Memory(shape=self.lanes, depth=self.folds, init=[])
        writing, reading = memory.write_port(), memory.read_port()
        arrived, was_fresh = Signal(self.lanes, reset_less=True), Signal()
        m.d.comb += [
            writing.addr.eq(self.fold),
            writing.data.eq(self.i),
            writing.en.eq(self.step & self.fresh),
            reading.addr.eq(self.fold),
        ]
        m.d.sync += [arrived.eq(self.i), was_fresh.eq(self.fresh)]
        m.d.comb += self.o.eq(Mux(was_fresh, arrived, reading.data))
