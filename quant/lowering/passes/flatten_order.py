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


class _Flattener:
    """The graph as far as it is flat."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.image = _input_image(graph)
        self.channels_last = _is_channels_last(graph)
        self.constants = dict(graph.constants)
        self.kept: list[Operation] = []
        self.refusals = list(graph.refusals)
        self.renamed = {graph.input: graph.input}
        self.origins = {graph.input: Origin(graph.input, self._input_places(), Site(self.image))}

    def _input_places(self) -> np.ndarray:
        shape = self.graph.shapes[self.graph.input]
        if len(shape) < 3 or self.channels_last:
            return np.arange(prod(shape)).reshape(shape)
        return image_places(shape)

    def run(self) -> Graph:
        graph = self.graph
        for operation in graph.operations:
            try:
                self._flatten(operation)
            except InputError as error:
                self.refusals.append(str(error))
                self._refused(Refused(operation.name, operation.output, ()))
        end = self.origins[graph.output]
        try:
            _check_output(graph, end)
        except InputError as error:
            self.refusals.append(str(error))
        shapes = {
            name: (origin.site.image[-1],) if origin.site.image else (prod(graph.shapes[name]),)
            for name, origin in self.origins.items()
        }
        return graph.with_operations(
            tuple(self.kept),
            constants=self.constants,
            shapes=shapes,
            output=self.renamed[graph.output],
            image=self.image,
            refusals=tuple(self.refusals),
            frame_shape=graph.shapes[graph.input][1:] if self.channels_last else graph.frame_shape,
        )

    def _flatten(self, operation: Operation) -> None:
        graph = self.graph
        name = operation.output
        if isinstance(operation, Rearrangement):
            origin = self.origins[operation.source]
            self.origins[name] = replace(origin, places=origin.places.ravel()[operation.order])
            self.renamed[name] = self.renamed[operation.source]
        elif isinstance(operation, Pad):
            source = self.renamed[operation.source]
            site = _padded_by(graph, operation, self.origins[operation.source], source)
            self.origins[name] = image_origin(graph, name, site)
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
            self._join(operation, concatenated(graph, operation, self.origins), concatenate=True)
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
        origin = self.origins[pool.source]
        site, channels = image_site(self.graph, pool, origin)
        check_unpadded(pool, origin)
        self._keep_image(replace(pool, source=self.renamed[pool.source], image=site.image), channels)

    def _average(self, average: AveragePooling) -> None:
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
        site = _padded_site(layer, layer.site.window, read, source)
        weights = _by_made_channel(self.graph, layer, origin, channels)
        self.kept.append(replace(layer, source=source, site=site, weights=weights))
        image = (*site.positions, shape[1])
        self.origins[layer.output] = image_origin(self.graph, layer.output, Site(image))

    def _elementwise(self, operation: Elementwise) -> None:
        if adds_branches(operation, self.origins):
            self._join(operation, added(self.graph, operation, self.origins), concatenate=False)
            return
        graph, origin = self.graph, _meeting(self.graph, operation, self.origins)
        self.origins[operation.output] = origin
        self.renamed[operation.output] = operation.output
        order = np.argsort(permutation(graph, operation, origin))
        operands = []
        for index, name in enumerate(operation.operands):
            if name in graph.constants:
                operands.append(parameter_name(operation.output, str(index)))
                vector = _vector(graph.constants[name], origin.places.shape, order)
                self.constants[operands[-1]] = _by_channel(operation, vector, origin)
            else:
                operands.append(self.renamed[name] if name else "")
        self.kept.append(replace(operation, operands=tuple(operands)))

    def _join(self, operation: Operator, origin: Origin, *, concatenate: bool) -> None:
        """Let branches meet."""
        operands = tuple(self.renamed[name] for name in operation.operands)
        self.kept.append(Join(operation.name, operation.output, operands, concatenate))
        self.renamed[operation.output] = operation.output
        self.origins[operation.output] = origin


def _input_image(graph: Graph) -> tuple[int, ...]:
    """Return the (height, width, channels) of an input that goes into a convolution, pool or padding, or ()."""
    name = _image_entry(graph)
    return () if name is None else image_of(graph.shapes[name])


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
        if _reads_image(operation):
            return read if read is not None else entry
        if isinstance(operation, Elementwise | Rearrangement):
            joined.add(operation.output)
            if read is not None:
                alone.add(operation.output)
        elif isinstance(operation, Operator):
            joined.add(operation.output)
            entry = entry or read
    return None


def _reads_image(operation: Operation) -> bool:
    if isinstance(operation, LinearLayer):
        return operation.site.window is not None
    return isinstance(operation, AveragePooling | MaxPooling | Pad)


def _is_channels_last(graph: Graph) -> bool:
    """Return whether the input is moved from (1, height, width, channels) to where a convolution wants it."""
    shape, entry = graph.shapes[graph.input], _image_entry(graph)
    if entry is None or len(shape) < 3 or len(graph.shapes[entry]) != len(shape):
        return False
    natural = np.arange(prod(shape)).reshape(shape)
    places = {graph.input: natural}
    for operation in graph.operations:
        if isinstance(operation, Rearrangement) and operation.source in places:
            places[operation.output] = places[operation.source].ravel()[operation.order]
        elif isinstance(operation, Elementwise):
            known = next((places[name] for name in operation.inputs if name in places), None)
            if known is not None:
                places[operation.output] = np.broadcast_to(known, graph.shapes[operation.output])
    return np.array_equal(places.get(entry, ()), np.moveaxis(natural, -1, 1))


def _padded_by(graph: Graph, pad: Pad, origin: Origin, source: str) -> Site:
    """Return what a reader of a padding knows."""
    site, channels = image_site(graph, pad, origin)
    check_unpadded(pad, origin)
    if (np.diff(channels) != 1).any():
        raise InputError(
            f"Channels of {graph.label(origin.tensor)!r} must reach node {pad.name!r} (Pad) in the order in which they "
            "are made, not shuffled: leave the shuffle out, or put it after the layer"
        )
    window = Window((1, 1), (1, 1), (1, 1), pad.padding)
    return replace(site, window=window, padding=OutsideNumber(pad.name, source, pad.value))


def _by_made_channel(graph: Graph, layer: LinearLayer, origin: Origin, channels: np.ndarray) -> Constant:
    """Return a convolution's weights, their columns sorted by the order in which the channels are made."""
    if (np.diff(channels) == 1).all():
        return layer.weights
    if layer.site.groups > 1:
        raise InputError(
            f"Channels of {graph.label(origin.tensor)!r} must reach node {layer.name!r} (Conv, {layer.site.groups} "
            "groups) in the order in which they are made, not shuffled: leave the shuffle out, or use one group"
        )
    neurons, order = layer.weights.shape[0], np.argsort(channels)
    return layer.weights.map(
        lambda values: values.reshape(neurons, -1, len(channels))[:, :, order].reshape(neurons, -1)
    )


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
    sources = sorted({graph.label(origin.tensor) for origin in dynamic})
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
    return replace(dynamic[0], places=spread[0])


def _vector(constant: Constant, shape: tuple[int, ...], order: np.ndarray) -> Constant:
    """Return a parameter as () if it is one number for all elements, else in the hardware's order."""
    if constant.size == 1:
        return constant.map(lambda values: values.reshape(()))
    return constant.map(lambda values: np.broadcast_to(values, shape).ravel()[order])


def _by_channel(operation: Elementwise, vector: Constant, origin: Origin) -> Constant:
    """Return an image's parameter by channel."""
    if not vector.shape or not origin.site.image:
        return vector
    pixels = vector.map(lambda values: values.reshape(-1, origin.site.image[-1]))
    if _differ(pixels.values, pixels.values[:1]).any():
        raise InputError(
            f"Parameters of node {operation.name!r} ({operation.kind}) must be the same at every pixel of an image, "
            "not differ by row or column: use one per channel"
        )
    return pixels.map(lambda values: values[0])


def _differ(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Compare numbers; what was spread over the pixels is the same object, which spares exact arithmetic."""
    if left.dtype != object:
        return np.asarray(left != right)
    return np.frompyfunc(lambda a, b: a is not b and a != b, 2, 1)(left, right).astype(bool)


def _check_output(graph: Graph, origin: Origin) -> None:
    if origin.site.padding:
        raise InputError(
            f"Output {graph.output!r} of the model must be scores of a layer, not what {origin.site.padding.name!r} "
            "(Pad) makes of them: leave the Pad out"
        )
    rows, columns, _ = origin.site.image or (1, 1, 1)
    if rows * columns > 1:
        raise InputError(
            f"Scores of {graph.label(origin.tensor)!r} must be of one position, not of {rows}x{columns}: "
            "put a GlobalAveragePool after it, or flatten and add a dense layer"
        )
    places = origin.places.ravel()
    if places.size != graph.size(origin.tensor) or (places != np.arange(places.size)).any():
        raise InputError(f"Output {graph.output!r} of the model must have the order of its last layer, not another")
