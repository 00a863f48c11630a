"""The terms of a MatrixVector: what each lane adds to a sum. `dataflow.nodes._terms` derives the forms."""

from amaranth import Module, Mux, Signal, Value, signed

from dataflow.nodes import Terms

__all__ = ["term"]


def term(m: Module, terms: Terms, number: Value, weight: Value, *, name: str) -> Value:
    """Return the term of a lane, after `terms.stages` cycles.

    Parameters
    ----------
    number : a number of the vector
    weight : the bits of its weight
    name : suffix of the names of signals
    """
    assert terms.form != "matches"
    if terms.form == "signs":
        inverted = Signal(signed(terms.element.width), name=f"minus_{name}")
        m.d.comb += inverted.eq(weight.replicate(terms.element.width) ^ ~0)
        return number ^ inverted
    if terms.form == "products":
        left = Signal.like(number, name=f"number_{name}", reset_less=True)
        right = Signal(signed(len(weight)), name=f"weight_{name}", reset_less=True)
        m.d.sync += [left.eq(number), right.eq(weight)]
        value = left * right
    else:
        value = (_masks if terms.form == "masks" else _digits)(m, terms, number, weight, name)
    found = Signal(signed(terms.element.width), name=f"term_{name}", reset_less=True)
    m.d["sync" if terms.stages else "comb"] += found.eq(value)
    return found


def _masks(m: Module, terms: Terms, number: Value, weight: Value, name: str) -> Value:
    """Return the sum of the weight masked by each bit of the number; the highest of a signed one counts negative."""
    parts = [_masked(m, weight.as_signed(), bit, f"{name}_{place}") << place for place, bit in enumerate(number)]
    *others, highest = parts
    return sum(others, -highest if terms.operand.signed else highest)


def _digits(m: Module, terms: Terms, number: Value, weight: Value, name: str) -> Value:
    """Return the sum of the number times each digit of the weight, less the unit that a negative weight lacks."""
    *lower, one, negative = weight
    digit = Signal(signed(len(number) + 1 + (not terms.operand.signed)), name=f"digit_{name}")
    chosen = Mux(one, number, 0)
    if terms.span[0] < -terms.unit:
        chosen = Mux(negative & ~one, number << 1, chosen)
    m.d.comb += digit.eq(chosen ^ negative.replicate(len(digit)).as_signed())
    parts = [_masked(m, number, bit, f"{name}_{place}") << place for place, bit in enumerate(lower)]
    return sum(parts, digit << len(lower))


def _masked(m: Module, number: Value, bit: Value, name: str) -> Value:
    """Return the number if the bit is 1, else 0."""
    masked = Signal(number.shape(), name=f"masked_{name}")
    m.d.comb += masked.eq(Mux(bit, number, 0))
    return masked
