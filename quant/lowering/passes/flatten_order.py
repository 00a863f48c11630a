"""Everything that moves elements goes: tensors become vectors in the order in which the hardware has them.

The order of the input is H, W, C, that of a layer its neurons'. Every element of a tensor is followed back to the
element that it comes from; parameters are sorted by that, and so are the columns of a weight matrix. So no transpose is
left.

What a convolution makes, and an input that goes into one, is an image: the same happens at every pixel, so its tensors
become vectors of channels. A layer behind it knows the image, its max pools and padding as its `Site`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from dataflow import InputError
from quant.lowering._graph import (
    Average,
    Dense,
    Elementwise,
    Graph,
    Join,
    Layout,
    Operation,
    Operator,
    Pad,
    Pool,
    parameter_name,
)
from quant.lowering._reals import Constant
from quant.lowering._sites import DENSE, Padding, Pooled, Site, Window

__all__ = ["flatten_order"]


@dataclass(frozen=True, eq=False)
class _Origin:
    """Where the elements of a tensor come from.

    Parameters
    ----------
    tensor : the input, or what a layer, pool or padding computes
    places : for each element of the tensor, an array of its shape, the place in that one
    site : what a layer that reads the tensor knows; `image` is () for a vector
    """

    tensor: str
    places: np.ndarray
    site: Site = DENSE


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
        self.origins = {graph.input: _Origin(graph.input, self._input_places(), Site(self.image))}

    def _input_places(self) -> np.ndarray:
        shape = self.graph.shapes[self.graph.input]
        if len(shape) < 3 or self.channels_last:
            return np.arange(prod(shape)).reshape(shape)
        return _image_places(shape)

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
            self.origins[name] = _image_origin(graph, name, site)
            self.renamed[name] = source
        elif isinstance(operation, Average):
            self._average(operation)
        elif isinstance(operation, Dense):
            self._layer(operation)
        elif isinstance(operation, Elementwise):
            self._elementwise(operation)
        elif isinstance(operation, Operator) and operation.kind == "Concat":
            self._stack(operation)
        else:
            raise AssertionError(operation)

    def _average(self, average: Average) -> None:
        origin = self.origins[average.source]
        site, window = _image_site(self.graph, average, origin), average.window
        if origin.tensor == self.graph.input:
            raise InputError(f"Node {average.name!r} (AveragePool) must stand behind a layer, not behind the input")
        for pool in site.pools:
            raise InputError(
                f"Node {average.name!r} (AveragePool) must not stand behind the max pool {pool.name!r}: "
                "leave one of them out"
            )
        if site.padding is not None and site.window is not None:
            if any(window.padding) or site.padding.value.exact().signs().any():
                _check_unpadded(average, origin)
            window = replace(window, padding=site.window.padding)
        image = _image_of(self.graph.shapes[average.output])
        source = self.renamed[average.source]
        self.kept.append(replace(average, source=source, window=window, image=site.image))
        self.renamed[average.output] = average.output
        self.origins[average.output] = _image_origin(self.graph, average.output, Site(image))

    def _layer(self, layer: Dense) -> None:
        origin = self.origins[layer.source]
        shape = self.graph.shapes[layer.output]
        self.renamed[layer.output] = layer.output
        source = self.renamed[layer.source]
        if layer.site.window is None:
            _check_unpadded(layer, origin)
            inverse = np.argsort(_permutation(self.graph, layer, origin))
            # Column k multiplies element k of the source, which is element places[k] in hardware.
            weights = layer.weights.map(lambda values, order=inverse: values[:, order])  # type: ignore[misc]
            self.kept.append(replace(layer, source=source, weights=weights, site=origin.site))
            self.origins[layer.output] = _Origin(layer.output, np.arange(prod(shape)).reshape(shape))
            return
        site = _padded_site(layer, layer.site.window, _image_site(self.graph, layer, origin), source)
        self.kept.append(replace(layer, source=source, site=site))
        image = (*site.positions, shape[1])
        self.origins[layer.output] = _image_origin(self.graph, layer.output, Site(image))

    def _elementwise(self, operation: Elementwise) -> None:
        if _adds_branches(operation, self.origins):
            self._join(operation)
            return
        graph, origin = self.graph, _meeting(self.graph, operation, self.origins)
        self.origins[operation.output] = origin
        self.renamed[operation.output] = operation.output
        order = np.argsort(_permutation(graph, operation, origin))
        operands = []
        for index, name in enumerate(operation.operands):
            if name in graph.constants:
                operands.append(parameter_name(operation.output, str(index)))
                vector = _vector(graph.constants[name], origin.places.shape, order)
                self.constants[operands[-1]] = _by_channel(operation, vector, origin)
            else:
                operands.append(self.renamed[name] if name else "")
        self.kept.append(replace(operation, operands=tuple(operands)))

    def _join(self, operation: Elementwise) -> None:
        """Let branches meet: the tensors lie in the same order in hardware, so that number is added to number."""
        first, *others = (self.origins[name] for name in operation.operands)
        for origin in (first, *others):
            _check_unpadded(operation, origin)
            _permutation(self.graph, operation, origin)
        for other in others:
            same = first.places.shape == other.places.shape and (first.places == other.places).all()
            if first.site.image != other.site.image or not same:
                labels = [self.graph.label(origin.tensor) for origin in (first, other)]
                raise InputError(
                    f"Node {operation.name!r} ({operation.kind}) must add numbers at the same places, not those of "
                    f"{labels[0]!r} and {labels[1]!r}, which lie in another order or shape"
                )
        output = operation.output
        operands = tuple(self.renamed[name] for name in operation.operands)
        pools = tuple(each.site.pools for each in (first, *others))
        self.kept.append(Join(operation.name, output, operands, pools, stacked=False))
        self.renamed[output] = output
        self.origins[output] = _Origin(output, first.places, Site(first.site.image))

    def _stack(self, operation: Operator) -> None:
        """Put channels behind each other: those of images at every pixel, or those of vectors."""
        origins = [self.origins[name] for name in operation.operands]
        shapes = [self.graph.shapes[name] for name in operation.operands]
        images = {origin.site.image[:2] for origin in origins}
        as_they_come = images == {()} or all(
            np.array_equal(origin.places, _image_places(shape)) for origin, shape in zip(origins, shapes, strict=True)
        )
        axis = operation.attributes.get("axis", 1) % len(shapes[0])
        if len(images) > 1 or not as_they_come or axis != 1:
            raise InputError(
                f"Node {operation.name!r} (Concat) must put together channels of images of one size, or of vectors, "
                "as layers make them, not numbers in another order: put it in front of what moves them"
            )
        for origin in origins:
            _check_unpadded(operation, origin)
            _permutation(self.graph, operation, origin)
        output, pools = operation.output, tuple(origin.site.pools for origin in origins)
        operands = tuple(self.renamed[name] for name in operation.operands)
        self.kept.append(Join(operation.name, output, operands, pools, stacked=True))
        self.renamed[output] = output
        if images == {()}:
            starts = np.cumsum([0, *(origin.places.size for origin in origins)])
            places = [origin.places + start for origin, start in zip(origins, starts[:-1], strict=True)]
            self.origins[output] = _Origin(output, np.concatenate(places, axis=1))
        else:
            self.origins[output] = _image_origin(
                self.graph, output, Site((*images.pop(), sum(shape[1] for shape in shapes)))
            )


def _adds_branches(operation: Elementwise, origins: Mapping[str, _Origin]) -> bool:
    """Return whether an operator adds what different layers make, and nothing else."""
    if operation.kind not in {"Add", "Sum"} or any(name not in origins for name in operation.operands):
        return False
    return len({origins[name].tensor for name in operation.operands}) > 1


def _input_image(graph: Graph) -> tuple[int, ...]:
    """Return the (height, width, channels) of an input that goes into a convolution, pool or padding, or ()."""
    first = _first_layer(graph)
    if isinstance(first, Dense) and first.site.window is None:
        return ()
    return _image_of(graph.shapes[first.inputs[0]])


def _first_layer(graph: Graph) -> Operation:
    return next(each for each in graph.operations if not isinstance(each, Elementwise | Layout))


def _image_of(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the (height, width, channels) of (1, channels, height, width), or of (1, channels, length)."""
    height, width = shape[2:] if len(shape) == 4 else (1, shape[2])
    return height, width, shape[1]


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


def _image_places(shape: tuple[int, ...]) -> np.ndarray:
    return np.moveaxis(np.arange(prod(shape)).reshape(1, *shape[2:], shape[1]), -1, 1)


def _image_origin(graph: Graph, tensor: str, site: Site) -> _Origin:
    return _Origin(tensor, _image_places(graph.shapes[tensor]), site)


def _image_site(graph: Graph, operation: Operation, origin: _Origin) -> Site:
    """Return the site of what reads an image, which must be as it comes, a row instead of a column at most."""
    label = graph.label(origin.tensor)
    shape = graph.shapes[operation.inputs[0]]
    if not origin.site.image:
        raise InputError(
            f"Input of node {operation.name!r} must be an image of the model's input or of a convolution, "
            f"not the vector of {label!r}"
        )
    site, image = origin.site, _image_of(shape)
    if site.padding is not None and site.window is not None:  # then the site has the image without what was added
        turned = site.window.positions(*site.image[:2]) != image[:2]
    else:
        turned, site = prod(site.image) != prod(image), replace(site, image=image)
    if turned or not np.array_equal(origin.places, _image_places(shape)):
        raise InputError(
            f"Input of node {operation.name!r} must be the image of {label!r} with rows and columns where they are, "
            "not rearranged"
        )
    return site


def _check_unpadded(operation: Operation, origin: _Origin) -> None:
    if origin.site.padding is not None:
        raise InputError(
            f"Node {origin.site.padding.name!r} (Pad) must stand in front of a Conv, not of {operation.name!r}"
        )


def _behind(graph: Graph, operation: Pool | Pad, origin: _Origin, source: str) -> Site:
    """Return what a reader of a pool or padding knows."""
    site = _image_site(graph, operation, origin)
    _check_unpadded(operation, origin)
    if isinstance(operation, Pool):
        image = _image_of(graph.shapes[operation.source])
        pool = Pooled(operation.name, operation.output, source, image, operation.window)
        return Site(_image_of(graph.shapes[operation.output]), pools=(*site.pools, pool))
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


def _meeting(graph: Graph, operation: Elementwise, origins: dict[str, _Origin]) -> _Origin:
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


def _permutation(graph: Graph, operation: Operation, origin: _Origin) -> np.ndarray:
    """Return the places as a flat array, each of them once."""
    places = origin.places.ravel()
    size = graph.size(origin.tensor)
    if places.size != size or (np.sort(places) != np.arange(size)).any():
        raise InputError(
            f"Node {operation.name!r} must take every number of {graph.label(origin.tensor)!r} once, "
            f"not {places.size} of {size}"
        )
    return places


def _vector(constant: Constant, shape: tuple[int, ...], order: np.ndarray) -> Constant:
    """Return a parameter as () if it is one number for all elements, else in the hardware's order."""
    if constant.size == 1:
        return constant.map(lambda values: values.reshape(()))
    return constant.map(lambda values: np.broadcast_to(values, shape).ravel()[order])


def _by_channel(operation: Elementwise, vector: Constant, origin: _Origin) -> Constant:
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


def _check_output(graph: Graph, origin: _Origin) -> None:
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
