"""On which numbers each tensor lies, and where a Quant is needed so that every reader can be exact.

A tensor is *common* if all its numbers are whole multiples of one scale (plus a constant), *affine* if those of each
channel are, and a *function* if its numbers are functions of such a tensor, element by element. A layer and an Add read
common tensors, an average affine ones, a quantizer any function. Where a reader gets less, it gets a Quant.
"""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import onnx

from quant.quantizing.signs import Cases, signs_of
from quant.quantizing.view import LAYERS, QUANTIZERS, SIGNS, View, name_of

__all__ = ["Group", "Place", "places_of"]

_AVERAGES = ("AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum")
_SAME = (
    *("MaxPool", "GlobalMaxPool", "ReduceMax", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity"),
    *("Dropout", "Cast", "Slice", "Pad", "Gather", "DepthToSpace", "SpaceToDepth", "Resize", "Upsample", "Split"),
)
_BITS = (*SIGNS, "ArgMax", "Equal")
_LINEAR = ("Add", "Sub", "Mul", "Div", "Neg", "BatchNormalization")

#: Quantizers with fewer codes give an Add no grid that is fine enough for its other operand.
_FINE_BITS = 4

#: Largest ratio of the scales of an Add's operands.
_RATIO = 16

#: How far weights may be from whole multiples of one number, in units of it, that float32 arithmetic left them there.
_ROUNDING = 1e-5


class Kind(IntEnum):
    """How much is known of a tensor's numbers."""

    UNKNOWN = 0
    FUNCTION = 1
    AFFINE = 2
    COMMON = 3


@dataclass(eq=False)
class Group:
    """Tensors with one scale, because they are added.

    Parameters
    ----------
    scale : of the model's own quantizer, or None if it is to be found
    stream : whether an Add reads it
    """

    scale: float | None = None
    stream: bool = False
    joined: "Group | None" = None

    def root(self) -> "Group":
        """Return the group into which this one was joined."""
        return self if self.joined is None else self.joined.root()


@dataclass(frozen=True)
class Grid:
    """The numbers of a tensor: for a common one, multiples of ``factor`` times the scale of its group."""

    kind: Kind
    source: str = ""
    group: Group | None = None
    factor: float = 1.0


@dataclass(eq=False)
class Place:
    """Where a Quant goes.

    Parameters
    ----------
    tensor : what is quantized
    readers : nodes and the places of their inputs that read the quantized tensor
    reason : for people
    group : tensors with the same scale; None for weights
    axis : of the neurons in a tensor of weights, which have a scale each
    of_scores : whether the weights are of the last layer; its neurons have one scale, so that scores are compared as
        integers
    units : of weights that are whole multiples of these, one for each neuron, but for the rounding of float32
    """

    tensor: str
    readers: list[tuple[onnx.NodeProto, int]]
    reason: str
    group: Group | None = None
    axis: int = 0
    of_scores: bool = False
    units: np.ndarray | None = None

    @property
    def of_weights(self) -> bool:
        """Whether a constant is quantized."""
        return self.group is None


@dataclass(eq=False)
class _Walk:
    view: View
    signs: dict[str, Cases]
    grids: dict[str, Grid] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)

    def run(self) -> list[Place]:
        self.grids[self.view.input] = Grid(Kind.COMMON, self.view.input, Group(1 / 255))
        for node in self.view.data_nodes:
            grid = self._grid(node)
            for name in node.output:
                self.grids[name] = grid
        return list(self.places.values())

    def _grid(self, node: onnx.NodeProto) -> Grid:
        operands = self.view.data_inputs(node)
        grids = [self.grids[node.input[place]] for place in operands]
        kind = node.op_type
        sign = self.signs.get(node.output[0])
        if sign is not None and sign.are_two:
            return Grid(Kind.COMMON, node.output[0], Group(abs(float(sign.values[2]) - float(sign.values[0])) / 2))
        if kind in QUANTIZERS or kind in _BITS:
            return self._quantized(node)
        if kind == "Where" and operands == [0] and grids[0].kind == Kind.COMMON:
            return self._chosen(node)
        if kind in LAYERS:
            return self._layer(node, operands)
        if kind in _AVERAGES:
            grid = grids[0] if grids[0].kind >= Kind.AFFINE else self._insert(node, operands[0], "is averaged")
            return Grid(grid.kind, node.output[0], grid.group, grid.factor / self._averaged(node))
        if kind in _SAME:
            return grids[0]
        if kind == "Concat":
            return self._concatenated(node, operands)
        if kind in ("Add", "Sum") and len(operands) > 1 and len({grid.source for grid in grids}) > 1:
            return self._added(node, operands)
        if len({grid.source for grid in grids}) > 1:
            return Grid(Kind.UNKNOWN, node.output[0])
        if kind in _LINEAR and len(operands) == 1 and grids[0].kind >= Kind.AFFINE:
            return self._scaled(node, grids[0])
        return Grid(Kind.FUNCTION if grids[0].kind else Kind.UNKNOWN, grids[0].source)

    def _quantized(self, node: onnx.NodeProto) -> Grid:
        """Return the grid of a quantizer of the model's own."""
        name = node.output[0]
        if node.op_type in _BITS:
            return Grid(Kind.COMMON, name, Group(1.0))
        scales = self.view.constants.get(node.input[1]) if len(node.input) > 1 else np.ones(1)
        if node.op_type == "MultiThreshold":
            scales = np.array([next((each.f for each in node.attribute if each.name == "out_scale"), 1.0)])
        if scales is None or np.size(scales) != 1 or float(np.ravel(scales)[0]) <= 0:
            return Grid(Kind.AFFINE, name)  # an Add of numbers that fall with the codes is refused
        return Grid(Kind.COMMON, name, Group(float(np.ravel(scales)[0])))

    def _chosen(self, node: onnx.NodeProto) -> Grid:
        """Return the grid of one of two constants, as exporters write a sign."""
        one, two = (self.view.constants[name] for name in node.input[1:])
        if np.size(one) == np.size(two) == 1:
            step = abs(float(np.ravel(one)[0]) - float(np.ravel(two)[0])) / 2
            return Grid(Kind.COMMON, node.output[0], Group(step or 1.0))
        return Grid(Kind.AFFINE, node.output[0])

    def _layer(self, node: onnx.NodeProto, operands: list[int]) -> Grid:
        if len(operands) != 1:
            return Grid(Kind.UNKNOWN, node.output[0])
        grid = self.grids[node.input[operands[0]]]
        if grid.kind < Kind.COMMON:
            grid = self._insert(node, operands[0], "is read by a layer")
        weights = node.input[1 if operands[0] == 0 else 0]
        if self.view.constants[weights].ndim < 2:
            return Grid(Kind.UNKNOWN, node.output[0])
        axis = _neurons(node, operands[0], self.view.constants[weights].ndim)
        if not self._are_lowerable(weights, axis):
            units = _units_of(self._rows(weights, axis))
            reason = "are weights of a layer" if units is None else "are multiples of one number but for rounding"
            last = units is None and self._is_last(node)
            self.places.setdefault(weights, Place(weights, [], reason, axis=axis, of_scores=last, units=units))
            self.places[weights].readers.append((node, list(node.input).index(weights)))
            return Grid(Kind.AFFINE, node.output[0])
        sizes = np.unique(np.abs(self.view.constants[weights]))
        if len(sizes) == 1 and grid.group is not None and grid.group.scale is not None:
            return Grid(Kind.COMMON, node.output[0], Group(float(sizes[0]) * grid.group.scale * grid.factor))
        return Grid(Kind.AFFINE, node.output[0])

    def _are_lowerable(self, weights: str, axis: int) -> bool:
        """Return whether weights are quantized: by a quantizer, or as the numbers of the file are."""
        node = self.view.producers.get(weights)
        while node is not None:
            if node.op_type in (*QUANTIZERS, *_BITS, "Where"):
                return True
            names = [name for name in node.input if name in self.view.producers]
            node = self.view.producers[names[0]] if names else None
        return all(_part_of(row, 0.0) for row in self._rows(weights, axis))

    def _rows(self, weights: str, axis: int) -> np.ndarray:
        """Return the sizes of weights, (neurons, synapses) float64."""
        values = self.view.constants[weights]
        return np.abs(np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)).astype(np.float64)

    def _is_last(self, node: onnx.NodeProto) -> bool:
        """Return whether no quantizer and no other layer reads what a layer makes."""
        left, seen = [node], set()
        while left:
            for name in left.pop().output:
                for reader, _ in self.view.readers.get(name, []):
                    if reader.op_type in (*LAYERS, *QUANTIZERS, *_BITS):
                        return False
                    if reader.output[0] not in seen:
                        seen.add(reader.output[0])
                        left.append(reader)
        return True

    def _averaged(self, node: onnx.NodeProto) -> int:
        """Return over how many numbers a window's average goes, if that is known from the node alone."""
        if node.op_type == "AveragePool":
            return int(np.prod(next(each.ints for each in node.attribute if each.name == "kernel_shape")))
        return 1

    def _concatenated(self, node: onnx.NodeProto, operands: list[int]) -> Grid:
        grids = []
        for place in operands:
            grid = self.grids[node.input[place]]
            grids.append(grid if grid.kind >= Kind.AFFINE else self._insert(node, place, "is concatenated"))
        alike = all(_fit(grid, grids[0], 1) for grid in grids)
        return Grid(
            Kind.COMMON if alike else Kind.AFFINE, node.output[0], grids[0].group if alike else None, grids[0].factor
        )

    def _added(self, node: onnx.NodeProto, operands: list[int]) -> Grid:
        """Return the grid of an Add of several tensors, after giving all of them one."""
        grids = [self.grids[node.input[place]] for place in operands]
        if all(_fit(grid, grids[0], _RATIO) for grid in grids):
            return self._sum(node, grids)
        ready = [grid for grid in grids if grid.kind == Kind.COMMON and self._is_fine(grid)]
        group = next((grid.group.root() for grid in ready if grid.group), Group())
        group.stream = True
        found = []
        for place, grid in zip(operands, grids, strict=True):
            if grid in ready and grid.group is not None and _join(grid.group.root(), group):
                found.append(grid)
            else:
                found.append(self._insert(node, place, "is added to another tensor", group))
        return self._sum(node, found)

    def _sum(self, node: onnx.NodeProto, grids: list[Grid]) -> Grid:
        return Grid(Kind.COMMON, node.output[0], grids[0].group, min(grid.factor for grid in grids))

    def _is_fine(self, grid: Grid) -> bool:
        """Return whether a common grid is one to which another tensor can be rounded: not that of a few codes."""
        assert grid.group is not None
        if grid.group.root().scale is None:
            return True
        node = self.view.producers.get(grid.source)
        if node is None or node.op_type not in ("Quant", "IntQuant"):
            return False
        return float(np.ravel(self.view.constants[node.input[3]])[0]) >= _FINE_BITS

    def _scaled(self, node: onnx.NodeProto, grid: Grid) -> Grid:
        """Return the grid after an operator with constants; a division by the tensor itself is no multiple of it."""
        if node.op_type == "Div" and node.input[0] in self.view.constants:
            return Grid(Kind.FUNCTION, grid.source)
        constants = [self.view.constants[name] for name in node.input if name in self.view.constants]
        if (
            grid.kind == Kind.COMMON
            and node.op_type != "BatchNormalization"
            and all(np.size(c) == 1 for c in constants)
        ):
            value = float(np.ravel(constants[0])[0]) if constants else -1.0
            factor = {"Mul": value, "Div": 1 / value if value else 0.0, "Neg": -1.0}.get(node.op_type, 1.0)
            if factor > 0:
                return Grid(Kind.COMMON, grid.source, grid.group, grid.factor * factor)
        return Grid(Kind.AFFINE, grid.source)

    def _insert(self, node: onnx.NodeProto, place: int, reason: str, group: Group | None = None) -> Grid:
        """Note that an input of a node gets a Quant, and return the grid that it then has."""
        tensor = node.input[place]
        known = self.places.get(tensor)
        if known is None:
            known = self.places[tensor] = Place(tensor, [], f"{reason} ({name_of(node)})", group or Group())
        elif group is not None:
            assert known.group is not None
            _join(known.group.root(), group)
        known.readers.append((node, place))
        assert known.group is not None
        return Grid(Kind.COMMON, f"{tensor} quantized", known.group)


def _fit(grid: Grid, other: Grid, most: int) -> bool:
    """Return whether two grids are whole multiples of one another, up to a ratio."""
    if Kind.COMMON not in (grid.kind, other.kind) or grid.kind != other.kind:
        return False
    assert grid.group is not None
    assert other.group is not None
    one, two = grid.group.root(), other.group.root()
    if one is not two and (one.scale is None or two.scale is None):
        return False
    ratio = grid.factor * (one.scale or 1.0) / (other.factor * (two.scale or 1.0))
    ratio = max(ratio, 1 / ratio)
    return ratio <= most and abs(ratio - round(ratio)) < 1e-9


def _join(group: Group, into: Group) -> bool:
    """Let two groups have one scale, and return whether they can."""
    group, into = group.root(), into.root()
    if group is into:
        return True
    if group.scale is not None and into.scale is not None:
        return group.scale == into.scale
    if group.scale is not None:
        group, into = into, group
    into.stream |= group.stream
    group.joined = into
    return True


def _neurons(node: onnx.NodeProto, data: int, dimensions: int) -> int:
    """Return the axis of a layer's weights along which its neurons are."""
    if node.op_type in ("Conv", "ConvTranspose"):
        return 1 if node.op_type == "ConvTranspose" else 0
    transposed = any(each.name == ("transB" if data == 0 else "transA") and each.i for each in node.attribute)
    return dimensions - 2 if bool(data == 0) == transposed else dimensions - 1


def _part_of(row: np.ndarray, tolerance: float) -> int:
    """Return the number of which the least of some sizes is a multiple if all are, up to 127, of its unit; else 0.

    Parameters
    ----------
    tolerance : how far sizes may be from multiples, in units; at 0 what is computed here is exact
    """
    sizes = row[row > 0]
    if len(sizes) == 0:
        return 1
    for part in range(1, 9):
        if sizes.max() * part > 127.5 * sizes.min():
            break
        left = np.fmod(sizes * part, sizes.min()) / sizes.min()
        if np.minimum(left, 1 - left).max() <= tolerance:
            return part
    return 0


def _units_of(rows: np.ndarray) -> np.ndarray | None:
    """Return of what the sizes in each row are nearly multiples, (neurons,) float32; None if they are not."""
    units = np.ones(len(rows), np.float32)
    for index, row in enumerate(rows):
        part = _part_of(row, _ROUNDING)
        if not part:
            return None
        if row.any():
            codes = np.round(row / (row[row > 0].min() / part))
            units[index] = (row * codes).sum() / np.square(codes).sum()
    return units


def places_of(view: View) -> list[Place]:
    """Return where Quant nodes are needed, in the order of the nodes."""
    return _Walk(view, signs_of(view)).run()
