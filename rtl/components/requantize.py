"""Requantize: from integers to codes."""

from typing import ClassVar

import numpy as np
from amaranth import Cat, Const, Module, Signal, Value, signed

import dataflow
from rtl.components._component import NodeComponent
from rtl.components._pieces import PieceReader
from rtl.components._saturated import saturated
from rtl.components._storage import packed, read_only
from rtl.steps import delayed, ends_vector, issue_steps

__all__ = ["Requantize"]


class Requantize(NodeComponent[dataflow.Requantize]):
    """Codes of numbers: ``o[c] = clip((multipliers[c, p]*i[c] + offsets[c, p]) >> shift)``, or ``table[c, i[c]]``.

    `p` is the number of ``starts[c]`` that are at most ``i[c]``; inert lanes give 0.

    Throughput one beat per cycle. Latency 2 cycles for a table and for comparisons with constants, 3 for others. Then a
    multiplication and a sum take one each, and so does saturation if there is any. With a single piece, reading its
    values takes one cycle instead of the comparison's two or three.

    Parameters
    ----------
    node : dataflow.Requantize

    Members
    -------
    i : ``In(stream.Signature(payload))``
        Beats of `pe` numbers.
    o : ``Out(Reserved(payload))``
        Beats of `pe` codes.
    """

    kind: ClassVar = dataflow.Requantize

    def elaborate(self, platform: object) -> Module:
        m, node = Module(), self.node
        issue = Signal()
        issue_steps(m, self, issue, consumes=Const(1), emits=Const(1))
        reader = PieceReader(m, node, issue, self.i.payload)
        match node.form:
            case "table":
                codes = self._looked_up(m, reader)
            case "lines":
                codes = self._lines(m, reader)
            case _:
                codes = self._steps(m, reader)
        self._clear_inert(m, codes, issue)
        m.d.comb += [self.o.payload[k].eq(code) for k, code in enumerate(codes)]
        return m

    def _clear_inert(self, m: Module, codes: list[Value], issue: Signal) -> None:
        """Set the codes of inert lanes to 0. Functions by channel have none there and give 0 by themselves."""
        (stream,) = self.node.output_streams
        if stream.inert and self.node.rows == 1:
            last = ends_vector(m, issue, stream)
            if self.node.latency > 1:
                last = delayed(m, last, self.node.latency - 1, name="last")[-1]
            with m.If(last):
                m.d.sync += [code.eq(0) for code in codes[-stream.inert :]]

    def _looked_up(self, m: Module, reader: PieceReader) -> list[Value]:
        """Read a table in the first cycle, which has all numbers of the lane's channels."""
        node, codes = self.node, []
        assert node.table is not None
        # The order of the numbers' bits, in which negative numbers come last.
        tables = node.by_group(np.roll(node.table, node.element.minimum, axis=1))
        for k in range(node.pe):
            words = [packed([code], node.result.width) for code in tables[:, k].ravel().tolist()]
            address = Cat(self.i.payload[k], reader.group(0)) if node.groups > 1 else self.i.payload[k].as_unsigned()
            code = Signal(self.o.payload[k].shape(), name=f"code_{k}", reset_less=True)
            m.d.sync += code.eq(read_only(m, f"table_{k}", words, node.result.width, address))
            codes.append(code)
        return codes

    def _steps(self, m: Module, reader: PieceReader) -> list[Value]:
        """Return the codes of pieces."""
        node = self.node
        codes = reader.selected("code", node.pieces.offsets, node.latency)
        if node.pieces.count > 1 or node.groups > 1:
            return codes
        held = [Signal(self.o.payload[k].shape(), name=f"code_{k}", reset_less=True) for k in range(node.pe)]
        m.d.sync += [register.eq(code) for register, code in zip(held, codes, strict=True)]
        return held

    def _lines(self, m: Module, reader: PieceReader) -> list[Value]:
        """Multiply, add, and saturate after the shift, with a register between any two of them."""
        node, codes = self.node, []
        cycle, width = node.selecting, node.sum_width
        numbers = reader.numbers(cycle)
        multipliers = reader.selected("multiplier", node.wrapped(node.pieces.multipliers), cycle)
        offsets = reader.selected("offset", node.wrapped(node.pieces.offsets), cycle + 1)
        for k in range(node.pe):
            # What a product lacks above the width of the sum does not change the sum.
            product = Signal(signed(width), name=f"product_{k}", reset_less=True)
            total = Signal(signed(width), name=f"total_{k}", reset_less=True)
            m.d.sync += [product.eq(numbers[k] * multipliers[k]), total.eq(product + offsets[k])]
            codes.append(self.shifted(m, total, k))
        return codes

    def shifted(self, m: Module, total: Signal, k: int) -> Value:
        """Return the code of a sum."""
        rounded = total.shift_right(self.node.shift)
        return saturated(m, rounded, self.node.result, str(k)) if self.node.saturates else rounded
