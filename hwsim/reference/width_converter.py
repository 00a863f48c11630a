"""WidthConverter on plain integers."""

import numpy as np

from dataflow import WidthConverter

__all__ = ["width_converter"]


def width_converter(node: WidthConverter, x: np.ndarray) -> np.ndarray:
    """Repack the beats of all frames, number by number, through a queue.

    The frames that come out are those that went in, because the order of the numbers stays: it is the beats that
    differ. The queue is walked through all the same, as the hardware does it.

    Parameters
    ----------
    x : (frames, *shape) int64

    Returns
    -------
    (frames, *shape) int64
    """
    held: list[int] = []
    beats_out: list[list[int]] = []
    for beat in x.reshape(-1, node.lanes_in).tolist():
        held += beat
        while len(held) >= node.lanes_out:
            beats_out.append(held[: node.lanes_out])
            held = held[node.lanes_out :]
    assert not held
    return np.array(beats_out, np.int64).reshape(x.shape)
