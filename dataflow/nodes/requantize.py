"""Requantize: from integers to codes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from dataflow.elements import Element, Integer, signed_for
from dataflow.nodes._node import LaneCounts, Node, divisors, frozen_array
from dataflow.nodes._pieces import Pieces
from dataflow.nodes._requantize_parts import requantize_structure
from dataflow.parts import Structure
from dataflow.schedule import Schedule
from dataflow.streams import Stream

__all__ = ["Requantize"]


@dataclass(frozen=True, eq=False)
class Requantize(Node):
    """Map every number to a code, by a function of its channel that is linear in pieces or a table.

    With ``p`` the number of the channel's starts that are at most x,
    ``code = clip((multipliers[p] * x + offsets[p]) >> shift, result.minimum, result.maximum)``. The shift rounds down.
    With a table, ``code = table[x - element.minimum]``. Arrays have one row for all channels, or one for each.

    Parameters
    ----------
    element : type of the numbers
    shape : shape of a frame
    result : type of the codes; those of bits are 0 and 1
    starts : (1 or channels, pieces - 1) int64, the first number of every piece after the first, not falling within a
        row; ``element.maximum + 1`` is never reached, so rows may have pieces without a number
    multipliers, offsets : (1 or channels, pieces) int64
    shift : 0 to 62
    table : (1 or channels, 2**element.width) int64, the codes of all numbers, instead of pieces
    pe : numbers at once
    """

    element: Integer
    shape: tuple[int, ...]
    result: Element
    starts: np.ndarray | None = None
    multipliers: np.ndarray | None = None
    offsets: np.ndarray | None = None
    shift: int = 0
    table: np.ndarray | None = None
    pe: int = 1

    fold_parameters: ClassVar = ("pe",)
    array_fields: ClassVar = ("starts", "multipliers", "offsets", "table")
    format_version: ClassVar[int] = 5

    def __post_init__(self) -> None:
        self._check_shape(self.shape)
        self._check(isinstance(self.element, Integer), "element", "an integer", self.element)
        legal = type(self.shift) is int and 0 <= self.shift <= 62
        self._check(legal, "shift", "0 to 62", self.shift)
        if self.table is None:
            self._check_pieces()
        else:
            self._check_table(self.table)
        self._check_lanes("pe", self.shape[-1], "channels")

    def _check_pieces(self) -> None:
        for name in ("starts", "multipliers", "offsets"):
            values = getattr(self, name)
            self._check(values is not None, name, "an array where there is no table", values)
            self._set(name, values)
        assert self.starts is not None
        assert self.multipliers is not None
        assert self.offsets is not None
        pieces = self.multipliers.shape[1]
        self._check(pieces >= 1, "multipliers", "those of one piece or more", pieces)
        for name, columns in (("starts", pieces - 1), ("offsets", pieces)):
            self._check_columns(name, columns)
        if self.starts.size:
            low, high = self.element.minimum, self.element.maximum + 1
            found = int(self.starts.min()), int(self.starts.max())
            self._check(low <= found[0] and found[1] <= high, "starts", f"within {low} to {high}", found)
            falling = np.argwhere(np.diff(self.starts, axis=1) < 0)
            pair = self.starts[falling[0][0], falling[0][1] :][:2].tolist() if len(falling) else []
            self._check(not pair, "starts", "in an order that does not fall", pair)
        low, high = self.pieces.span
        width = max(high, -low - 1).bit_length() + 1
        self._check(width <= 63, "Sums", "at most 63 bits wide", width)

    def _check_table(self, table: np.ndarray) -> None:
        for name in ("starts", "multipliers", "offsets"):
            self._check(getattr(self, name) is None, name, "None beside a table", getattr(self, name))
        self._check(self.shift == 0, "shift", "0 beside a table", self.shift)
        self._set("table", table)
        self._check_columns("table", 1 << self.element.width)
        assert self.table is not None
        found = int(self.table.min()), int(self.table.max())
        within = self.result.minimum <= found[0] and found[1] <= self.result.maximum
        rule = f"within {self.result.minimum} to {self.result.maximum} ({self.result})"
        self._check(within, "table", rule, found)

    def _set(self, name: str, values: np.ndarray) -> None:
        """Set an array field, of which the number of rows is checked."""
        array, channels = frozen_array(values, np.int64), self.shape[-1]
        legal = array.ndim == 2 and len(array) in {1, channels}
        self._check(legal, f"{name} shape", f"(1, ...) or ({channels}, ...)", array.shape)
        object.__setattr__(self, name, array)

    def _check_columns(self, name: str, columns: int) -> None:
        rows, found = getattr(self, name).shape
        self._check(found == columns, f"{name} shape", f"({rows}, {columns})", (rows, found))

    @property
    def form(self) -> str:
        """The hardware: "table" is a memory, "steps" compares, "lines" also multiplies."""
        if self.table is not None:
            return "table"
        assert self.multipliers is not None
        return "lines" if self.multipliers.any() else "steps"

    @property
    def rows(self) -> int:
        """1 if all channels have the same function, else the number of channels."""
        arrays = (self.starts, self.multipliers, self.offsets, self.table)
        return max(len(each) for each in arrays if each is not None)

    @cached_property
    def pieces(self) -> Pieces:
        """The functions before the shift, in as few pieces as possible; the offsets of "steps" are the codes."""
        assert self.starts is not None
        assert self.multipliers is not None
        assert self.offsets is not None
        offsets = self.offsets if self.form == "lines" else self.clipped(self.offsets >> self.shift)
        return Pieces(self.element, self.starts, self.multipliers, offsets).with_rows(self.rows).fewest()

    def clipped(self, numbers: np.ndarray) -> np.ndarray:
        """Return for every number the code that is nearest to it."""
        return np.clip(numbers, self.result.minimum, self.result.maximum)

    @property
    def saturates(self) -> bool:
        """Whether there are sums of "lines" that do not fit the type of the result after the shift."""
        low, high = (end >> self.shift for end in self.pieces.span)
        return self.form == "lines" and (low < self.result.minimum or high > self.result.maximum)

    @property
    def groups(self) -> int:
        """Groups of channels that have functions of their own; with 1, everything but a table is constant."""
        return self.input_streams[0].vector_beats if self.rows > 1 else 1

    def by_group(self, values: np.ndarray) -> np.ndarray:
        """Return rows by group of channels and lane, (groups, pe, columns); inert lanes have zeros.

        Parameters
        ----------
        values : (rows, columns)
        """
        if len(values) == 1 and self.groups == 1:
            return np.repeat(values[None], self.pe, axis=1)
        return np.pad(values, ((0, -len(values) % self.pe), (0, 0))).reshape(self.groups, self.pe, -1)

    @property
    def sum_width(self) -> int:
        """Bits of the signed type that holds every sum."""
        return signed_for(*self.pieces.span).width

    def wrapped(self, values: np.ndarray) -> np.ndarray:
        """Return numbers of as many bits as sums have; they make the same sums modulo ``2**sum_width``."""
        lacking = 64 - self.sum_width
        return values << lacking >> lacking

    @property
    def comparing(self) -> int:
        """Cycles until numbers are compared with starts, of which one is to read those that are not constant."""
        return 1 + (self.groups > 1)

    @property
    def selecting(self) -> int:
        """Cycles until the function of a number's piece is selected, or read if all numbers have the same."""
        return self.comparing + 1 if self.pieces.count > 1 else 1

    @property
    def latency(self) -> int:
        """Cycles from a number to its code.

        A table is read in one cycle and its code is stored in the next. Otherwise the function of the number's piece is
        selected; that of "steps" is the code. A product, a sum, and saturation if there is any, take one cycle each.
        """
        if self.form == "table":
            return 2
        return self.selecting + (2 + self.saturates if self.form == "lines" else 0)

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, self.shape, self.pe),)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.result, self.shape, self.pe),)

    def schedule(self) -> Schedule:
        every = np.ones((1, 1), bool)
        return Schedule(every, every, self.latency, repeats=self.input_streams[0].beats)

    def structure(self) -> Structure:
        return requantize_structure(self)

    def foldings(self, lanes: LaneCounts = divisors) -> Iterator[dict[str, int]]:
        for pe in lanes(self.shape[-1]):
            yield {"pe": pe}
