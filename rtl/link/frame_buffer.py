"""The memory in which a frame waits until its checksum is verified."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.steps import advanced

__all__ = ["FrameBuffer"]


class FrameBuffer(wiring.Component):
    """Memory of one frame: bytes in, beats of `lanes` pixels out once the frame is committed.

    A pixel of the next frame may be written to a place whose pixel has been read, so a frame can arrive while the one
    before is read. Once the last pixel has been written, the frame before is gone, so the reader is idle at `commit`.

    Parameters
    ----------
    frame_size : bytes per frame
    lanes : pixels per beat
    vector : number of pixels after which a new beat begins, a divisor of `frame_size`; the default is the whole frame.
        If `lanes` does not divide it, the last beat of a vector is filled with zeros.

    Members
    -------
    write : In(1)
    index : In(range(frame_size)), index of the pixel
    pixel : In(8)
    full : Out(1), the place still holds a pixel of the frame before, and nothing is written
    commit : In(1), the frame is complete and valid: start reading it
    o : Out(stream.Signature(data.ArrayLayout(8, lanes)))
    """

    def __init__(self, frame_size: int, lanes: int, vector: int | None = None) -> None:
        vector = frame_size if vector is None else vector
        if vector < 1 or frame_size % vector:
            raise ValueError(f"Vector of a frame buffer must divide its {frame_size} bytes, not {vector!r}")
        if not 1 <= lanes <= vector:
            raise ValueError(f"Lanes of a frame buffer must be 1 to {vector}, not {lanes!r}")
        self._frame_size = frame_size
        self._lanes = lanes
        self._vector = vector
        super().__init__(
            {
                "write": In(1),
                "index": In(range(frame_size)),
                "pixel": In(8),
                "full": Out(1),
                "commit": In(1),
                "o": Out(stream.Signature(data.ArrayLayout(8, lanes))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Keeps even a small frame out of flip-flops.
        attributes = {"ram_style": "block"}
        m.submodules.memory = frame = memory.Memory(shape=8, depth=self._frame_size, init=[], attrs=attributes)
        write, read = frame.write_port(), frame.read_port()
        done = Signal(range(self._frame_size + 1), init=self._frame_size)  # pixels read; if all are, it is idle
        more = Signal()
        loaded = Signal()  # the read port shows the next pixel
        advance = Signal()
        m.d.comb += [
            self.full.eq(self.index >= done),
            write.addr.eq(self.index),
            write.data.eq(self.pixel),
            write.en.eq(self.write & ~self.full),
            more.eq(done != self._frame_size),
            read.addr.eq(done),
            read.en.eq(more & (~loaded | advance)),
        ]
        with m.If(self.commit):
            m.d.sync += done.eq(0)
        with m.Elif(read.en):
            m.d.sync += done.eq(done + 1)
        with m.If(read.en | advance):
            m.d.sync += loaded.eq(read.en)
        self._collect(m, read.data, loaded, advance)
        return m

    def _collect(self, m: Module, pixel: Value, loaded: Signal, advance: Signal) -> None:
        """Collect the pixels of a beat in a register, which is free again in the cycle in which the beat is taken.

        After a vector, zeros fill the beat. They are not read from memory, but take a cycle each like pixels.
        """
        beat, full = Signal(8 * self._lanes), Signal()
        lane = Signal(range(self._lanes))
        last = Signal()
        moves, there = advance, loaded
        if self._vector % self._lanes:
            moves, blank = Signal(), Signal()
            place = Signal(range(self._vector))
            with m.If(advance):
                m.d.sync += [place.eq(advanced(place, self._vector)), blank.eq(place == self._vector - 1)]
            with m.Elif(moves & last):
                m.d.sync += blank.eq(0)
            m.d.comb += advance.eq(moves & ~blank)
            pixel, there = Mux(blank, 0, pixel), loaded | blank
        m.d.comb += [
            last.eq(lane == self._lanes - 1),
            self.o.payload.eq(beat),
            self.o.valid.eq(full),
            moves.eq(there & (~full | self.o.ready)),
        ]
        with m.If(moves):
            m.d.sync += [lane.eq(Mux(last, 0, lane + 1)), full.eq(last), beat.eq(Cat(beat, pixel)[8:])]
        with m.Elif(self.o.ready):
            m.d.sync += full.eq(0)
