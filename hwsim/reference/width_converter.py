"""WidthConverter on plain integers."""

from itertools import cycle

import numpy as np

from dataflow import Stream, WidthConverter, beats_of, frames_of

__all__ = ["width_converter"]


def width_converter(node: WidthConverter, x: np.ndarray) -> np.ndarray:
    """Repack the beats of all frames, number by number, through a queue.

    The result equals the input, because the order of the numbers does not change, only their distribution over beats.
    The queue is simulated nevertheless, as the hardware works.

    Parameters
    ----------
    x : (frames, *shape) int64

    Returns
    -------
    (frames, *shape) int64
    """
    before, after = node.input_streams[0], node.output_streams[0]
    held: list[int] = []
    beats_out: list[list[int]] = []
    wanted = _numbers(after)
    for beat, count in zip(beats_of(x, before).tolist(), cycle(_numbers(before)), strict=False):
        held += beat[:count]
        while held and len(held) >= wanted[len(beats_out) % len(wanted)]:
            count = wanted[len(beats_out) % len(wanted)]
            beats_out.append(held[:count] + [0] * (node.lanes_out - count))
            held = held[count:]
    assert not held
    return frames_of(np.array(beats_out, np.int64), after)


def _numbers(stream: Stream) -> list[int]:
    """Return how many numbers each beat of a vector has; the other lanes are inert."""
    return [stream.lanes] * (stream.vector_beats - 1) + [stream.lanes - stream.inert]
