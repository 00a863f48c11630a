"""Everything that moves elements goes: tensors become vectors in the order in which the hardware has them.

The order of the input is H, W, C, that of a layer its neurons'. Every element of a tensor is followed back to the
element that it comes from; parameters are sorted by that, and so are the columns of a weight matrix. So no transpose is
left.

What a convolution makes, and an input that goes into one, is an image: the same happens at every pixel, so its tensors
become vectors of channels. A layer behind it knows the image, its max pools and padding as its `Site`.
"""

from dataclasses import replace
from math import prod

import numpy as np

from dataflow import InputError
from quant.lowering._origins import (
    Origin,
    added,
    adds_branches,
    check_unpadded,
    image_of,
    image_origin,
    image_places,
    image_site,
    permutation,
    stacked,
)
from quant.lowering.exact.numbers import Constant
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import (
    Average,
    Dense,
    Elementwise,
    Join,
    Layout,
    Operation,
    Operator,
    Pad,
    Pool,
    parameter_name,
)
from quant.lowering.graph.sites import Padding, Pooled, Site, Window

__all__ = ["flatten_order"]


def flatten_order(graph: Graph) -> Graph:
    """Return the graph without `Layout`, `Pool` and `Pad`; parameters are () or as long as the tensors' vectors.

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
            self._flatten(operation)
        end = self.origins[graph.output]
        _check_output(graph, end)
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
            frame_shape=graph.shapes[graph.input][1:] if self.channels_last else graph.frame_shape,
        )

    def _flatten(self, operation: Operation) -> None:
        graph = self.graph
        name = operation.output
        if isinstance(operation, Layout):
            origin = self.origins[operation.source]
            self.origins[name] = replace(origin, places=origin.places.ravel()[operation.order])
            self.renamed[name] = self.renamed[operation.source]
        elif isinstance(operation, Pool | Pad):
            source = self.renamed[operation.source]
            site = _behind(graph, operation, self.origins[operation.source], source)
            self.origins[name] = image_origin(graph, name, site)
            self.renamed[name] = source
        elif isinstance(operation, Average):
            self._average(operation)
        elif isinstance(operation, Dense):
            self._layer(operation)
        elif isinstance(operation, Elementwise):
            self._elementwise(operation)
        elif isinstance(operation, Operator) and operation.kind == "Concat":
            self._join(operation, stacked(graph, operation, self.origins), stack=True)
        else:
            raise AssertionError(operation)

    def _average(self, average: Average) -> None:
        origin = self.origins[average.source]
        site, window = image_site(self.graph, average, origin), average.window
        if origin.tensor == self.graph.input:
            raise InputError(f"Node {average.name!r} (AveragePool) must stand behind a layer, not behind the input")
        for pool in site.pools:
            raise InputError(
                f"Node {average.name!r} (AveragePool) must not stand behind the max pool {pool.name!r}: "
                "leave one of them out"
            )
        if site.padding is not None and site.window is not None:
            if any(window.padding) or site.padding.value.exact().signs().any():
                check_unpadded(average, origin)
            window = replace(window, padding=site.window.padding)
        image = image_of(self.graph.shapes[average.output])
        source = self.renamed[average.source]
        self.kept.append(replace(average, source=source, window=window, image=site.image))
        self.renamed[average.output] = average.output
        self.origins[average.output] = image_origin(self.graph, average.output, Site(image))

    def _layer(self, layer: Dense) -> None:
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
        site = _padded_site(layer, layer.site.window, image_site(self.graph, layer, origin), source)
        self.kept.append(replace(layer, source=source, site=site))
        image = (*site.positions, shape[1])
        self.origins[layer.output] = image_origin(self.graph, layer.output, Site(image))

    def _elementwise(self, operation: Elementwise) -> None:
        if adds_branches(operation, self.origins):
            self._join(operation, added(self.graph, operation, self.origins), stack=False)
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

    def _join(self, operation: Operator, origin: Origin, *, stack: bool) -> None:
        """Let branches meet."""
        operands = tuple(self.renamed[name] for name in operation.operands)
        pools = tuple(self.origins[name].site.pools for name in operation.operands)
        self.kept.append(Join(operation.name, operation.output, operands, pools, stack))
        self.renamed[operation.output] = operation.output
        self.origins[operation.output] = origin


def _input_image(graph: Graph) -> tuple[int, ...]:
    """Return the (height, width, channels) of an input that goes into a convolution, pool or padding, or ()."""
    first = _first_layer(graph)
    if isinstance(first, Dense) and first.site.window is None:
        return ()
    return image_of(graph.shapes[first.inputs[0]])


def _first_layer(graph: Graph) -> Operation:
    return next(each for each in graph.operations if not isinstance(each, Elementwise | Layout))


def _is_channels_last(graph: Graph) -> bool:
    """Return whether the input is moved from (1, height, width, channels) to where a convolution wants it."""
    first, shape = _first_layer(graph), graph.shapes[graph.input]
    if not _input_image(graph) or len(shape) < 3 or len(graph.shapes[first.inputs[0]]) != len(shape):
        return False
    natural = np.arange(prod(shape)).reshape(shape)
    places = {graph.input: natural}
    for operation in graph.operations[: graph.operations.index(first)]:
        if isinstance(operation, Layout):
            places[operation.output] = places[operation.source].ravel()[operation.order]
        elif isinstance(operation, Elementwise):
            known = next(places[name] for name in operation.inputs if name in places)
            places[operation.output] = np.broadcast_to(known, graph.shapes[operation.output])
    return np.array_equal(places.get(first.inputs[0], ()), np.moveaxis(natural, -1, 1))


def _behind(graph: Graph, operation: Pool | Pad, origin: Origin, source: str) -> Site:
    """Return what a reader of a pool or padding knows."""
    site = image_site(graph, operation, origin)
    check_unpadded(operation, origin)
    if isinstance(operation, Pool):
        image = image_of(graph.shapes[operation.source])
        pool = Pooled(operation.name, operation.output, source, image, operation.window)
        return Site(image_of(graph.shapes[operation.output]), pools=(*site.pools, pool))
    window = Window((1, 1), (1, 1), (1, 1), operation.padding)
    return replace(site, window=window, padding=Padding(operation.name, source, operation.value))


def _padded_site(layer: Dense, window: Window, site: Site, source: str) -> Site:
    """Return where a convolution stands: a padding in front of it becomes its own."""
    outside = site.padding
    if outside is not None and site.window is not None:
        if any(window.padding):
            top, bottom, left, right = window.padding
            raise InputError(
                f"pads of node {layer.name!r} (Conv) must be 0 behind {outside.name!r} (Pad), "
                f"not {(top, left, bottom, right)}: "
                "put all padding into one of them"
            )
        window = replace(window, padding=site.window.padding)
    elif any(window.padding):
        outside = Padding(layer.name, source, Constant(np.zeros(())))
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
    if origin.site.pools or origin.site.padding:
        raise InputError(
            f"Output {graph.output!r} of the model must be scores of a layer, not what {graph.label(origin.tensor)!r} "
            "makes of them: put a dense layer behind it"
        )
    rows, columns, _ = origin.site.image or (1, 1, 1)
    if rows * columns > 1:
        raise InputError(
            f"Scores of {graph.label(origin.tensor)!r} must be of one position, not of {rows}x{columns}: "
            "put a GlobalAveragePool behind it, or flatten and put a dense layer there"
        )
    places = origin.places.ravel()
    if places.size != graph.size(origin.tensor) or (places != np.arange(places.size)).any():
        raise InputError(f"Output {graph.output!r} of the model must have the order of its last layer, not another")
