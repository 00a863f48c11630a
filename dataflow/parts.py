"""The parts of a unit of hardware, and counting them.

They are counted as `rtl.components` builds them: adders, registers, counters, memories. Each node kind counts its own
parts (`Node.structure`); those of a FIFO are counted here. The price of a part in a device family is fitted to
synthesis, see `dataflow.cost`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dataflow.elements import Element
from dataflow.logic import Adders, Groups, Mux, Ring, Rom
from dataflow.storage import in_luts, in_registers
from dataflow.streams import Stream

__all__ = ["Parts", "Structure", "compared_bits", "fifo_structure", "number_bits"]


@dataclass(frozen=True)
class Structure:
    """The parts of a unit.

    Parameters
    ----------
    kind : kind of the unit, whose prices apply
    parts : number of parts of each kind that takes LUTs
    registers : flip-flops
    roms : read-only memories in LUTs
    groups : groups of bits that are counted
    sums : sums of numbers
    rings : shifting registers
    muxes : multiplexers
    constants : bits of constants with which numbers are compared
    weight_memories : (depth, width) of block RAMs that hold weights
    read_only : (depth, width) of the other read-only block RAMs
    memories : (depth, width) of writable memories
    one_port : whether writable memories are read and written at the same word
    multipliers : (width, width) of multiplications
    product_registers : flip-flops at multiplications, which are part of the DSP blocks of some families
    """

    kind: str
    parts: Mapping[str, float]
    registers: int
    roms: tuple[Rom, ...] = ()
    groups: tuple[Groups, ...] = ()
    sums: tuple[Adders, ...] = ()
    rings: tuple[Ring, ...] = ()
    muxes: tuple[Mux, ...] = ()
    constants: tuple[int, ...] = ()
    weight_memories: tuple[tuple[int, int], ...] = ()
    read_only: tuple[tuple[int, int], ...] = ()
    memories: tuple[tuple[int, int], ...] = ()
    one_port: bool = False
    multipliers: tuple[tuple[int, int], ...] = ()
    product_registers: int = 0


@dataclass
class Parts:
    """Collects the parts of a `Structure`."""

    parts: Counter[str] = field(default_factory=Counter)
    registers: int = 0
    roms: list[Rom] = field(default_factory=list)
    groups: list[Groups] = field(default_factory=list)
    sums: list[Adders] = field(default_factory=list)
    rings: list[Ring] = field(default_factory=list)
    muxes: list[Mux] = field(default_factory=list)
    constants: list[int] = field(default_factory=list)
    blocks: list[tuple[int, int]] = field(default_factory=list)
    memories: list[tuple[int, int]] = field(default_factory=list)
    product_registers: int = 0

    def add(self, **parts: float) -> None:
        self.parts.update(parts)

    def count(self, *periods: int) -> None:
        """Add counters with the given periods."""
        for period in periods:
            bits = (period - 1).bit_length()
            self.add(counter_bits=bits, odd_counter_bits=bits if period & (period - 1) else 0)
            self.registers += bits

    def read_only(self, depth: int, width: int, words: Callable[[], np.ndarray], *, luts: bool | None = None) -> float:
        """Add a read-only memory of `depth` words of `width` bits; return the fraction of its bits that is constant.

        Parameters
        ----------
        words : returns its bits, (depth, width); called only if columns may be equal
        luts : whether it is made of LUTs rather than of block RAM; None for what `in_luts` says
        """
        luts = in_luts(depth, width) if luts is None else luts
        columns, fixed = width, 0.0
        if depth <= 8 and luts:
            kinds = np.bincount(np.packbits(words(), axis=0, bitorder="little").ravel(), minlength=1 << depth)
            columns, fixed = int(np.count_nonzero(kinds[1:-1])), float(kinds[0] + kinds[-1]) / width
        elif depth <= 8 or width <= 64 or luts:
            bits = words()
            moving = bits[:, (bits != bits[0]).any(axis=0)]
            columns = moving.shape[1]
            fixed = 1 - columns / width
            if luts:
                columns = len({column.tobytes() for column in np.packbits(moving, axis=0).T})
        if depth == 1 or not columns:
            return 1.0
        if luts:
            self.roms.append(Rom(depth, columns))
            self.registers += columns
        else:
            self.blocks.append((depth, columns))
        return fixed

    def written(self, depth: int, width: int) -> None:
        """Add a writable memory."""
        self.memories.append((depth, width))

    def watch_inert(self, stream: Stream) -> None:
        """Add the counter that finds the last beat of a vector with inert lanes, whose registers are reset then."""
        if stream.inert:
            self.count(stream.vector_beats)
            self.registers += 1

    def held_vector(self, folds: int, width: int, *, repeated: bool) -> None:
        """Add a held vector of `folds` beats of `width` bits.

        Parameters
        ----------
        repeated : whether it is read more than once
        """
        if repeated and folds > 1:
            self.add(held_bits=width)
        if in_registers(folds, width):
            self.rings.append(Ring(folds, width))
            return
        self.registers += width + 1
        self.written(folds, width)

    def choose(self, inputs: np.ndarray, width: int, kinds: int = 8) -> None:
        """Add multiplexers with the given numbers of inputs, each `width` bits wide.

        Parameters
        ----------
        kinds : values of what chooses; more than four are alike
        """
        counts, bits = np.bincount(np.maximum(inputs, 1)), min(3, (kinds - 1).bit_length())
        self.muxes += [Mux(size, width * int(count), bits) for size, count in enumerate(counts) if size > 1 and count]

    def total(self, operands: Sequence[int], width: int, copies: int, multiplied: int = 0) -> None:
        """Add `copies` registered sums of `width` bits, of operands with the given widths.

        Parameters
        ----------
        multiplied : see `Adders`
        """
        self.registers += copies * width
        if len(operands) > 1:
            self.sums.append(Adders(len(operands), sorted(operands)[-2], width, copies, multiplied))

    def structure(self, kind: str, **fields: Any) -> Structure:
        return Structure(
            kind,
            dict(self.parts),
            self.registers,
            tuple(self.roms),
            tuple(self.groups),
            tuple(self.sums),
            tuple(self.rings),
            tuple(self.muxes),
            tuple(self.constants),
            memories=tuple(self.memories),
            product_registers=self.product_registers,
            **fields,
        )


def fifo_structure(width: int, depth: int) -> Structure:
    """Return the parts of a FIFO of `depth` words of `width` bits."""
    found = Parts()
    found.count(depth + 1)
    found.registers += 1
    if in_registers(depth, width):
        found.registers += depth * (width + 1)
        found.add(moving_bits=(depth - 1) * width, slots=depth)
        return found.structure("Fifo.registers")
    found.count(depth, depth, depth + 1)
    found.registers += 2 + width
    found.add(fresh_bits=width)
    found.written(depth, width)
    return found.structure("Fifo.memory")


def number_bits(words: np.ndarray, width: int) -> np.ndarray:
    """Return the bits of words that consist of numbers, (depth, numbers * width)."""
    return ((words[:, :, None] >> np.arange(width)) & 1).reshape(len(words), -1)


def compared_bits(element: Element, limit: int) -> int:
    """Return the bits of a number that are compared with a limit: those below the limit's lowest 1 do not matter."""
    if limit <= element.minimum or limit > element.maximum:
        return 0
    return element.width - ((limit & -limit).bit_length() - 1) if limit else 1
