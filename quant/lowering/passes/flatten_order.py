"""Everything that moves elements goes: tensors become vectors in the order in which the hardware has them.

The order of the input is H, W, C, that of a layer its neurons'. Every element of a tensor is followed back to the
element that it comes from; parameters are sorted by that, and so are the columns of a weight matrix. So no transpose is
left.

What a convolution makes, and an input that goes into one, is an image: the same happens at every pixel, so its tensors
become vectors of channels. A layer that reads it knows the image and its padding as its `Site`.
"""

from dataclasses import replace
from math import prod

import numpy as np

from dataflow import InputError
from quant.lowering.exact.numbers import Constant
from quant.lowering.graph.arranging import Arranger, image_wiring, is_image, is_permutation
from quant.lowering.graph.ends import End
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import (
    AveragePooling,
    Elementwise,
    Join,
    LinearLayer,
    MaxPooling,
    Operation,
    Operator,
    Pad,
    Rearrangement,
    Refused,
    parameter_name,
)
from quant.lowering.graph.origins import (
    Origin,
    added,
    adds_branches,
    check_unpadded,
    concatenated,
    image_of,
    image_origin,
    image_places,
    image_site,
    permutation,
    scores_of,
)
from quant.lowering.graph.sites import OutsideNumber, Site, Window

__all__ = ["flatten_order"]


def flatten_order(graph: Graph) -> Graph:
    """Return the graph without `Rearrangement` and `Pad`; parameters are () or as long as the tensors' vectors.

    Raises
    ------
    InputError
        Elements that are repeated or left out, branches that meet otherwise than in an Add, or parameters that differ
        within an image.
    """
    return _Flattener(graph).run()


class _Flattener(Arranger):
    """The graph as far as it is flat."""

    def __init__(self, graph: Graph) -> None:
        self.image = _input_image(graph)
        self.channels_last = _is_channels_last(graph)
        super().__init__(graph, Origin(graph.input, _input_places(graph, self.channels_last), Site(self.image)))
        self.constants = dict(graph.constants)
        self.refusals = list(graph.refusals)

    def run(self) -> Graph:
        graph = self.graph
        for operation in graph.operations:
            try:
                self._flatten(operation)
            except InputError as error:
                self.refusals.append(str(error))
                self._refused(Refused(operation.name, operation.output, ()))
        ends = tuple(map(self._end, graph.ends))
        shapes = {name: self.shape_of(origin) for name, origin in self.origins.items()} | self.shapes
        return graph.with_operations(
            tuple(self.kept),
            constants=self.constants,
            shapes=shapes,
            ends=ends,
            image=self.image,
            refusals=tuple(self.refusals),
            frame_shape=graph.shapes[graph.input][1:] if self.channels_last else graph.frame_shape,
        )

    def _end(self, end: End) -> End:
        """Return an output of the model as what a layer or pool makes."""
        if isinstance(self.graph.operation_of(self.origins[end.tensor].tensor), Refused):
            return replace(end, tensor=self.renamed[end.tensor], along=())
        self.arrange(end.tensor)
        tensor = self.renamed[end.tensor]
        try:
            image, chosen = scores_of(self.graph, end, self.origins)
        except InputError as error:
            self.refusals.append(str(error))
            return replace(end, tensor=tensor, along=(), kind="auto")
        return replace(end, tensor=tensor, along=(), image=image, chosen=chosen)

    def _flatten(self, operation: Operation) -> None:
        name = operation.output
        if isinstance(operation, Rearrangement):
            self.rearrange(operation)
        elif isinstance(operation, Pad):
            self.arrange(operation.source)
            source = self.renamed[operation.source]
            site, channels = _padded_by(self.graph, operation, self.origins[operation.source], source)
            self.origins[name] = image_origin(self.graph, name, site, channels)
            self.renamed[name] = source
        elif isinstance(operation, MaxPooling):
            self._max_pool(operation)
        elif isinstance(operation, AveragePooling):
            self._average(operation)
        elif isinstance(operation, LinearLayer):
            self._layer(operation)
        elif isinstance(operation, Elementwise):
            self._elementwise(operation)
        elif isinstance(operation, Operator) and operation.kind == "Concat":
            self._concat(operation)
        else:
            assert isinstance(operation, Refused)
            self._refused(operation)

    def _refused(self, operation: Refused) -> None:
        """Let what follows an operation that cannot be lowered read its tensor as it comes."""
        name = operation.output
        shape = self.graph.shapes[name]
        self.kept.append(Refused(operation.name, name, ()))
        self.renamed[name] = name
        if len(shape) in {3, 4} and shape[0] == 1:
            self.origins[name] = image_origin(self.graph, name, Site(image_of(shape)))
        else:
            self.origins[name] = Origin(name, np.arange(prod(shape)).reshape(shape))

    def _max_pool(self, pool: MaxPooling) -> None:
        self.arrange(pool.source)
        origin = self.origins[pool.source]
        site, channels = image_site(self.graph, pool, origin)
        check_unpadded(pool, origin)
        self._keep_image(replace(pool, source=self.renamed[pool.source], image=site.image), channels)

    def _average(self, average: AveragePooling) -> None:
        self.arrange(average.source)
        origin = self.origins[average.source]
        (site, channels), window = image_site(self.graph, average, origin), average.window
        if site.padding is not None and site.window is not None:
            # A zero outside adds nothing to a sum, so such a padding can be the pool's own.
            if any(window.padding) or site.padding.value.exact().signs().any():
                check_unpadded(average, origin)
            window = replace(window, padding=site.window.padding)
        source = self.renamed[average.source]
        self._keep_image(replace(average, source=source, window=window, image=site.image), channels)

    def _keep_image(self, operation: Operation, channels: np.ndarray) -> None:
        """Keep a pool, which leaves the channels where they are."""
        name = operation.output
        self.kept.append(operation)
        self.renamed[name] = name
        site = Site(image_of(self.graph.shapes[name]))
        self.origins[name] = image_origin(self.graph, name, site, channels)

    def _layer(self, layer: LinearLayer) -> None:
        self.arrange(layer.source)
        origin = self.origins[layer.source]
        shape = self.graph.shapes[layer.output]
        self.renamed[layer.output] = layer.output
        source = self.renamed[layer.source]
        if layer.site.window is None:
            check_unpadded(layer, origin)
            inverse = np.argsort(permutation(self.graph, layer, origin))
            # Column k multiplies element k of the source, which is element places[k] in hardware.
            weights = layer.weights.map(lambda values, order=inverse: values[:, order])  # type: ignore[misc]
            self.kept.append(replace(layer, source=source, weights=weights, site=origin.site))
            self.origins[layer.output] = Origin(layer.output, np.arange(prod(shape)).reshape(shape))
            return
        read, channels = image_site(self.graph, layer, origin)
        if not _groups_as_made(layer.site.groups, channels):
            if origin.site.padding is not None:
                raise InputError(
                    f"Node {origin.site.padding.name!r} (Pad) must pad channels in the groups of node {layer.name!r}, "
                    "not shuffled ones: put it before the shuffle, or into the Conv"
                )
            self.arrange(layer.source, ordered=True)
            read, channels = image_site(self.graph, layer, self.origins[layer.source])
            source = self.renamed[layer.source]
        site = _padded_site(layer, layer.site.window, read, source)
        weights, neurons = _by_made_channel(layer, channels)
        bias = layer.bias and layer.bias.map(lambda values: values[neurons])
        self.kept.append(replace(layer, source=source, site=site, weights=weights, bias=bias))
        image = (*site.positions, shape[1])
        self.origins[layer.output] = image_origin(self.graph, layer.output, Site(image), np.argsort(neurons))

    def _elementwise(self, operation: Elementwise) -> None:
        if adds_branches(operation, self.origins):
            self._add(operation)
            return
        try:
            origin, parameters = self._on_made(operation)
        except InputError:
            for name in operation.inputs:
                if name in self.origins:
                    self.arrange(name)
            origin, parameters = self._on_made(operation)
        self.origins[operation.output] = origin
        self.renamed[operation.output] = operation.output
        operands = []
        for index, name in enumerate(operation.operands):
            if index in parameters:
                operands.append(parameter_name(operation.output, str(index)))
                self.constants[operands[-1]] = parameters[index]
            else:
                operands.append(self.renamed[name] if name else "")
        self.kept.append(replace(operation, operands=tuple(operands)))

    def _on_made(self, operation: Elementwise) -> tuple[Origin, dict[int, Constant]]:
        """Return an operator's origin, and its parameters for what hardware makes: operators come before what moves."""
        graph = self.graph
        origin = _meeting(graph, operation, self.origins)
        parameters = {
            index: _parameter(graph, operation, graph.constants[name], origin)
            for index, name in enumerate(operation.operands)
            if name in graph.constants
        }
        return origin, parameters

    def _add(self, operation: Elementwise) -> None:
        """Let branches meet in the order in which they are made, or all in their natural one."""
        for name in operation.operands:
            self.arrange(name)
        first, *others = (self.origins[name] for name in operation.operands)
        if any(not np.array_equal(first.places, other.places) for other in others):
            for name in operation.operands:
                self.arrange(name, ordered=True)
        self._join(operation, added(self.graph, operation, self.origins), concatenate=False)

    def _concat(self, operation: Operator) -> None:
        """Follow parts of one tensor that are put together back to it; otherwise let branches meet."""
        parts = [self.origins[name] for name in operation.operands]
        if len({self.renamed[name] for name in operation.operands}) == 1 and not any(
            each.site.padding for each in parts
        ):
            axis = operation.attributes.get("axis", 1)
            places = np.concatenate([origin.places for origin in parts], axis)
            image = parts[0].site.image
            if not image or (is_image(places.shape) and image_wiring(places, image) is not None):
                self.origins[operation.output] = replace(parts[0], places=places, first=None, mover=operation.name)
                self.renamed[operation.output] = self.renamed[operation.operands[0]]
                return
        for name in operation.operands:
            self.arrange(name)
        self._join(operation, concatenated(self.graph, operation, self.origins), concatenate=True)

    def _join(self, operation: Operator, origin: Origin, *, concatenate: bool) -> None:
        """Let branches meet."""
        operands = tuple(self.renamed[name] for name in operation.operands)
        self.kept.append(Join(operation.name, operation.output, operands, concatenate))
        self.renamed[operation.output] = operation.output
        self.origins[operation.output] = origin


def _input_places(graph: Graph, channels_last: bool) -> np.ndarray:
    shape = graph.shapes[graph.input]
    return np.arange(prod(shape)).reshape(shape) if len(shape) < 3 or channels_last else image_places(shape)


def _input_image(graph: Graph) -> tuple[int, ...]:
    """Return the (height, width, channels) of an input that goes into a convolution, pool or padding, or ()."""
    name, shape = _image_entry(graph), graph.shapes[graph.input]
    if name is None:
        return ()
    moved = not np.array_equal(_places_at(graph, name).ravel(), np.arange(prod(shape)))
    return image_of(shape if moved and is_image(shape) and not _is_channels_last(graph) else graph.shapes[name])


def _image_entry(graph: Graph) -> str | None:
    """Return the last tensor that is the model's input as an image, before a windowed operation or a join reads it.

    None where no windowed operation reads the input, or what operators and joins make of it.
    """
    alone, joined = {graph.input}, {graph.input}
    entry = None
    for operation in graph.operations:
        if not joined.intersection(operation.inputs):
            continue
        read = next((name for name in operation.inputs if name in alone), None)
        if _reads_image(graph, operation):
            return read if read is not None else entry
        if isinstance(operation, Elementwise | Rearrangement):
            joined.add(operation.output)
            if read is not None:
                alone.add(operation.output)
        elif isinstance(operation, Operator):
            joined.add(operation.output)
            entry = entry or read
    return None


def _reads_image(graph: Graph, operation: Operation) -> bool:
    """Return whether an operation reads an image: one with a window, or one that repeats or leaves out some of it."""
    if isinstance(operation, Rearrangement):
        shape = graph.shapes[operation.source]
        return is_image(shape) and not is_permutation(operation.order, prod(shape))
    if isinstance(operation, LinearLayer):
        return operation.site.window is not None
    return isinstance(operation, AveragePooling | MaxPooling | Pad)


def _is_channels_last(graph: Graph) -> bool:
    """Return whether the input is moved from (1, height, width, channels) to where a convolution wants it."""
    shape, entry = graph.shapes[graph.input], _image_entry(graph)
    if entry is None or len(shape) < 3 or len(graph.shapes[entry]) != len(shape):
        return False
    return np.array_equal(_places_at(graph, entry), np.moveaxis(np.arange(prod(shape)).reshape(shape), -1, 1))


def _places_at(graph: Graph, tensor: str) -> np.ndarray:
    """Return the place in the input of each element of a tensor that operators and rearrangements make of it."""
    shape = graph.shapes[graph.input]
    places = {graph.input: np.arange(prod(shape)).reshape(shape)}
    for operation in graph.operations:
        if isinstance(operation, Rearrangement) and operation.source in places:
            places[operation.output] = places[operation.source].ravel()[operation.order]
        elif isinstance(operation, Elementwise):
            known = next((places[name] for name in operation.inputs if name in places), None)
            if known is not None:
                places[operation.output] = np.broadcast_to(known, graph.shapes[operation.output])
    return places[tensor]


def _padded_by(graph: Graph, pad: Pad, origin: Origin, source: str) -> tuple[Site, np.ndarray]:
    """Return what a reader of a padding knows, and the order of the channels."""
    site, channels = image_site(graph, pad, origin)
    check_unpadded(pad, origin)
    window = Window((1, 1), (1, 1), (1, 1), pad.padding)
    return replace(site, window=window, padding=OutsideNumber(pad.name, source, pad.value)), channels


def _groups_as_made(groups: int, channels: np.ndarray) -> bool:
    """Return whether the channels of each group are neighbours where they are made, in any order."""
    blocks = channels.reshape(groups, -1) // (len(channels) // groups)
    return bool((blocks == blocks[:, :1]).all())


def _by_made_channel(layer: LinearLayer, channels: np.ndarray) -> tuple[Constant, np.ndarray]:
    """Return a convolution's weights, sorted by the order in which the channels are made, and the order of its neurons.

    Groups come in the order in which their channels are made, and so do their neurons.
    """
    groups, neurons = layer.site.groups, np.arange(layer.weights.shape[0])
    if (np.diff(channels) == 1).all():
        return layer.weights, neurons
    each = len(channels) // groups
    within = channels.reshape(groups, each) % each
    made = np.argsort(channels.reshape(groups, each)[:, 0] // each)
    orders = np.argsort(within, axis=1)

    def sort(values: np.ndarray) -> np.ndarray:
        by_group = values.reshape(groups, len(neurons) // groups, -1, each)
        sorted_columns = [by_group[group][..., orders[group]] for group in made.tolist()]
        return np.array(sorted_columns, values.dtype).reshape(values.shape)

    return layer.weights.map(sort), neurons.reshape(groups, -1)[made].ravel()


def _padded_site(layer: LinearLayer, window: Window, site: Site, source: str) -> Site:
    """Return how a convolution reads its image: a padding before it becomes its own."""
    outside = site.padding
    if outside is not None and site.window is not None:
        if any(window.padding):
            top, bottom, left, right = window.padding
            raise InputError(
                f"pads of node {layer.name!r} (Conv) must be 0 after {outside.name!r} (Pad), "
                f"not {(top, left, bottom, right)}: "
                "put all padding into one of them"
            )
        window = replace(window, padding=site.window.padding)
    elif any(window.padding):
        outside = OutsideNumber(layer.name, source, Constant(np.zeros(())))
    padding = outside if any(window.padding) else None
    return replace(site, window=window, padding=padding, groups=layer.site.groups)


def _meeting(graph: Graph, operation: Elementwise, origins: dict[str, Origin]) -> Origin:
    """Return the origin of an elementwise operator's result: all operands must have the same."""
    shape = graph.shapes[operation.output]
    dynamic = [origins[name] for name in operation.inputs if name in origins]
    sources = sorted(graph.label(tensor) for tensor in {origin.tensor for origin in dynamic})
    if len(sources) > 1:
        raise InputError(
            f"Node {operation.name!r} ({operation.kind}) must combine numbers of one layer, "
            f"not of {sources[0]!r} and {sources[1]!r}: only Add joins branches"
        )
    spread = [np.broadcast_to(origin.places, shape) for origin in dynamic]
    if any((each != spread[0]).any() for each in spread):
        raise InputError(
            f"Node {operation.name!r} ({operation.kind}) must combine each number with itself, not with another: "
            "only elementwise functions are supported"
        )
    first = dynamic[0].first if dynamic[0].places.shape == shape else None
    return replace(dynamic[0], places=spread[0], first=first)


def _parameter(graph: Graph, operation: Elementwise, constant: Constant, origin: Origin) -> Constant:
    """Return a parameter as () if it is one number for all elements, else by channel, or by number of a vector.

    Elements may be made once and repeated, or left out. All that are made must have a parameter, and only one.
    """
    if constant.size == 1:
        return constant.map(lambda values: values.reshape(()))
    count = origin.site.image[-1] if origin.site.image else graph.size(origin.tensor)
    kinds = origin.places.ravel() % count
    channels, first = np.unique(kinds, return_index=True)
    if len(channels) < count:
        permutation(graph, operation, origin)
    spread = constant.map(lambda values: np.broadcast_to(values, origin.places.shape).ravel())
    if _differ(spread.values, spread.values[first][kinds]).any():
        raise InputError(
            f"Parameters of node {operation.name!r} ({operation.kind}) must be the same at every pixel of an image, "
            "not differ by row or column: use one per channel"
        )
    return spread.map(lambda values: values[first])


def _differ(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Compare numbers; what was spread over the pixels is the same object, which spares exact arithmetic."""
    if left.dtype != object:
        return np.asarray(left != right)
    return np.frompyfunc(lambda a, b: a is not b and a != b, 2, 1)(left, right).astype(bool)
