"""LineBuffer: stores the beats of an image that a kernel still reads, and reads them in the kernel's order."""

from typing import NamedTuple

import numpy as np
from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

import dataflow
from rtl.components._raster import by_window
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
    node : dataflow.WindowNode

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

    def __init__(self, node: dataflow.WindowNode) -> None:
        self.node = node
        width, taps = node.input_streams[0].width, node.taps_at_once
        self._loops = _loops_of(node)
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
        m.d.comb += leave.eq(self.step & _all(lasts[2:]))
        self._decide(m, fill, leave, *counters[:2])

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
        top, _, left, _ = node.padding
        strides = [loop.beats for loop in self._loops]
        steps = [step % places for step in _steps_of(strides, self._sizes)]
        steps.append((node.input_streams[0].beats + _rewind(strides, self._sizes)) % places)
        step = _chosen(m, lasts, steps, name="address_step")
        back = _chosen(m, lasts, [step - places for step in steps], name="address_back")
        addresses = []
        for k, (down, right) in enumerate(_taps_of(node)):
            start = ((down - top) * node.shape[1] + right - left) * node.channel_folds
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
        top, _, left, _ = node.padding
        down, right = ([loop.rows for loop in self._loops], [loop.columns for loop in self._loops])
        taps = _taps_of(node)
        rows = {y: self._within(m, lasts, down, y - top, height, name=f"y_{y}") for y in sorted({y for y, _ in taps})}
        columns = {
            x: self._within(m, lasts, right, x - left, width, name=f"x_{x}") for x in sorted({x for _, x in taps})
        }
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


class _Loop(NamedTuple):
    """A loop: its number of iterations, and how far each moves the tap, in beats of the frame, rows and columns."""

    name: str
    size: int
    beats: int
    rows: int = 0
    columns: int = 0


def _loops_of(node: dataflow.WindowNode) -> list[_Loop]:
    """Return the loops of a node's steps, outermost first."""
    pixel = node.channel_folds
    line = node.shape[1] * pixel
    (down, right), (apart_y, apart_x) = node.stride, node.dilation
    windows = [
        _Loop("row", node.positions[0], down * line, rows=down),
        _Loop("column", node.positions[1], right * pixel, columns=right),
    ]
    tall, wide = _block_of(node)
    taps = [
        _Loop("tap_row", node.kernel[0] // tall, tall * apart_y * line, rows=tall * apart_y),
        _Loop("tap_column", node.kernel[1] // wide, wide * apart_x * pixel, columns=wide * apart_x),
    ]
    groups = _Loop("group", pixel // node.group_folds, node.group_folds)
    fold = _Loop("fold", node.group_folds, 1)
    return [*windows, *([groups] if groups.size > 1 else []), *taps, *([fold] if fold.size > 1 else [])]


def _block_of(node: dataflow.WindowNode) -> tuple[int, int]:
    """Return (height, width) of the taps that are read at once."""
    width = node.kernel[1]
    return max(1, node.taps_at_once // width), min(node.taps_at_once, width)


def _taps_of(node: dataflow.WindowNode) -> list[tuple[int, int]]:
    """Return for each of the taps that are read at once its distance in rows and columns from the first."""
    tall, wide = _block_of(node)
    return [(y * node.dilation[0], x * node.dilation[1]) for y in range(tall) for x in range(wide)]


def _windows_of(node: dataflow.WindowNode) -> tuple[np.ndarray, np.ndarray]:
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
