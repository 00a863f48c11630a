"""Requantize on packed tensors: by a few lines, by a table of all numbers where it is small, or by pieces."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from dataflow import Requantize
from hwsim.packed._loops import follow_line, follow_lines, follow_pieces, follow_wide_line, look_up
from hwsim.packed._tensors import Tensor, Windows, fits, integer_type, output_stream, remembered, tensor_of

__all__ = ["requantize"]

#: Codes of the largest table that is made of pieces, so that it stays in a core's cache.
most_codes = 1 << 20

#: Numbers of the longest row of a loop. A row is several pixels if these have few channels.
longest_row = 1024

#: Bits of a number by which its first piece is looked up.
place_width = 10

#: Lines that a loop follows at once.
line_count = 3


def requantize(node: Requantize, x: Tensor | Windows) -> Tensor:
    """Map every number to a code, by a function of its channel."""
    data, way, stream = np.ascontiguousarray(x.plain.data), _way(node), output_stream(node)
    codes = np.empty(data.shape, way.codes)
    way.loop(data.reshape(-1, way.row), *way.arguments, codes.reshape(-1, way.row))
    return tensor_of(codes, stream) if stream.element.width == 1 else Tensor(codes, stream.shape, False)


@dataclass(frozen=True)
class _Way:
    """A loop over rows of numbers, and what it reads besides them.

    Parameters
    ----------
    row : numbers of a row
    codes : type of the codes
    """

    loop: Callable[..., None]
    row: int
    arguments: tuple[object, ...]
    codes: type[np.signedinteger]


@remembered
def _way(node: Requantize) -> _Way:
    """Return the fastest way to compute the codes of a node."""
    size, channels = prod(node.shape), node.shape[-1]
    row = channels
    while 2 * row <= longest_row and size % (2 * row) == 0:
        row *= 2
    codes = integer_type(node.result.minimum, node.result.maximum)
    number = _number(node) if node.form == "lines" else None
    if number is not None:
        if node.pieces.count == 1:
            return _Way(follow_line, row, _lines(node, row, number), codes)
        if node.rows == 1 and node.pieces.count <= line_count and node.element.maximum < np.iinfo(number).max:
            return _Way(follow_lines, row, _lines(node, row, number), codes)
    if node.table is not None or node.rows << node.element.width <= most_codes:
        return _Way(look_up, row, _table(node, row), codes)
    if node.form == "lines" and node.pieces.count == 1:
        return _Way(follow_wide_line, row, _wide_line(node, row), codes)
    return _Way(follow_pieces, channels, _pieces(node, channels), codes)


def _number(node: Requantize) -> type[np.signedinteger] | None:
    """Return the type in which all numbers, sums and codes of a node fit, if they fit into 32 bits."""
    spans = [(each.minimum, each.maximum) for each in (node.element, node.result)]
    spans.append(node.pieces.span)
    return next((each for each in (np.int16, np.int32) if all(fits(each, *span) for span in spans)), None)


def _lines(node: Requantize, row: int, number: type[np.signedinteger]) -> tuple[object, ...]:
    """Return what `follow_line` reads for rows of numbers, or `follow_lines` if there are several."""
    # What does not fit into the type differs by a multiple of 2 to the power of its width, and the sum is exact again.
    pieces = node.pieces
    functions = [each.astype(number) for each in (pieces.multipliers, pieces.offsets)]
    greatest_shift = np.iinfo(number).bits - 1
    ends = map(number, (min(node.shift, greatest_shift), node.result.minimum, node.result.maximum))
    if pieces.count == 1:
        return (*(np.resize(each, row) for each in functions), *ends)
    # The lines that are added start after the last number.
    more = line_count - pieces.count
    starts = np.pad(pieces.starts[0], (0, more), constant_values=node.element.maximum + 1).astype(number)
    return (tuple(starts), *(tuple(np.pad(each[0], (0, more))) for each in functions), *ends)


def _wide_line(node: Requantize, row: int) -> tuple[object, ...]:
    """Return what `follow_wide_line` reads for rows of numbers."""
    multipliers, offsets = (np.resize(each, row) for each in (node.pieces.multipliers, node.pieces.offsets))
    narrow = integer_type(int(multipliers.min()), int(multipliers.max()))
    ends = map(np.int64, (min(node.shift, 63), node.result.minimum, node.result.maximum))
    return (multipliers.astype(narrow), offsets.astype(np.int64), *ends)


def _table(node: Requantize, row: int) -> tuple[object, ...]:
    """Return what `look_up` reads for rows of numbers: the codes, and the place of each number 0."""
    size = 1 << node.element.width
    if node.table is None:
        every = np.arange(node.element.minimum, node.element.maximum + 1)
        codes = np.empty((size, node.rows), np.int64)
        follow_pieces(np.repeat(every[:, None], node.rows, axis=1), *_pieces(node, node.rows), codes)
        codes = codes.T
    else:
        codes = node.table
    narrow = codes.astype(integer_type(node.result.minimum, node.result.maximum))
    starts = np.arange(node.rows) * size - node.element.minimum
    return narrow.ravel(), np.resize(starts, row)


def _pieces(node: Requantize, rows: int) -> tuple[object, ...]:
    """Return what `follow_pieces` reads for rows of numbers."""
    pieces, element = node.pieces.with_rows(rows), node.element
    starts = pieces.starts
    lows = starts[:, 0] - 1 if starts.size else np.zeros(rows, np.int64)
    highs = np.minimum(starts[:, -1], element.maximum) if starts.size else lows
    drops = np.array([max(0, int(span).bit_length() - place_width) for span in highs - lows])
    # The places of a channel are from its least number to its greatest, or beyond.
    from_low = np.arange(1 << place_width) << drops[:, None]
    spans, last = (highs - lows)[:, None], (1 << drops[:, None]) - 1
    before, after = (
        np.array([np.searchsorted(*pair, side="right") for pair in zip(starts, lows[:, None] + each, strict=True)])
        for each in (np.minimum(from_low, spans), np.minimum(from_low + last, spans))
    )
    most = 1 << int((after - before).max()).bit_length() >> 1
    # One that is not reached may be the last number that can be represented, so the functions after it are alike.
    size = pieces.count + 2 * most
    never = min(element.maximum + 1, np.iinfo(np.int64).max)
    starts = np.pad(starts, ((0, 0), (0, size - starts.shape[1])), constant_values=never)
    more = (0, 0), (0, size - pieces.count)
    multipliers, offsets = (np.pad(each, more, mode="edge") for each in (pieces.multipliers, pieces.offsets))
    before, *functions = (
        np.ascontiguousarray(each.astype(integer_type(int(each.min()), int(each.max()))))
        for each in (before, starts, multipliers, offsets)
    )
    # The offsets of "steps" are the codes.
    shift = node.shift if node.form == "lines" else 0
    places = np.stack([lows, highs, drops])
    return (places, before, most, *functions, shift, node.result.minimum, node.result.maximum)
