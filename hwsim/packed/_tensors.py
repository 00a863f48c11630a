"""The values of a stream, with bits in 64-bit words, either stored directly or as windows into an image."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from dataflow import Bipolar, Element, Node, SlidingWindow, Stream
from hwsim.packed._bits import pack, unpack, word_width

__all__ = [
    "Tensor",
    "Windows",
    "by_pixel",
    "fits",
    "grouped_windows_of",
    "integer_type",
    "numbers_in",
    "output_stream",
    "remembered",
    "tensor_of",
    "windows_of",
]

T = TypeVar("T")


def remembered(make: Callable[..., T]) -> Callable[..., T]:
    """Return a function of a node and further arguments that caches its results as long as the node exists."""
    results: WeakKeyDictionary[Node, dict[tuple[object, ...], T]] = WeakKeyDictionary()

    @wraps(make)
    def get(node: Node, *arguments: object) -> T:
        made = results.setdefault(node, {})
        if arguments not in made:
            made[arguments] = make(node, *arguments)
        return made[arguments]

    return get


@cache
def integer_type(low: int, high: int) -> type[np.signedinteger]:
    """Return the narrowest type that holds `low` to `high`."""
    return next((dtype for dtype in (np.int8, np.int16, np.int32) if fits(dtype, low, high)), np.int64)


@cache
def fits(dtype: type[np.signedinteger], low: int, high: int) -> bool:
    """Return whether a type holds `low` to `high`."""
    return bool(np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max)


@remembered
def output_stream(node: Node) -> Stream:
    """Return the only output of a node."""
    (stream,) = node.output_streams
    return stream


@dataclass(frozen=True, eq=False)
class Tensor:
    """The values of a stream: packed words if they are bits, else the numbers themselves.

    Parameters
    ----------
    data : (frames, *shape[:-1], words) uint64 if `packed`, else (frames, *shape) signed integers of any width
    shape : shape of a frame
    """

    data: np.ndarray
    shape: tuple[int, ...]
    packed: bool

    @property
    def values(self) -> np.ndarray:
        """(frames, *shape) int64."""
        return unpack(self.data, self.shape[-1]) if self.packed else self.data.astype(np.int64, copy=False)

    @property
    def plain(self) -> "Tensor":
        return self

    @property
    def windows(self) -> "Windows":
        """Every position as a window of one pixel."""
        data = np.ascontiguousarray(self.data)
        width = data.shape[-1]
        pixels = data.reshape(len(data), -1)
        starts = np.arange(0, pixels.shape[1], width)
        return Windows(pixels, starts, np.arange(width), self.shape[-1], self.shape, self.packed)

    def reshaped(self, shape: tuple[int, ...]) -> "Tensor | Windows":
        """Return the same numbers as frames of another shape; for bits, one with the same channels or with one axis."""
        if shape == self.shape:
            return self
        if self.packed and shape[-1] != self.shape[-1] and self.shape[-1] % word_width:
            # The words of a pixel have unused bits, so the frame becomes a window of all pixels.
            pixels = np.ascontiguousarray(self.data).reshape(len(self.data), -1)
            return Windows(pixels, np.zeros(1, np.int64), np.arange(pixels.shape[1]), self.shape[-1], shape, True)
        return Tensor(self.data.reshape(len(self.data), *shape[:-1], -1), shape, self.packed)


@dataclass(frozen=True, eq=False)
class Windows:
    """A stream whose vectors are windows of an image: elements at the same offsets from the start of each window.

    An element is a number or, for packed bits, a word; each pixel has its own words.

    Parameters
    ----------
    pixels : (frames, elements) uint64 if `packed`, else signed integers
    starts : (positions,) int64, the element with which each window starts
    offsets : (elements of a window,) int64, their offsets from its start
    channels : numbers of a pixel
    shape : shape of a frame
    """

    pixels: np.ndarray
    starts: np.ndarray
    offsets: np.ndarray
    channels: int
    shape: tuple[int, ...]
    packed: bool

    @property
    def values(self) -> np.ndarray:
        """(frames, *shape) int64."""
        return self.plain.values

    @property
    def plain(self) -> Tensor:
        """A copy of the windows."""
        vectors = self.pixels[:, self.starts[:, None] + self.offsets]
        if self.packed and self.channels % word_width:
            words = -(-self.channels // word_width)
            vectors = pack(unpack(vectors.reshape(-1, words), self.channels).reshape(-1, self.shape[-1]))
        return Tensor(vectors.reshape(len(self.pixels), *self.shape[:-1], -1), self.shape, self.packed)

    @property
    def windows(self) -> "Windows":
        return self

    @property
    def numbers(self) -> "Windows":
        """The same windows, whose elements are bits as numbers 0 and 1, if they were words of bits."""
        if not self.packed:
            return self
        words = -(-self.channels // word_width)
        pixels = unpack(self.pixels.reshape(len(self.pixels), -1, words), self.channels).astype(np.int16)
        offsets = self.offsets[::words, None] // words * self.channels + np.arange(self.channels)
        starts = self.starts // words * self.channels
        return replace(
            self, pixels=pixels.reshape(len(pixels), -1), starts=starts, offsets=offsets.reshape(-1), packed=False
        )

    def reshaped(self, shape: tuple[int, ...]) -> "Tensor | Windows":
        """Return the same numbers as frames of another shape."""
        return self if shape == self.shape else self.plain.reshaped(shape)


def tensor_of(values: np.ndarray, stream: Stream) -> Tensor:
    """Return (frames, *shape) integers as the tensor of a stream."""
    if isinstance(stream.element, Bipolar):
        return Tensor(pack(values), stream.shape, True)
    dtype = integer_type(stream.element.minimum, stream.element.maximum)
    return Tensor(values.astype(dtype, copy=False), stream.shape, False)


def numbers_in(x: Tensor | Windows, element: Element) -> np.ndarray:
    """Return what a stream's values stand for, bits for -1 and +1."""
    if not isinstance(element, Bipolar):
        return x.plain.data
    return 2 * x.values.astype(np.int8) - np.int8(1)


def by_pixel(numbers: np.ndarray, channels: int) -> np.ndarray:
    """Return the numbers of all frames as (pixels, channels), in contiguous memory."""
    return np.ascontiguousarray(numbers).reshape(-1, channels)


def windows_of(node: SlidingWindow, x: Tensor) -> Windows:
    """Return the windows that a node without groups moves over images.

    Parameters
    ----------
    x : (height, width, channels) as its shape
    """
    data = _padded(node, x.data)
    starts, offsets = _places(node, data.shape[-1])
    pixels = np.ascontiguousarray(data).reshape(len(data), -1)
    return Windows(pixels, starts, offsets, node.shape[-1], output_stream(node).shape, x.packed)


def grouped_windows_of(node: SlidingWindow, x: Tensor) -> Tensor:
    """Return a copy of the windows of a node with groups."""
    windows = windows_of(node, x).values
    taps = windows.reshape(*windows.shape[:-1], node.taps, node.groups, -1).swapaxes(-3, -2)
    return tensor_of(taps.reshape(windows.shape), node.output_streams[0])


def _padded(node: SlidingWindow, data: np.ndarray) -> np.ndarray:
    """Return images with their padding, (frames, height, width, elements of a pixel)."""
    if not any(node.padding):
        return data
    frames, height, width, elements = data.shape
    top, bottom, left, right = node.padding
    padded = np.empty((frames, height + top + bottom, width + left + right, elements), data.dtype)
    # Whole rows, because NumPy copies what is next to each other in memory at once.
    rows = padded.reshape(frames, padded.shape[1], -1)
    rows[:] = np.tile(_outside(node).astype(data.dtype), padded.shape[2])
    rows[:, top : top + height, left * elements : (left + width) * elements] = data.reshape(frames, height, -1)
    return padded


@remembered
def _outside(node: SlidingWindow) -> np.ndarray:
    """Return the elements of a pixel outside the image."""
    numbers = np.full(node.shape[-1], node.pad, np.int64)
    return pack(numbers) if isinstance(node.element, Bipolar) else numbers


@remembered
def _places(node: SlidingWindow, elements: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the starts of the windows in the padded image, and the offsets of their elements.

    Parameters
    ----------
    elements : elements of a pixel
    """
    height, width, channels = node.shape
    top, bottom, left, right = node.padding
    whole = replace(node, shape=(height + top + bottom, width + left + right, channels), padding=(0, 0, 0, 0))
    starts = whole.tap_pixels[:, 0] * elements
    taps = (whole.tap_pixels[0] - whole.tap_pixels[0, 0]) * elements
    return starts, (taps[:, None] + np.arange(elements)).reshape(-1)
