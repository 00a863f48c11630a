"""LineBuffer: stores the beats of an image that a kernel still reads, and reads them in the kernel's order."""

import numpy as np
from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

import dataflow
from rtl.components._raster import by_window, raster
from rtl.steps import advanced, foreseen

__all__ = ["LineBuffer"]


class LineBuffer(wiring.Component):
    """Beats in the order in which a kernel reads them: ``o[t + 1] = the beats of the step issued in t``.

    Throughput one beat in and one step per cycle, independent of each other; latency 1 cycle. The memory is a ring:
    the beats are stored one after another, regardless of row and frame.

    A node that reads several taps at once has as many copies of the memory. The differences of their addresses are
    constant.

    Steps are counted by nested loops. A number that is linear in the loops' counters, such as the address, is
    incremented by one of several constants, one for each loop: the loop that advances while the loops inside it restart
    selects the constant.

    The signs of two sums of beats decide whether beats are taken and steps issued: `surplus`, the beats written minus
    those for which the current window waits, and `room`, the free places minus one. Keeping the sums makes the decision
    a single bit of a register. A window may free beats before they have arrived (those between two windows that do not
    touch), so `room` may exceed the places.

    Parameters
    ----------
    node : dataflow.BufferedNode

    Members
    -------
    i : ``In(stream.Signature(width))``
        The image.
    step : ``In(1)``
        The next step is issued; only while `enough`.
    enough : ``Out(1)``
        All beats of the next step's window are stored. Depends on registers only.
    o : ``Out(taps * width)``
        The beats of the previous step, with the first tap in the lowest bits; undefined for a tap that is not `inside`.
    inside : ``Out(taps)``
        The taps of the previous step that are in the image.
    """

    def __init__(self, node: dataflow.BufferedNode) -> None:
        self.node = node
        width, taps = node.input_streams[0].width, node.taps_at_once
        self._loops = (*node.position_loops, *node.inner_loops)
        super().__init__(
            {
                "i": In(stream.Signature(width)),
                "step": In(1),
                "enough": Out(1),
                "o": Out(taps * width),
                "inside": Out(taps),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        node = self.node
        counters, lasts = self._count(m)
        fill, leave = Signal(), Signal()
        outer = len(node.position_loops)
        m.d.comb += leave.eq(self.step & _all(lasts[outer:]))
        place = counters[:2] if outer == 2 else raster(m, leave, node.positions, name="position")
        self._decide(m, fill, leave, *place)

        tail = Signal(range(node.places))
        with m.If(fill):
            m.d.sync += tail.eq(advanced(tail, node.places))
        addresses = self._addresses(m, lasts)
        m.d.comb += self.o.eq(Cat(self._read(m, k, fill, tail, address) for k, address in enumerate(addresses)))
        m.d.sync += self.inside.eq(self._are_inside(m, lasts))
        return m

    def _read(self, m: Module, k: int, fill: Signal, tail: Signal, address: Signal) -> Value:
        """Add a copy of the memory; return its data at the `address` of the previous cycle."""
        # A beat is never read while it is written, so Yosys need not add logic that returns the old word.
        memory = Memory(shape=len(self.i.payload), depth=self.node.places, init=[], attrs={"no_rw_check": 1})
        m.submodules[f"memory_{k}" if k else "memory"] = memory
        writing, reading = memory.write_port(), memory.read_port()
        m.d.comb += [writing.addr.eq(tail), writing.data.eq(self.i.payload), writing.en.eq(fill)]
        m.d.comb += reading.addr.eq(address)
        return reading.data

    def _count(self, m: Module) -> tuple[list[Value], list[Value]]:
        """Return the loops' counters, outermost first, and whether each is at its last value."""
        counters, lasts, carry = [], [], self.step
        for loop in reversed(self._loops):
            counter = Signal(range(loop.size), name=loop.name)
            counted = Signal(name=f"{loop.name}_counted")
            m.d.comb += counted.eq(carry)
            last = foreseen(m, counted, counter, np.arange(loop.size) == loop.size - 1, name=f"{loop.name}_last")
            if loop.size > 1:
                with m.If(counted):
                    m.d.sync += counter.eq(Mux(last, 0, counter + 1))
                carry = counted & last
            counters.append(counter)
            lasts.append(last)
        return counters[::-1], lasts[::-1]

    def _decide(self, m: Module, fill: Signal, leave: Signal, row: Signal, column: Signal) -> None:
        """Drive the signals that say whether a beat is taken, and whether the next window's beats are stored.

        Parameters
        ----------
        leave : Signal
            The last step of the window in `row` and `column` of the output is issued.
        """
        places = self.node.places
        waits, frees = _windows_of(self.node)
        until = np.cumsum(frees) - frees + waits
        claims = np.append(until[1:], until[0] + frees.sum()) - until
        least = min(-1, -int(waits[0]), -int(claims.max()))
        surplus = Signal(range(least, places - int(waits.min()) + 1), init=-int(waits[0]))
        room = Signal(range(-1, places - min(0, int((waits - frees).min()))), init=places - 1)
        m.d.comb += [self.enough.eq(surplus >= 0), fill.eq(self.i.valid & (room >= 0)), self.i.ready.eq(fill)]

        shape = self.node.positions
        claim = by_window(m, leave, row, column, claims.reshape(shape), name="claim")
        freed = by_window(m, leave, row, column, frees.reshape(shape), name="freed")
        m.d.sync += surplus.eq(surplus + fill - Mux(leave, claim, 0))
        m.d.sync += room.eq(room - fill + Mux(leave, freed, 0))

    def _addresses(self, m: Module, lasts: list[Value]) -> list[Signal]:
        """Return the addresses of the next step's beats."""
        node = self.node
        places = node.places
        strides = [loop.beats for loop in self._loops]
        steps = [step % places for step in _steps_of(strides, self._sizes)]
        steps.append((node.input_streams[0].beats + _rewind(strides, self._sizes)) % places)
        step = _chosen(m, lasts, steps, name="address_step")
        back = _chosen(m, lasts, [step - places for step in steps], name="address_back")
        addresses = []
        for k, (row, column) in enumerate(node.first_taps):
            start = node.first_beat + (row * node.shape[1] + column) * node.channel_folds
            address = Signal(range(places), name=f"address_{k}", init=start % places)
            beyond = Signal(range(-places, places), name=f"beyond_{k}")
            m.d.comb += beyond.eq(address + back)
            with m.If(self.step):
                m.d.sync += address.eq(Mux(beyond >= 0, beyond, address + step))
            addresses.append(address)
        return addresses

    @property
    def _sizes(self) -> list[int]:
        return [loop.size for loop in self._loops]

    def _are_inside(self, m: Module, lasts: list[Value]) -> Value:
        """Return the taps of the next step that are in the image."""
        node = self.node
        height, width, _ = node.shape
        down, right = ([loop.rows for loop in self._loops], [loop.columns for loop in self._loops])
        taps = node.first_taps
        ys, xs = sorted({y for y, _ in taps}), sorted({x for _, x in taps})
        rows = {y: self._within(m, lasts, down, y, height, name=f"y_{y - ys[0]}") for y in ys}
        columns = {x: self._within(m, lasts, right, x, width, name=f"x_{x - xs[0]}") for x in xs}
        return Cat(rows[y] & columns[x] for y, x in taps)

    def _within(self, m: Module, lasts: list[Value], strides: list[int], start: int, size: int, *, name: str) -> Value:
        """Return whether a coordinate that starts at `start` is within ``range(size)``."""
        end = start - _rewind(strides, self._sizes)
        if start >= 0 and end < size:
            return Const(1)
        place = Signal(range(start, max(end, 0) + 1), name=name, init=start)
        steps = [*_steps_of(strides, self._sizes), _rewind(strides, self._sizes)]
        with m.If(self.step):
            m.d.sync += place.eq(place + _chosen(m, lasts, steps, name=f"{name}_step"))
        return (place >= 0 if start < 0 else Const(1)) & (place < size if end >= size else Const(1))


def _windows_of(node: dataflow.BufferedNode) -> tuple[np.ndarray, np.ndarray]:
    """Return the beats that each window's first step needs, and those that its last step frees, (positions,) int64."""
    schedule = node.schedule()
    shape = (node.positions[0] * node.positions[1], -1)
    needs, frees = schedule.needs.reshape(shape), schedule.frees.reshape(shape)
    assert not needs[:, 1:].any()
    assert not frees[:, :-1].any()
    return needs[:, 0], frees[:, -1]


def _rewind(strides: list[int], sizes: list[int]) -> int:
    """Return the increment for going back to the first value of all loops."""
    return -sum(stride * (size - 1) for stride, size in zip(strides, sizes, strict=True))


def _steps_of(strides: list[int], sizes: list[int]) -> list[int]:
    """Return for each loop the increment for advancing it while the loops inside it restart."""
    return [stride + _rewind(strides[k + 1 :], sizes[k + 1 :]) for k, stride in enumerate(strides)]


def _all(flags: list[Value]) -> Value:
    """Return whether all flags are 1."""
    whole = Const(1)
    for flag in flags:
        whole = whole & flag
    return whole


def _chosen(m: Module, lasts: list[Value], values: list[int], *, name: str) -> Signal:
    """Return the value of the innermost loop that is not at its end, or the additional last value if all are."""
    chosen = Signal(range(min(*values, 0), max(*values, 0) + 1), name=name)
    m.d.comb += chosen.eq(values[-1])
    for last, value in zip(lasts, values, strict=False):
        with m.If(~last):
            m.d.comb += chosen.eq(value)
    return chosen
