"""Where the elements of a tensor come from, and where they lie where branches meet."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from dataflow import InputError
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import Elementwise, Operation, Operator
from quant.lowering.graph.sites import DENSE, Site

__all__ = [
    "Origin",
    "added",
    "adds_branches",
    "check_unpadded",
    "concatenated",
    "image_of",
    "image_origin",
    "image_places",
    "image_site",
    "permutation",
]


@dataclass(frozen=True, eq=False)
class Origin:
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


def image_of(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the (height, width, channels) of (1, channels, height, width), or of (1, channels, length)."""
    height, width = shape[2:] if len(shape) == 4 else (1, shape[2])
    return height, width, shape[1]


def image_places(shape: tuple[int, ...]) -> np.ndarray:
    return np.moveaxis(np.arange(prod(shape)).reshape(1, *shape[2:], shape[1]), -1, 1)


def image_origin(graph: Graph, tensor: str, site: Site, channels: np.ndarray | None = None) -> Origin:
    """Return the origin of an image whose channel k is channel ``channels[k]`` of what hardware makes."""
    places = image_places(graph.shapes[tensor])
    return Origin(tensor, places if channels is None else places[:, channels], site)


def image_site(graph: Graph, operation: Operation, origin: Origin) -> tuple[Site, np.ndarray]:
    """Return the site of what reads an image, which may be a row instead of a column, and where its channels lie.

    Returns
    -------
    channels : (channels,) int64, the number of each channel among those that hardware makes
    """
    label = graph.label(origin.tensor)
    shape = graph.shapes[operation.inputs[0]]
    if not origin.site.image:
        raise InputError(
            f"Input of node {operation.name!r} must be an image of the model's input or of a convolution, "
            f"not the vector of {label!r}"
        )
    site, image = origin.site, image_of(shape)
    if site.padding is not None and site.window is not None:  # then the site has the image without what was added
        turned = site.window.positions(*site.image[:2]) != image[:2]
    else:
        turned, site = prod(site.image) != prod(image), replace(site, image=image)
    places = image_places(shape)
    channels = origin.places[0].reshape(shape[1], -1)[:, 0] if origin.places.shape == shape else np.arange(shape[1])
    channels = channels % shape[1]
    if turned or not np.array_equal(origin.places, places[:, channels]):
        raise InputError(
            f"Input of node {operation.name!r} must be the image of {label!r} with rows and columns where they are, "
            "not rearranged: leave out what moves them"
        )
    return site, channels


def check_unpadded(operation: Operation, origin: Origin) -> None:
    if origin.site.padding is not None:
        raise InputError(
            f"Node {origin.site.padding.name!r} (Pad) must pad the input of a Conv, not of {operation.name!r}: "
            "put it there"
        )


def permutation(graph: Graph, operation: Operation, origin: Origin) -> np.ndarray:
    """Return the places as a flat array, each of them once."""
    places = origin.places.ravel()
    size = graph.size(origin.tensor)
    if places.size != size or (np.sort(places) != np.arange(size)).any():
        raise InputError(
            f"Node {operation.name!r} must take every number of {graph.label(origin.tensor)!r} once, "
            f"not {places.size} of {size}: leave out what repeats or drops some"
        )
    return places


def adds_branches(operation: Elementwise, origins: Mapping[str, Origin]) -> bool:
    """Return whether an operator adds what different layers make, and nothing else."""
    if operation.kind not in {"Add", "Sum"} or any(name not in origins for name in operation.operands):
        return False
    return len({origins[name].tensor for name in operation.operands}) > 1


def added(graph: Graph, operation: Elementwise, origins: Mapping[str, Origin]) -> Origin:
    """Return where branches that are added lie: in the same order in hardware, so that number is added to number."""
    first, *others = (origins[name] for name in operation.operands)
    for origin in (first, *others):
        check_unpadded(operation, origin)
        permutation(graph, operation, origin)
    for other in others:
        same = first.places.shape == other.places.shape and (first.places == other.places).all()
        if first.site.image != other.site.image or not same:
            labels = [graph.label(origin.tensor) for origin in (first, other)]
            raise InputError(
                f"Node {operation.name!r} ({operation.kind}) must add numbers at the same places, not those of "
                f"{labels[0]!r} and {labels[1]!r}, which lie in another order or shape"
            )
    return Origin(operation.output, first.places, Site(first.site.image))


def concatenated(graph: Graph, operation: Operator, origins: Mapping[str, Origin]) -> Origin:
    """Return where concatenated channels lie: of images at every pixel, or of vectors."""
    parts = [origins[name] for name in operation.operands]
    shapes = [graph.shapes[name] for name in operation.operands]
    images = {origin.site.image[:2] for origin in parts}
    as_they_come = images == {()} or all(
        np.array_equal(origin.places, image_places(shape)) for origin, shape in zip(parts, shapes, strict=True)
    )
    axis = operation.attributes.get("axis", 1) % len(shapes[0])
    if len(images) > 1 or not as_they_come or axis != 1:
        raise InputError(
            f"Node {operation.name!r} (Concat) must put together channels of images of one size, or of vectors, "
            "as layers make them, not numbers in another order: put it before what moves them"
        )
    for origin in parts:
        check_unpadded(operation, origin)
        permutation(graph, operation, origin)
    if images == {()}:
        starts = np.cumsum([0, *(origin.places.size for origin in parts)])
        places = [origin.places + start for origin, start in zip(parts, starts[:-1], strict=True)]
        return Origin(operation.output, np.concatenate(places, axis=1))
    return image_origin(graph, operation.output, Site((*images.pop(), sum(shape[1] for shape in shapes))))
