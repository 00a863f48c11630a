"""Fifo: the FIFO of an edge between two nodes."""

from amaranth import Module, Mux, Signal, Value
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from dataflow.storage import in_registers
from rtl.steps import advanced
from rtl.streams import Reserved

__all__ = ["Fifo"]


class Fifo(wiring.Component):
    """First in, first out, with reservation of places: ``free = depth - stored - reserved > 0``.

    Throughput one beat per cycle. A beat written in cycle t can be read from t + 1, and a place freed by reading in t
    can be reserved from t + 1. There is no combinational path between the reading and the writing end.

    Parameters
    ----------
    shape : shape-like
        Shape of a beat.
    depth : int
        Places, at least 1.

    Members
    -------
    i : ``In(Reserved(shape))``
        Writing end.
    o : ``Out(stream.Signature(shape))``
        Reading end.
    """

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        if not isinstance(depth, int):
            raise TypeError(f"Depth of a Fifo must be an integer, not {depth!r}")
        if depth < 1:
            raise ValueError(f"Depth of a Fifo must be at least 1, not {depth!r}")
        self.shape, self.depth = shape, depth
        super().__init__({"i": In(Reserved(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        read = Signal()
        m.d.comb += read.eq(self.o.valid & self.o.ready)
        # `free` is a register of its own, so that no comparison of the count is part of the writer's decision.
        free_count, free = Signal(range(self.depth + 1), init=self.depth), Signal(init=1)
        with m.If(self.i.reserve & ~read):
            m.d.sync += [free_count.eq(free_count - 1), free.eq(free_count != 1)]
        with m.Elif(read & ~self.i.reserve):
            m.d.sync += [free_count.eq(free_count + 1), free.eq(1)]
        m.d.comb += self.i.free.eq(free)

        bits = Value.cast(self.i.payload)
        if in_registers(self.depth, len(bits)):
            self._shift(m, bits, read)
        else:
            self._circulate(m, bits, read)
        return m

    def _shift(self, m: Module, bits: Value, read: Signal) -> None:
        """Store the beats in registers, the oldest in the first. `full` counts them in unary."""
        depth, write = self.depth, self.i.valid
        full = Signal(depth)
        slots = [Signal(len(bits), name=f"slot_{k}", reset_less=True) for k in range(depth)]
        with m.If(write & ~read):
            m.d.sync += full.eq((full << 1) | 1)
        with m.If(read & ~write):
            m.d.sync += full.eq(full >> 1)
        for k, slot in enumerate(slots):
            # A slot that is not full may load any value, since only `full` makes it count.
            with m.If(read | ~full[k]):
                m.d.sync += slot.eq(Mux(full[k + 1], slots[k + 1], bits) if k + 1 < depth else bits)
        m.d.comb += [self.o.valid.eq(full[0]), self.o.payload.eq(slots[0])]

    def _circulate(self, m: Module, bits: Value, read: Signal) -> None:
        """Store the beats in a memory with a synchronous read port, which is read one cycle ahead."""
        depth, write = self.depth, self.i.valid
        m.submodules.memory = memory = Memory(shape=len(bits), depth=depth, init=[])
        writing, reading = memory.write_port(), memory.read_port()
        tail, head, head_next = Signal(range(depth)), Signal(range(depth)), Signal(range(depth))
        m.d.comb += head_next.eq(Mux(read, advanced(head, depth), head))
        m.d.sync += head.eq(head_next)
        with m.If(write):
            m.d.sync += tail.eq(advanced(tail, depth))
        m.d.comb += [writing.addr.eq(tail), writing.data.eq(bits), writing.en.eq(write), reading.addr.eq(head_next)]

        stored, valid, only = Signal(range(depth + 1)), Signal(), Signal()
        m.d.comb += only.eq(stored == 1)
        with m.If(write & ~read):
            m.d.sync += [stored.eq(stored + 1), valid.eq(1)]
        with m.Elif(read & ~write):
            m.d.sync += [stored.eq(stored - 1), valid.eq(~only)]
        # Memories differ in the result of reading a word while it is written, so such a beat is taken from here.
        fresh, fresh_bits = Signal(), Signal(len(bits), reset_less=True)
        m.d.sync += [fresh.eq(write & (~valid | (only & read))), fresh_bits.eq(bits)]
        m.d.comb += [self.o.valid.eq(valid), self.o.payload.eq(Mux(fresh, fresh_bits, reading.data))]
