"""Where the elements of a tensor come from, and where they lie where branches meet."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from dataflow import InputError
from quant.lowering.graph.ends import CHANNELS, POSITIONS, End
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
    "scores_of",
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


def scores_of(graph: Graph, end: End, origins: Mapping[str, Origin]) -> tuple[tuple[int, ...], str]:
    """Return the image that an output is, or () for one position, and what an ArgMax after it chooses among."""
    origin = origins[end.tensor]
    if origin.site.padding:
        raise InputError(
            f"Output {end.name!r} of the model must be scores of a layer, not what {origin.site.padding.name!r} "
            "(Pad) makes of them: leave the Pad out"
        )
    rows, columns, channels = origin.site.image or (1, 1, graph.size(origin.tensor))
    places = origin.places
    if not _are_in_order(places, channels if rows * columns > 1 else places.size, graph.size(origin.tensor)):
        if rows * columns == 1:
            raise InputError(f"Output {end.name!r} of the model must have the order of its last layer, not another")
        raise InputError(
            f"Output {end.name!r} of the model must have the {rows}x{columns} positions of "
            f"{graph.label(origin.tensor)!r} in their order, and its channels along one axis, not flattened or moved: "
            "leave out what moves them"
        )
    chosen = [_taken(end, index, origins, rows * columns, channels) for index in range(len(end.along))]
    for other, each in zip(chosen[1:], end.along[1:], strict=True):
        if other != chosen[0]:
            raise InputError(
                f"Node {each.node!r} ({each.kind}) must take {chosen[0]} together as {end.along[0].node!r} "
                f"({end.along[0].kind}) does, not {other}: leave it out"
            )
    image = origin.site.image if rows * columns > 1 else ()
    if chosen and end.along[0].kind == "ArgMax":
        return image, chosen[0]
    # A Softmax chooses nothing, but keeps only the order of what it takes together.
    asked = {"class": CHANNELS, "both": CHANNELS, "positions": POSITIONS}.get(end.kind)
    if chosen and image and asked not in (None, chosen[0]):
        raise InputError(
            f"Node {end.along[0].node!r} ({end.along[0].kind}) must take {asked} together for outputs {end.kind!r}, "
            f"not {chosen[0]}: leave it out, or use outputs 'scores'"
        )
    return image, ""


def _are_in_order(places: np.ndarray, channels: int, size: int) -> bool:
    """Return whether elements lie as hardware makes them, but for an axis of channels that may be any."""
    natural = np.arange(size)
    if channels in (1, size):
        return np.array_equal(places.ravel(), natural)
    axes = [axis for axis, count in enumerate(places.shape) if count == channels]
    return any(np.array_equal(np.moveaxis(places, axis, -1).ravel(), natural) for axis in axes)


def _taken(end: End, index: int, origins: Mapping[str, Origin], positions: int, channels: int) -> str:
    """Return what an operator at the end takes together: all channels of a position, or all positions of a channel."""
    along = end.along[index]
    places = origins[along.tensor].places
    taken = int(np.prod([places.shape[axis] for axis in along.axes]))
    lines = np.moveaxis(places, along.axes, range(-len(along.axes), 0)).reshape(-1, taken)
    position, channel = lines // channels, lines % channels
    if taken == channels and (channel == np.arange(channels)).all() and (position == position[:, :1]).all():
        return CHANNELS
    if taken == positions > 1 and (position == np.arange(positions)).all() and (channel == channel[:, :1]).all():
        return POSITIONS
    rule = f"all {channels} scores together"
    if positions > 1:
        rule = f"all {channels} channels of a position together, or all {positions} positions of a channel, in order"
    raise InputError(f"Node {along.node!r} ({along.kind}) must take {rule}, not {taken} along axis {along.axes[0]}")
