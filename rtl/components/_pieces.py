"""Functions that are linear in pieces: reading their parameters, comparing with starts, selecting a piece's values."""

from functools import reduce
from operator import xor
from typing import Any

import numpy as np
from amaranth import Cat, Const, Module, Signal, Value, signed, unsigned

import dataflow
from rtl.components._storage import packed, read_only
from rtl.steps import advanced

__all__ = ["PieceReader"]

#: Values that are combined one after the other.
_XORS = 16


class PieceReader:
    """The numbers that pass, and the values of their pieces.

    Cycle 0 is the one in which a step is issued. Values of a single group of channels are constants. Those of several
    are read from memories, one cycle after their address.

    Parameters
    ----------
    m : Module
    node : dataflow.Requantize
    issue : Signal
        The step of the current beat is issued.
    payload : value
        The current beat.
    """

    def __init__(self, m: Module, node: dataflow.Requantize, issue: Signal, payload: Any) -> None:
        self.m, self.node = m, node
        group = Signal(range(node.groups))
        if node.groups > 1:
            with m.If(issue):
                m.d.sync += group.eq(advanced(group, node.groups))
        self._groups, self._numbers = [group], [payload]
        self._met: list[Signal] = []

    def group(self, cycle: int) -> Signal:
        """Return the group of channels of the step that was issued `cycle` cycles ago."""
        while len(self._groups) <= cycle:
            later = Signal.like(self._groups[0], name=f"group_{len(self._groups)}", reset_less=True)
            self.m.d.sync += later.eq(self._groups[-1])
            self._groups.append(later)
        return self._groups[cycle]

    def numbers(self, cycle: int) -> Any:
        """Return the beat of `cycle` cycles ago."""
        while len(self._numbers) <= cycle:
            name = f"numbers_{len(self._numbers)}"
            later = Signal(self._numbers[0].shape(), name=name, reset_less=True)
            self.m.d.sync += later.eq(self._numbers[-1])
            self._numbers.append(later)
        return self._numbers[cycle]

    def selected(self, name: str, values: np.ndarray, cycle: int) -> list[Value]:
        """Return for each lane the value of its number's piece, `cycle` cycles after the number.

        If starts are met in ascending order, the value is that of the first piece, with the bits inverted that change
        at the starts that are met. So it takes no multiplexer, and bits that change alike in all channels are constant.

        Parameters
        ----------
        values : (rows, pieces) int64
        """
        if self.node.pieces.count == 1:
            return [row[0] for row in self._read(name, values, cycle)]
        element = dataflow.integer_for(int(values.min()), int(values.max()))
        bits = values & ((1 << element.width) - 1)
        changes = np.concatenate([bits[:, :1], bits[:, 1:] ^ bits[:, :-1]], axis=1)
        lanes = []
        for k, (first, *later) in enumerate(self._read(name, changes, cycle - 1)):
            shape = signed(element.width) if element.signed else unsigned(element.width)
            value = Signal(shape, name=f"{name}_{k}", reset_less=True)
            met = self._met_in(k, cycle - 1)
            terms = [first, *(each & met[p].replicate(element.width) for p, each in enumerate(later))]
            # A tree, because Yosys has too little stack for a chain of hundreds.
            while len(terms) > 1:
                terms = [reduce(xor, terms[start : start + _XORS]) for start in range(0, len(terms), _XORS)]
            self.m.d.sync += value.eq(terms[0])
            lanes.append(value)
        return lanes

    def _met_in(self, lane: int, cycle: int) -> Value:
        """Return which starts the number of a lane has met, `cycle` cycles after the number."""
        m, node = self.m, self.node
        starts, first = node.pieces.starts, node.comparing
        width = starts.shape[1]
        if not self._met:
            numbers, rows = self.numbers(first - 1), self._read("starts", starts, first - 1)
            met = Signal(node.pe * width, name="met", reset_less=True)
            m.d.sync += met.eq(Cat(numbers[k] >= start for k, row in enumerate(rows) for start in row))
            self._met.append(met)
        while len(self._met) <= cycle - first:
            later = Signal.like(self._met[0], name=f"met_{len(self._met)}", reset_less=True)
            m.d.sync += later.eq(self._met[-1])
            self._met.append(later)
        return self._met[cycle - first].word_select(lane, width)

    def _read(self, name: str, values: np.ndarray, cycle: int) -> list[list[Value]]:
        """Return for each lane the row of its channel, `cycle` cycles after the number."""
        rows = self.node.by_group(values)
        if self.node.groups == 1:
            return [[Const(value) for value in row] for row in rows[0].tolist()]
        element = dataflow.integer_for(int(rows.min()), int(rows.max()))
        words = [packed(row, element.width) for row in rows.reshape(len(rows), -1).tolist()]
        data = Signal(element.width * rows[0].size, name=f"{name}_row")
        self.m.d.comb += data.eq(read_only(self.m, name, words, len(data), self.group(cycle - 1)))
        parts = [data.word_select(index, element.width) for index in range(rows[0].size)]
        numbers = [part.as_signed() if element.signed else part for part in parts]
        columns = rows.shape[2]
        return [numbers[k * columns : (k + 1) * columns] for k in range(self.node.pe)]
