"""Signs that are written with several operators get their name.

A sign of torch or TensorFlow is 0 at 0. Authors who want +1 there write ``where(sign(x) == 0, 1, sign(x))``,
``sign(sign(x) + 0.1)`` or ``sign(x) + (x == 0)``. All of these are functions of three cases, x below, at and above 0.
Where the results of only two cases differ, they are a sign of x with a decision for 0, which is a quantizer.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from quant.lowering.exact.numbers import Constant, Exact
from quant.lowering.exact.surds import Number
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import Elementwise, Operation, Rearrangement, parameter_name
from quant.lowering.reading.elementwise import COMPARISONS, apply

__all__ = ["name_signs"]

#: Operators whose result tells zero from both sides of it.
_TERNARY = ("Equal", "Sign")


@dataclass(frozen=True, eq=False)
class _Cases:
    """A function of the sign of a tensor.

    Parameters
    ----------
    source : the tensor
    values : (3,) below, at and above 0
    ternary : whether it is made of what tells zero from both sides
    """

    source: str
    values: Exact
    ternary: bool

    @property
    def is_sign(self) -> bool:
        """Whether the value at 0 is that of one side, and not that of the other."""
        below, at, above = self.values.values
        return self.ternary and below != above and at in (below, above)


def name_signs(graph: Graph) -> Graph:
    """Return the graph with a BipolarQuant for each sign whose 0 is decided by further operators."""
    cases: dict[str, _Cases] = {}
    operations: list[Operation] = []
    constants, shapes = dict(graph.constants), dict(graph.shapes)
    for operation in graph.operations:
        found = _cases_of(graph, operation, cases)
        if found is not None and found.is_sign and shapes[operation.output] == shapes[found.source]:
            steps = _sign(operation, found, constants)
            shapes |= {step.output: shapes[operation.output] for step in steps}
            operations += steps
            found = _Cases(found.source, found.values, ternary=False)
        else:
            operations.append(operation)
        if found is not None:
            cases[operation.output] = found
    if len(operations) == len(graph.operations) and operations == list(graph.operations):
        return graph
    return graph.needed(tuple(operations), constants=constants, shapes=shapes)


def _cases_of(graph: Graph, operation: Operation, cases: dict[str, _Cases]) -> _Cases | None:
    """Return a tensor as a function of the sign of another, or None."""
    if isinstance(operation, Rearrangement):
        same = (operation.order.ravel() == np.arange(operation.order.size)).all()
        known = cases.get(operation.source)
        whole = graph.shapes[operation.output] == graph.shapes.get(operation.source)
        return known if same and whole else None
    if not isinstance(operation, Elementwise):
        return None
    tensors = [name for name in operation.inputs if name not in graph.constants]
    numbers = {name: _number(graph.constants[name]) for name in operation.inputs if name in graph.constants}
    if None in numbers.values() or not tensors:
        return None
    read = {name: cases[name] for name in tensors if name in cases}
    sources = {each.source for each in read.values()}
    if len(read) < len(set(tensors)) or len(sources) > 1:
        zero = all(number == 0 for number in numbers.values())
        if not (operation.kind == "Sign" or (operation.kind in ("Equal", *COMPARISONS) and zero)):
            return None
        signs = Exact(np.array([Fraction(side) for side in (-1, 0, 1)], object))
        read = {tensors[0]: _Cases(tensors[0], signs, ternary=False)}
    given = {name: each.values for name, each in read.items()}
    given |= {name: Exact(np.array(number, object)) for name, number in numbers.items()}
    values: Exact = apply(operation.kind, [given.get(name) for name in operation.operands], operation.attributes)
    ternary = operation.kind in _TERNARY or any(each.ternary for each in read.values())
    return _Cases(next(iter(read.values())).source, values, ternary)


def _number(constant: Constant) -> Number | None:
    """Return the number that all numbers of a constant are, or None."""
    if constant.size == 1:
        return constant.item()
    same = constant.values.dtype != object and constant.size > 0 and (constant.values == constant.values.flat[0]).all()
    return Fraction(float(constant.values.flat[0])) if same else None


def _sign(operation: Operation, cases: _Cases, constants: dict[str, Constant]) -> list[Operation]:
    """Return a BipolarQuant, with what makes its two numbers of it, in place of the last operator of a sign."""
    below, at, above = cases.values.values
    half = Fraction(1, 2)
    steps: list[Operation] = []

    def step(kind: str, *operands: str | Fraction) -> str:
        names = []
        for operand in operands:
            if isinstance(operand, str):
                names.append(operand)
                continue
            names.append(parameter_name(operation.output, f"constant{len(constants)}"))
            constants[names[-1]] = Constant.of(np.array(operand, object))
        output = parameter_name(operation.output, f"step{len(steps)}")
        steps.append(Elementwise(operation.name, output, kind, tuple(names), {}))
        return output

    upward = at == above  # else 0 is taken with what is below it: the sign of -x, which is +1 at 0, says so
    bits = step("BipolarQuant", cases.source if upward else step("Neg", cases.source), Fraction(1))
    factor, middle = (above - below) * (half if upward else -half), (above + below) * half
    if factor != 1:
        bits = step("Mul", bits, factor)
    if middle != 0:
        step("Add", bits, middle)
    steps[-1] = replace(steps[-1], output=operation.output)
    return steps
