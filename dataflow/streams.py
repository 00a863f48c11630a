"""Streams: the order in which the numbers of a frame are transferred, beat by beat."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np

from dataflow.elements import Element
from dataflow.errors import InputError

__all__ = ["Stream", "are_sizes", "beats_of", "frames_of", "values_of_words", "words_of"]


def are_sizes(shape: object) -> bool:
    """Return whether `shape` is a tuple of at least one positive integer."""
    return isinstance(shape, tuple) and len(shape) > 0 and all(type(size) is int and size >= 1 for size in shape)


@dataclass(frozen=True)
class Stream:
    """The type of a stream.

    Frames are transferred in H, W, C order. A beat carries `lanes` neighbouring channels, channel 0 in the lowest bits.

    A vector of channels begins with a new beat. If `lanes` does not divide the vector, its last beat has lanes without
    a channel. These are inert and carry 0.

    Parameters
    ----------
    element : the type of one number
    shape : shape of a frame, ``(features,)`` or ``(height, width, channels)``
    lanes : numbers per beat, at most those of a vector
    parts : number of equal vectors into which the channels are divided, such as the groups of a convolution
    """

    element: Element
    shape: tuple[int, ...]
    lanes: int = 1
    parts: int = 1

    def __post_init__(self) -> None:
        if not are_sizes(self.shape):
            raise InputError(f"Stream shape must be positive sizes, not {self.shape!r}")
        if type(self.parts) is not int or self.parts < 1 or self.shape[-1] % self.parts:
            raise InputError(f"Stream parts must divide the {self.shape[-1]} channels, not {self.parts!r}")
        if type(self.lanes) is not int or not 1 <= self.lanes <= self.vector:
            raise InputError(f"Stream lanes must be 1 to {self.vector}, the channels of a vector, not {self.lanes!r}")

    @property
    def size(self) -> int:
        """Numbers per frame."""
        return prod(self.shape)

    @property
    def beats(self) -> int:
        """Beats per frame."""
        return self.size // self.vector * self.vector_beats

    @property
    def vector(self) -> int:
        """Numbers of a vector. Each vector begins with a new beat."""
        return self.shape[-1] // self.parts

    @property
    def vector_beats(self) -> int:
        """Beats of a vector."""
        return -(-self.vector // self.lanes)

    @property
    def inert(self) -> int:
        """Lanes of a vector's last beat that carry no number."""
        return -self.vector % self.lanes

    @property
    def width(self) -> int:
        """Bits per beat."""
        return self.lanes * self.element.width

    def __str__(self) -> str:
        cut = f" of every {self.vector}" if self.parts > 1 else ""
        return f"{self.element} {'x'.join(map(str, self.shape))}, {self.lanes} at once{cut}"

    def has_beats_of(self, other: "Stream") -> bool:
        """Return whether the numbers of a frame are in the same beats and lanes as those of another stream."""
        if (self.size, self.lanes) != (other.size, other.lanes):
            return False
        return self.vector == other.vector or not (self.inert or other.inert)


def beats_of(values: np.ndarray, stream: Stream) -> np.ndarray:
    """Divide frames into beats; inert lanes carry 0.

    Parameters
    ----------
    values : (frames, *shape) integers

    Returns
    -------
    (frames * beats, lanes) int64
    """
    vectors = np.asarray(values, np.int64).reshape(-1, stream.vector)
    return np.pad(vectors, ((0, 0), (0, stream.inert))).reshape(-1, stream.lanes)


def frames_of(beats: np.ndarray, stream: Stream) -> np.ndarray:
    """Combine beats to frames, as the inverse of `beats_of`. An incomplete frame at the end is left out."""
    beats = np.asarray(beats, np.int64).reshape(-1, stream.lanes)
    complete = len(beats) // stream.beats
    vectors = beats[: complete * stream.beats].reshape(-1, stream.vector + stream.inert)
    return vectors[:, : stream.vector].reshape(complete, *stream.shape)


def words_of(beats: np.ndarray, stream: Stream) -> list[int]:
    """Return each beat as an unsigned integer, as it is on the wires.

    Parameters
    ----------
    beats : (n, lanes) integers within the element's range
    """
    beats = np.asarray(beats, np.int64).reshape(-1, stream.lanes)
    element = stream.element
    if beats.size and (beats.min() < element.minimum or beats.max() > element.maximum):
        raise InputError(
            f"Beats must be within {element.minimum} to {element.maximum} ({element}), "
            f"not {beats.min()} to {beats.max()}"
        )
    bits = (beats[:, :, None] >> np.arange(element.width)) & 1
    rows = np.packbits(bits.reshape(len(beats), stream.width).astype(np.uint8), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


def values_of_words(words: Iterable[int], stream: Stream) -> np.ndarray:
    """Return the numbers in words on the wires, as the inverse of `words_of`, (n, lanes) int64."""
    size = -(-stream.width // 8)
    rows = np.frombuffer(b"".join(word.to_bytes(size, "little") for word in words), np.uint8).reshape(-1, size)
    element = stream.element
    bits = np.unpackbits(rows, axis=1, bitorder="little")[:, : stream.width].astype(np.int64)
    values = (bits.reshape(-1, stream.lanes, element.width) << np.arange(element.width)).sum(axis=2)
    if element.signed:
        values -= (values >> (element.width - 1)) << element.width
    return values
