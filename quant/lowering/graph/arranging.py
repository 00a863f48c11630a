"""Tensors that only move numbers: where their elements come from, and what hardware makes of them when it must.

Operators that move numbers are followed back, however many there are. Only where something reads a tensor in a way that
needs its elements to lie as they are, hardware chooses channels, or reads pixels in another order.
"""

from dataclasses import replace

import numpy as np

from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import ChannelChoice, Operation, PixelView, Rearrangement, parameter_name
from quant.lowering.graph.origins import FirstImage, Origin, image_of, image_places
from quant.lowering.graph.sites import Site
from quant.lowering.graph.wiring import Wiring, wiring_of

__all__ = ["Arranger", "image_wiring", "is_image", "is_permutation"]


class Arranger:
    """The tensors of a graph, as far as they are known.

    Attributes
    ----------
    graph : with the operations that move numbers in hardware
    kept : the operations, so far
    origins : of the model's tensors, and of those that hardware makes
    renamed : by tensor of the model, the one of the hardware that has its numbers
    shapes : of tensors of the hardware from which others are made by moving numbers
    """

    def __init__(self, graph: Graph, origin: Origin) -> None:
        self.graph = graph
        self.kept: list[Operation] = []
        self.origins = {graph.input: origin}
        self.renamed = {graph.input: graph.input}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def shape_of(self, origin: Origin) -> tuple[int, ...]:
        """Return the shape of what hardware makes: the channels of an image, or the numbers of a vector."""
        return (origin.site.image[-1],) if origin.site.image else (self.graph.size(origin.tensor),)

    def rearrange(self, operation: Rearrangement) -> None:
        """Follow the elements back; what hardware has to do is asked where they are read."""
        source, shapes = operation.source, self.graph.shapes
        origin = self.origins[source]
        if len(shapes[operation.output]) < 3 and not is_permutation(origin.places, self.graph.size(origin.tensor)):
            self.arrange(source)  # what is flattened has no pixels any more that loops could count
            origin = self.origins[source]
        first = origin.first and replace(origin.first, rest=origin.first.rest.ravel()[operation.order])
        if first is not None and (not is_image(operation.order.shape) or _rest_wiring(first) is None):
            self.arrange(source)
            origin, first = self.origins[source], None
        places = origin.places.ravel()[operation.order]
        plain = np.array_equal(operation.order.ravel(), np.arange(operation.order.size))
        images = not plain and is_image(shapes[source]) and is_image(operation.order.shape)
        if first is None and images and _has_pixels(origin):
            before, after = (image_wiring(each, origin.site.image) for each in (origin.places, places))
            if after is None and before is not None:
                first = FirstImage(origin.places, operation.order, origin.mover)
        mover = origin.mover if plain else operation.name
        self.origins[operation.output] = replace(origin, places=places, first=first, mover=mover)
        self.renamed[operation.output] = self.renamed[source]

    def arrange(self, name: str, *, ordered: bool = False) -> None:
        """Let hardware choose channels and read pixels in another order, if a tensor needs it.

        After that its elements are those that hardware makes, each of them once, with the pixels where they are made.
        The channels may be in another order, unless they are to be ordered. What hardware cannot do is left as it is,
        and refused by the reader.
        """
        origin = self.origins[name]
        shape = origin.places.shape
        if origin.site.padding is not None:
            return
        if not _has_pixels(origin):
            flat = origin.places.ravel()
            once = is_permutation(flat, self.graph.size(origin.tensor))
            if not once or (ordered and (np.diff(flat) != 1).any()):
                self._choose(name, flat, Origin("", np.arange(flat.size).reshape(shape)))
            return
        if not is_image(shape):
            return
        wiring = image_wiring(origin.places, origin.site.image)
        if wiring is None and origin.first is not None:
            rest = origin.first.rest
            self.origins[name] = replace(origin, places=origin.first.places, first=None, mover=origin.first.mover)
            self.arrange(name)
            places = self.origins[name].places.ravel()[rest]
            self.origins[name] = replace(self.origins[name], places=places, mover=origin.mover)
            self.arrange(name, ordered=ordered)
            return
        if wiring is None:
            return
        selected, order = wiring.selected, wiring.order
        height, width, channels = origin.site.image
        if selected is not None:
            channels = len(selected)
            if ordered and wiring.loops is None:
                selected, order = selected[order], np.arange(channels)
            made = _plain(name, (1, channels, height, width))
            self._choose(name, selected, made, "_channels" if wiring.loops is not None else "")
        if wiring.loops is not None:
            image = (height, width, channels)
            self._make(name, PixelView("", "", "", wiring.loops, image), _plain(name, shape))
        if ordered and (np.diff(order) != 1).any():
            self._choose(name, order, _plain(name, shape))
            order = np.arange(len(order))
        made = self.origins[name]
        if made.tensor != origin.tensor:
            places = image_places(shape)[:, order]
            self.origins[name] = replace(made, places=places, site=Site(image_of(shape)), first=None)

    def _choose(self, name: str, channels: np.ndarray, origin: Origin, ending: str = "") -> None:
        self._make(name, ChannelChoice(ending, "", "", channels), origin)

    def _make(self, name: str, operation: ChannelChoice | PixelView, origin: Origin) -> None:
        """Add an operation on what a tensor is made of; the tensor is what it makes, then.

        Parameters
        ----------
        operation : with the ending of its name only
        origin : of what it makes, without its name
        """
        origin = replace(origin, mover=self.origins[name].mover)
        label = origin.mover or self.graph.label(name)
        count = sum(each.startswith(parameter_name(name, "moved")) for each in self.origins)
        output = parameter_name(name, f"moved{count or ''}")
        source = self.renamed[name]
        self.shapes.setdefault(source, self.shape_of(self.origins[name]))
        made = replace(operation, name=label + operation.name, output=output, source=source)
        self.kept.append(made)
        self.graph = replace(
            self.graph,
            operations=(*self.graph.operations, made),
            shapes={**self.graph.shapes, output: origin.places.shape},
        )
        self.origins[name] = self.origins[output] = replace(origin, tensor=output)
        self.renamed[name] = self.renamed[output] = output


def _has_pixels(origin: Origin) -> bool:
    return bool(origin.site.image) and origin.site.padding is None


def is_permutation(places: np.ndarray, size: int) -> bool:
    """Return whether each of some places occurs once."""
    return places.size == size and np.unique(places).size == size


def is_image(shape: tuple[int, ...]) -> bool:
    return len(shape) in {3, 4} and shape[0] == 1


def _plain(name: str, shape: tuple[int, ...]) -> Origin:
    """Return the origin of an image whose elements are as hardware makes them."""
    return Origin(name, image_places(shape), Site(image_of(shape)))


def image_wiring(places: np.ndarray, image: tuple[int, ...]) -> Wiring | None:
    """Return what makes a tensor (1, channels, height, width), or (1, channels, length), of an image."""
    height, width, channels = image_of(places.shape)
    return wiring_of(np.moveaxis(places.reshape(channels, height, width), 0, -1), image)


def _rest_wiring(first: FirstImage) -> Wiring | None:
    """Return what makes a tensor of its first image."""
    shape = first.places.shape
    return image_wiring(image_places(shape).ravel()[first.rest], image_of(shape))
