"""Saturation: the nearest number of a narrower type."""

from amaranth import Module, Mux, Signal, Value, signed, unsigned

import dataflow

__all__ = ["saturated"]


def saturated(m: Module, exact: Value, element: dataflow.Element, name: str) -> Signal:
    """Return the register of the number in an element's type that is nearest to an exact signed one.

    The number fits if its excess bits are copies of the element's sign bit or, for an unsigned element, zero.
    """
    total = Signal(signed(max(len(exact), element.width + 1)), name=f"exact_{name}")
    lacking = total[element.width - element.signed :]
    shape = signed(element.width) if element.signed else unsigned(element.width)
    held = Signal(shape, name=f"held_{name}", reset_less=True)
    m.d.comb += total.eq(exact)
    with m.If(~lacking.any() | (lacking.all() & element.signed)):
        m.d.sync += held.eq(total)
    with m.Else():
        m.d.sync += held.eq(Mux(total[-1], element.minimum, element.maximum))
    return held
