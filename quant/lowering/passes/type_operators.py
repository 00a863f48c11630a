"""Every operator of the file becomes a constant, or a typed operation with a shape."""

from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np

from dataflow import InputError
from quant.lowering.exact.numbers import Constant
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import NonRational, Operation, Operator, Rearrangement, Refused, parameter_name
from quant.lowering.reading.constants import CONSTANT_OPERATORS, evaluate, fold_operator
from quant.lowering.reading.elementwise import ELEMENTWISE, QUANTIZERS
from quant.lowering.reading.normal_forms import normal
from quant.lowering.reading.rearrangements import REARRANGEMENTS
from quant.lowering.reading.resizing import resized_order
from quant.lowering.reading.signatures import (
    NON_RATIONAL,
    check_cast,
    check_operands,
    concatenated_shape,
    non_rational_shape,
    product_shape,
    refusal_of,
    shown_shape,
    taken_axes,
)
from quant.lowering.reading.sizes import MOST_NUMBERS, check_size
from quant.lowering.reading.transposed import subpixel_of
from quant.lowering.reading.windows import (
    conv_shape,
    further_channels,
    pad_sides,
    read_average,
    read_pad,
    read_pool,
    strided_pool,
)
from quant.lowering.refusals import NotLowerableError

__all__ = ["type_operators"]

#: Rearrangement operators whose further operands are sizes or axes.
_WITH_SHAPES = {"Reshape", "Split", "Squeeze", "Tile", "Unsqueeze"}
#: Operators on constants that only move numbers, so that they may move those of a tensor too.
_MOVING = {"Expand", "Gather", "Slice"}
_WINDOWED = {"AveragePool", "Conv", "GlobalAveragePool", "GlobalMaxPool", "MaxPool", "Pad", "ReduceMax", "ReduceMean"}


def type_operators(graph: Graph) -> Graph:
    """Return the graph whose operations are typed and whose tensors have shapes; what is constant is computed.

    An operator that is not supported, or whose operands do not fit it, is refused.

    Raises
    ------
    NotLowerableError
        An operator is refused, and the shape of what it makes, and so of the output, is not known.
    """
    typer = _Typer(graph)
    for operation in graph.operations:
        assert isinstance(operation, Operator)
        typer.type(operation)
    for end in graph.ends:
        if end.tensor in typer.constants:
            typer.refusals.append(f"Output {end.name!r} of the model must depend on its input, not be a constant")
    if any(end.tensor not in typer.shapes for end in graph.ends):
        raise NotLowerableError(typer.refusals)
    return graph.with_operations(
        tuple(typer.kept), shapes=typer.shapes, constants=typer.constants, refusals=tuple(typer.refusals)
    )


class _Typer:
    """The graph as far as it is typed.

    Attributes
    ----------
    unknown : tensors that a refused operator makes, or that depend on one, of which not even the shape is known
    unknown_constants : the same for constants, such as the shape of an unknown tensor
    """

    def __init__(self, graph: Graph) -> None:
        self.constants = dict(graph.constants)
        self.shapes = dict(graph.shapes)
        self.opset = graph.opset
        self.inferred_shapes = graph.inferred_shapes
        self.kept: list[Operation] = []
        self.unknown: set[str] = set()
        self.unknown_constants: set[str] = set()
        self.refusals = list(graph.refusals)

    def type(self, operator: Operator) -> None:
        """Add what an operator is, or note why it is refused."""
        if (self.unknown | self.unknown_constants).intersection(operator.inputs):
            self._refuse(operator)
            return
        try:
            self._check_tensors(operator)
            self._type(operator)
        except InputError as error:
            self.refusals.append(str(error))
            self._refuse(operator)

    def _refuse(self, operator: Operator) -> None:
        """Take what an operator makes for unknown, but for its shape where that can be found."""
        name = operator.output
        if name in self.constants or name in self.shapes:
            return
        reads = tuple(each for each in operator.inputs if each in self.shapes)
        if operator.kind == "Shape" or not (reads or self.unknown.intersection(operator.inputs)):
            self.unknown_constants.add(name)
            return
        shape = self.inferred_shapes().get(name, ())
        possible = 0 < prod(shape) <= MOST_NUMBERS  # else it is what was refused
        if (
            not shape or not possible or (len(shape) > 1 and shape[0] != 1)
        ):  # another batch than the model's own is a guess gone wrong
            self.unknown.add(name)
        else:
            self._keep(Refused(operator.name, name, reads), shape)

    def _check_tensors(self, operator: Operator) -> None:
        check_operands(operator, self.opset)
        for name in operator.inputs:
            if name not in self.constants and name not in self.shapes:
                raise InputError(
                    f"Node {operator.name!r} ({operator.kind}) must read tensors that are made before it, not {name!r}"
                )
        if operator.output in self.constants or operator.output in self.shapes:
            raise InputError(
                f"Node {operator.name!r} ({operator.kind}) must write a tensor of its own, "
                f"not {operator.output!r} again"
            )

    def _type(self, operator: Operator) -> None:
        constant = all(name in self.constants for name in operator.inputs)
        if operator.kind == "Shape":
            self._shape(operator)
        elif operator.kind in CONSTANT_OPERATORS and constant:
            operands = [self.constants[name] if name else None for name in operator.operands]
            self.constants[operator.output] = fold_operator(operator, operands)
        elif operator.kind == "Where":
            self._where(operator)
        elif operator.kind in ELEMENTWISE or operator.kind in QUANTIZERS:
            self._elementwise(operator, constant)
        elif operator.kind in REARRANGEMENTS:
            self._rearrangement(operator, constant)
        elif operator.kind == "Concat" and not constant:
            self._concat(operator)
        elif operator.kind in _MOVING and operator.operands[0] in self.shapes:
            self._moving(operator)
        elif operator.kind in {"Resize", "Upsample"} and operator.operands[0] in self.shapes:
            self._resize(operator)
        elif operator.kind == "ConvTranspose" and operator.operands[0] in self.shapes:
            self._transposed(operator)
        elif operator.kind in {"Gemm", "MatMul"} and not constant:
            self._keep(operator, product_shape(operator, [self._shape_of(name) for name in operator.inputs]))
        elif operator.kind in _WINDOWED and operator.operands[0] in self.shapes:
            self._window(operator)
        elif operator.kind == "TopK" and operator.operands[0] in self.shapes:
            self._top(operator)
        elif operator.kind in NON_RATIONAL and not constant:
            self._non_rational(operator)
        else:
            raise InputError(refusal_of(operator, constant=constant))

    def _keep(self, operation: Operation, shape: tuple[int, ...]) -> None:
        if 0 in shape:
            raise InputError(f"Node {operation.name!r} must make at least one number, not {shown_shape(shape)} of them")
        check_size(f"Output of node {operation.name!r}", shape)
        self.kept.append(operation)
        self.shapes[operation.output] = shape

    def _shape_of(self, name: str) -> tuple[int, ...]:
        return self.shapes[name] if name in self.shapes else self.constants[name].shape

    def _shape(self, operator: Operator) -> None:
        start, end = operator.attributes.get("start", 0), operator.attributes.get("end", None)
        sizes = self._shape_of(operator.operands[0])[start:end]
        self.constants[operator.output] = Constant(np.array(sizes, np.float64))

    def _elementwise(self, operator: Operator, constant: bool) -> None:
        element, added = normal(operator, self.constants, self.shapes)
        shapes = [added[name].shape if name in added else self._shape_of(name) for name in element.inputs]
        try:
            shape = np.broadcast_shapes(*shapes)
        except (ValueError, RuntimeError) as error:  # numpy has at most 32 dimensions here
            raise InputError(
                f"Operands of node {operator.name!r} ({operator.kind}) must broadcast, "
                f"not {' and '.join(map(shown_shape, shapes))}"
            ) from error
        if constant:
            check_size(f"Output of node {operator.name!r}", shape)
            known = self.constants | added
            operands = [known[name] if name else None for name in element.operands]
            self.constants[operator.output] = evaluate(element, operands)
        else:
            self.constants |= added
            self._keep(element, shape)

    def _where(self, operator: Operator) -> None:
        """Take a choice as ``condition * (one - other) + other``: a condition is 0 or 1."""
        condition, one, other = operator.operands
        difference, product = (parameter_name(operator.output, each) for each in ("difference", "product"))
        self._type(replace(operator, kind="Sub", output=difference, operands=(one, other)))
        self._type(replace(operator, kind="Mul", output=product, operands=(condition, difference)))
        self._type(replace(operator, kind="Add", operands=(product, other)))

    def _rearrangement(self, operator: Operator, constant: bool) -> None:
        if operator.kind == "Cast":
            check_cast(operator)
        if operator.kind == "Dropout":
            self._check_evaluation(operator)
        source, *rest = operator.operands
        arguments: list[list[int] | None] = []
        for name in rest if operator.kind in _WITH_SHAPES else ():
            arguments.append(self._integers(operator, name) if name else None)

        def arrange(values: np.ndarray) -> np.ndarray:
            try:
                return REARRANGEMENTS[operator.kind](values, arguments, operator.attributes)
            except (ValueError, IndexError, OverflowError) as error:
                raise InputError(
                    f"Node {operator.name!r} ({operator.kind}) must fit its input of {shown_shape(values.shape)}, "
                    f"not be given: {error}"
                ) from error

        if constant:
            self.constants[operator.output] = self.constants[source].map(arrange)
            return
        shape = self.shapes[source]
        order = arrange(np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape))
        self._keep(Rearrangement(operator.name, operator.output, source, order), order.shape)

    def _check_evaluation(self, operator: Operator) -> None:
        """Refuse a Dropout that is at work; without attribute and operand it is not."""
        mode = operator.operands[2] if len(operator.operands) > 2 else ""
        off = mode == "" or (mode in self.constants and not self.constants[mode].floats().any())
        if not off or operator.attributes.get("is_test", 1) == 0:
            raise InputError(
                f"Node {operator.name!r} (Dropout) must be in evaluation mode: export the model after eval()"
            )

    def _integers(self, operator: Operator, name: str) -> list[int]:
        if name not in self.constants:
            raise InputError(
                f"Operand {name!r} of node {operator.name!r} ({operator.kind}) must be a constant, "
                "not computed from the input"
            )
        try:
            return self.constants[name].integers()
        except ValueError as error:
            raise InputError(
                f"Operand {name!r} of node {operator.name!r} ({operator.kind}) must be integers, not others"
            ) from error

    def _window(self, operator: Operator) -> None:
        image = self.shapes[operator.operands[0]]
        if operator.kind in {"GlobalMaxPool", "MaxPool"}:
            self._keep(*read_pool(operator, image))
        elif operator.kind in {"AveragePool", "GlobalAveragePool"}:
            self._keep(*read_average(operator, image))
        elif operator.kind in {"ReduceMax", "ReduceMean"}:
            self._reduce(operator, image)
        elif operator.kind == "Pad":
            self._pad(operator, image)
        else:
            self._keep(operator, conv_shape(operator, self._shape_of(operator.operands[1]), image))

    def _moving(self, operator: Operator) -> None:
        """Take a Slice of every n-th row and column as a pool of size 1, any other and all that repeat as they are."""
        source = operator.operands[0]
        shape = self.shapes[source]
        given = [self.constants.get(name) for name in operator.operands[1:]]
        for name in operator.operands[1:]:
            if name:
                self._integers(operator, name)
        numbers = Constant(np.arange(prod(shape), dtype=np.float64).reshape(shape))
        order = fold_operator(operator, [numbers, *given]).values.astype(np.int64)
        pool = strided_pool(operator, shape, order)
        self._keep(pool or Rearrangement(operator.name, operator.output, source, order), order.shape)

    def _resize(self, operator: Operator) -> None:
        source, *further = operator.operands
        # Upsample has its scales where Resize has had a region of interest since opset 11.
        first = operator.kind == "Upsample" or self.opset < 11
        scales, sizes = ["", *further, "", ""][1:3] if first else [*further, "", "", ""][1:3]
        sizes = "" if first else sizes
        for name in filter(None, (scales, sizes)):
            if name not in self.constants:
                raise InputError(
                    f"Operand {name!r} of node {operator.name!r} ({operator.kind}) must be a constant, "
                    "not computed from the input"
                )
        factors = self.constants[scales].exact() if scales else None
        listed = list(operator.attributes["scales"]) if "scales" in operator.attributes else None
        given = list(factors.values.ravel()) if factors is not None and factors.values.size else listed
        order = resized_order(
            operator,
            self.shapes[source],
            None if given is None else [Fraction(each) for each in given],
            self._integers(operator, sizes) if sizes else None,
            self.opset,
        )
        self._keep(Rearrangement(operator.name, operator.output, source, order), order.shape)

    def _transposed(self, operator: Operator) -> None:
        """Take a ConvTranspose as a Conv with the neurons of all phases, whose channels then become pixels."""
        source, weights, *bias = operator.operands
        for name in (weights, *filter(None, bias)):
            if name not in self.constants:
                raise InputError(
                    f"Weights and bias of node {operator.name!r} (ConvTranspose) must be constant, "
                    "not computed from the input"
                )
        made = subpixel_of(operator, self.constants[weights], self.shapes[source])
        subpixels, pixels, matrix, numbers = (
            parameter_name(operator.output, each) for each in ("subpixels", "pixels", "weights", "bias")
        )
        self.constants[matrix] = made.weights
        operands: tuple[str, ...] = (source, matrix)
        if bias and bias[0]:
            count = int(made.neuron_of.max()) + 1
            given = self.constants[bias[0]]
            if given.shape != (count,):
                raise InputError(
                    f"Bias of node {operator.name!r} must be one number for each of its {count} neurons, "
                    f"not {shown_shape(given.shape)}"
                )
            self.constants[numbers] = given.map(lambda values: values[made.neuron_of])
            operands = (*operands, numbers)
        attributes = {"group": operator.attributes.get("group", 1), "pads": made.pads}
        conv = Operator(operator.name, subpixels, "Conv", operands, attributes)
        self._keep(conv, conv_shape(conv, made.weights.shape, self.shapes[source]))
        whole = np.array_equal(made.cut.ravel(), np.arange(made.pixels.size))
        output = operator.output if whole else pixels
        self._keep(Rearrangement(f"{operator.name}_pixels", output, subpixels, made.pixels), made.pixels.shape)
        if not whole:
            self._keep(Rearrangement(f"{operator.name}_cut", operator.output, pixels, made.cut), made.cut.shape)

    def _pad(self, operator: Operator, image: tuple[int, ...]) -> None:
        """Take rows and columns around an image as a Pad, and channels as a Conv of size 1 after it.

        What negative pads take off is left out before that.
        """
        sides, number = pad_sides(operator, image, self.constants)
        source = operator.operands[0]
        if sides.min() < 0:
            kept = tuple(
                slice(-min(0, a), size + min(0, b)) for size, (a, b) in zip(image, sides.T.tolist(), strict=True)
            )
            order, sides = np.arange(prod(image)).reshape(image)[kept], np.maximum(sides, 0)
            output = parameter_name(operator.output, "cut") if sides.any() else operator.output
            self._keep(Rearrangement(operator.name, output, source, order), order.shape)
            if not sides.any():
                return
            source, image, operator = output, order.shape, replace(operator, operands=(output, *operator.operands[1:]))
        before, after = (np.full(int(count), number.item(), object) for count in sides[:, 1])
        if sides[:, 2:].any() or not sides.any():
            pad, image = read_pad(operator, image, sides, number)
            if not sides[:, 1].any():
                self._keep(pad, image)
                return
            source = parameter_name(operator.output, "padded")
            self._keep(replace(pad, output=source), image)
        self._add_channels(operator, source, image, before, after)

    def _add_channels(
        self, operator: Operator, source: str, image: tuple[int, ...], before: np.ndarray, after: np.ndarray
    ) -> None:
        names = tuple(parameter_name(operator.output, each) for each in ("weights", "bias"))
        self.constants |= dict(zip(names, map(Constant.of, further_channels(image, before, after)), strict=True))
        shape = (image[0], len(before) + image[1] + len(after), *image[2:])
        self._keep(Operator(operator.name, operator.output, "Conv", (source, *names), {}), shape)

    def _concat(self, operator: Operator) -> None:
        """Take constant channels before and after the others as a Conv of size 1."""
        shapes = [self._shape_of(name) for name in operator.operands]
        shape = concatenated_shape(operator, shapes)
        computed = [index for index, name in enumerate(operator.operands) if name in self.shapes]
        if len(computed) == len(operator.operands):
            self._keep(operator, shape)
            return
        first, last = computed[0], computed[-1] + 1
        if last - first > len(computed) or len(shape) not in {3, 4}:
            raise InputError(
                f"Node {operator.name!r} (Concat) must put constant channels before or after those of images, "
                "not between them, or beside vectors: leave them out"
            )
        before, after = (
            np.concatenate([np.zeros(0, object), *(self._channel_numbers(operator, name) for name in part)])
            for part in (operator.operands[:first], operator.operands[last:])
        )
        source, image = operator.operands[first], shapes[first]
        if last - first > 1:
            source = parameter_name(operator.output, "channels")
            joined = replace(operator, output=source, operands=operator.operands[first:last])
            image = concatenated_shape(joined, shapes[first:last])
            self._keep(joined, image)
        self._add_channels(operator, source, image, before, after)

    def _channel_numbers(self, operator: Operator, name: str) -> np.ndarray:
        """Return the number of each constant channel, (channels,)."""
        constant = self.constants[name]
        numbers = constant.exact().values.reshape(constant.shape[1], -1)
        axis = operator.attributes.get("axis", 1)
        if axis % len(constant.shape) != 1 or (numbers != numbers[:, :1]).any():
            raise InputError(
                f"Constant {name!r} of node {operator.name!r} (Concat) must be channels of one number each, "
                "not numbers that differ by row or column: leave it out"
            )
        return np.asarray(numbers[:, 0])

    def _reduce(self, operator: Operator, image: tuple[int, ...]) -> None:
        """Take a mean or maximum over rows and columns as a pool, and leave them out by a rearrangement after it."""
        rank, named = len(image), [name for name in operator.operands[1:] if name]
        given = self._integers(operator, named[0]) if named else None
        axes = given or operator.attributes.get("axes", range(rank))
        if {axis + rank if axis < 0 else axis for axis in axes} != set(range(2, rank)):
            raise InputError(
                f"Axes of node {operator.name!r} ({operator.kind}) must be all rows and columns of an image, "
                f"{tuple(range(2, rank))}, not {tuple(axes)}"
            )
        read = read_pool if operator.kind == "ReduceMax" else read_average
        pool, shape = read(operator, image)
        if operator.attributes.get("keepdims", 1):
            self._keep(pool, shape)
            return
        pixels = parameter_name(operator.output, "pixels")
        self._keep(replace(pool, output=pixels), shape)
        self._keep(
            Rearrangement(operator.name, operator.output, pixels, np.arange(image[1]).reshape(image[:2])), image[:2]
        )

    def _non_rational(self, operator: Operator) -> None:
        source = operator.operands[0]
        axes = taken_axes(operator, self.shapes[source], self.opset)
        shape = non_rational_shape(operator, self.shapes[source], axes)
        self._keep(NonRational(operator.name, operator.output, source, operator.kind, axes), shape)

    def _top(self, operator: Operator) -> None:
        """Take a TopK of one number as an ArgMax."""
        largest = operator.attributes.get("largest", 1)
        count = self._integers(operator, operator.operands[1])
        if count != [1] or not largest:
            found = f"the {count[0] if count else 0} {'highest' if largest else 'lowest'}"
            raise InputError(
                f"Node {operator.name!r} (TopK) must find the one highest number, not {found}: "
                "leave it out, and sort the scores themselves (outputs 'scores')"
            )
        attributes = {"axis": operator.attributes.get("axis", -1), "keepdims": 1}
        self._non_rational(replace(operator, kind="ArgMax", operands=operator.operands[:1], attributes=attributes))
