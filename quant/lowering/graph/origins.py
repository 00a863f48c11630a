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
    "FirstImage",
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
    first : where hardware can make the tensor in two steps only, the image of the first one
    mover : name of the last node that only moves numbers
    """

    tensor: str
    places: np.ndarray
    site: Site = DENSE
    first: "FirstImage | None" = None
    mover: str = ""


@dataclass(frozen=True, eq=False)
class FirstImage:
    """An image of which a tensor is made.

    Parameters
    ----------
    places : (1, channels, height, width) int64, where its elements come from
    rest : for each element of the tensor, the place in this image
    mover : name of the last node before it that only moves numbers
    """

    places: np.ndarray
    rest: np.ndarray
    mover: str


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
        by = f" by {origin.mover!r}" if origin.mover else ""
        raise InputError(
            f"Input of node {operation.name!r} must be the image of {label!r} with rows and columns where they are, "
            f"or moved in equal steps, not rearranged{by}: leave out what moves them"
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
    """Return whether an operator adds what different layers make, or different parts of it, and nothing else."""
    if operation.kind not in {"Add", "Sum"} or any(name not in origins for name in operation.operands):
        return False
    first, *others = (origins[name] for name in operation.operands)
    return any(
        other.tensor != first.tensor
        or (other.places.shape == first.places.shape and not np.array_equal(other.places, first.places))
        for other in others
    )


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
    axis = operation.attributes.get("axis", 1) % len(shapes[0])
    channels = [_channels_of(origin, shape) for origin, shape in zip(parts, shapes, strict=True)]
    if len(images) > 1 or axis != 1 or (images != {()} and any(each is None for each in channels)):
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
    starts = np.cumsum([0, *(shape[1] for shape in shapes)])
    together = np.concatenate(
        [start + each for start, each in zip(starts[:-1], channels, strict=True) if each is not None]
    )
    return image_origin(graph, operation.output, Site((*images.pop(), sum(shape[1] for shape in shapes))), together)


def _channels_of(origin: Origin, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return which channel each channel of a tensor is, if its pixels are where they are made; else None."""
    if not origin.site.image or len(shape) not in {3, 4} or origin.places.shape != shape:
        return None
    channels = origin.places[0].reshape(shape[1], -1)[:, 0] % shape[1]
    return channels if np.array_equal(origin.places, image_places(shape)[:, channels]) else None
