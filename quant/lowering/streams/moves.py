"""Numbers that are only moved: which of a stream's channels each channel of the result has."""

import numpy as np

from dataflow import InputError, Integer, Rearrange
from quant.lowering.exact.numbers import Exact
from quant.lowering.graph.operations import ChannelChoice, PixelView
from quant.lowering.streams.stream import IntegerStream

__all__ = ["channels_read", "moved"]


def moved(operation: ChannelChoice | PixelView, numbers: Exact, stream: IntegerStream) -> np.ndarray:
    """Return numbers by channel of the source, () or (channels,), by channel of the result.

    Raises
    ------
    InputError
        A channel of the result consists of several with different numbers.
    """
    values = numbers.values
    if values.ndim == 0:
        return values
    if isinstance(operation, ChannelChoice):
        return np.asarray(values[operation.channels])
    read = values[channels_read(operation)]
    for channel, row in enumerate(read):
        odd = next((each for each in row if each != row[0]), None)
        if odd is not None:
            raise InputError(
                f"Node {operation.name!r} must move numbers of one scale to each channel, not {stream.label} that "
                f"count {float(row[0]):g} and {float(odd):g} in channel {channel}: put a BipolarQuant, or a Quant, "
                "before it, as xnorflow quantize does, and use positive scales there"
            )
    return np.asarray(read[:, 0])


def channels_read(view: PixelView) -> np.ndarray:
    """Return the channels of the source that each channel of the result consists of, (channels out, n) int64."""
    loops, count = view.loops, view.image[2]
    node = Rearrange(view.name, Integer(1), view.image, loops.rows, loops.columns, loops.channels, loops.start)
    channels = node.pieces[0, 0, :, None] * node.together + np.arange(node.together)
    starts = np.unique(node.pieces[..., 0] * node.together % count)
    return np.asarray((channels.ravel()[:, None] - channels[0, 0] + starts) % count)
