"""The cheapest `Requantize` that gives a table's code for every integer that occurs.

Three forms are tried: a code for each piece of the range; lines, ``(multiplier * x + offset) >> shift`` saturated, one
for the whole range or one for each of a few pieces, as a PReLU has two; and a memory with all codes. Each equals the
table at every point, or it is not used.

A line through a run of codes has to satisfy ``code * 2**shift <= multiplier * x + offset < (code + 1) * 2**shift`` at
the first and the last point of each code. Where a code is the least or the greatest of the result's type, saturation
lifts one of the two bounds. The slope whose offsets have the most room is found by bisection, since that room is a
concave function of the slope. Then the shifts are tried from 0 on: for the first at which a multiplier next to the
slope leaves a whole offset, both are exact.
"""

from collections.abc import Iterator
from math import ceil, log2

import numpy as np

from dataflow import Element, Integer, Requantize, Stream
from dataflow.cost import node_cost
from quant.lowering.streams.runs import Runs

__all__ = ["cheapest_requantize"]

#: Lines are tried with up to this many pieces, and comparisons with up to this many.
_most_lines, _most_steps = 4, 64
#: The greatest shift. The sums of a layer of 8-bit weights on pixels need more than those of a binary one.
_widest_shift = 36
#: A memory is tried up to this many codes.
_most_codes = 1 << 18
#: LUTs that a DSP block counts as much as, beside the family's LUTs per block RAM.
_luts_per_dsp = 200
#: Bits of a factor of a DSP block; wider factors take several blocks.
_dsp_width = 18
_family = "ecp5"


def cheapest_requantize(name: str, stream: Stream, result: Element, runs: Runs) -> Requantize:
    """Return the node that gives each point of each channel its code.

    Parameters
    ----------
    stream : what it reads
    result : type of the codes
    """
    assert isinstance(stream.element, Integer)
    return min(_candidates(name, stream, stream.element, result, runs), key=_price)


def _price(node: Requantize) -> float:
    cost, blocks = node_cost(node, _family), 1
    if node.multipliers is not None:
        widest = max(int(np.abs(node.multipliers).max()).bit_length() + 1, 1)
        blocks = -(-widest // _dsp_width) * -(-node.element.width // _dsp_width)
    return cost.weight(_family) + _luts_per_dsp * cost.dsps * blocks


def _candidates(name: str, stream: Stream, element: Integer, result: Element, runs: Runs) -> Iterator[Requantize]:
    never = element.maximum + 1
    pieces = int(runs.counts.max())
    sized = element.width < 18 and runs.channels << element.width <= _most_codes
    lines = _lines_of(runs, result.minimum, result.maximum, never) if pieces > 2 else None
    if lines is not None:
        node = Requantize(name, element, stream.shape, result, *lines[:3], shift=lines[3])
        assert _gives(node, runs)
        yield node
    if pieces <= _most_steps or (lines is None and not sized):
        starts = np.where(runs.exists[:, 1:], runs.first[:, 1:], never)
        yield Requantize(name, element, stream.shape, result, starts, np.zeros_like(runs.codes), runs.codes)
    if sized:
        codes = runs.at(np.arange(element.minimum, element.maximum + 1))
        yield Requantize(name, element, stream.shape, result, table=codes.T)


def _gives(node: Requantize, runs: Runs) -> bool:
    """Return whether lines give the codes at all points.

    Between two points that a piece has in common it only rises or only falls, so those at the ends of runs, and next to
    where pieces begin, decide it.
    """
    assert node.starts is not None
    assert node.multipliers is not None
    assert node.offsets is not None
    for channel in range(runs.channels):
        starts = node.starts[channel]
        count = runs.counts[channel]
        before = runs.points[np.maximum(np.searchsorted(runs.points, starts) - 1, 0)]
        points = np.concatenate([runs.first[channel, :count], runs.last[channel, :count], starts, before])
        places = np.minimum(np.searchsorted(runs.points, points), len(runs.points) - 1)
        points = points[runs.points[places] == points]
        piece = np.searchsorted(starts, points, side="right")
        codes = node.multipliers[channel, piece] * points + node.offsets[channel, piece] >> node.shift
        codes = np.clip(codes, node.result.minimum, node.result.maximum)
        numbers = np.searchsorted(runs.first[channel, :count], points, side="right") - 1
        if not np.array_equal(codes, runs.codes[channel, numbers]):
            return False
    return True


def _lines_of(runs: Runs, least: int, most: int, never: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int] | None:
    """Return starts, multipliers, offsets and the shift of lines; None if too many are needed.

    Each piece gets as many runs as one line can pass through.
    """
    channels = len(runs.counts)
    starts: list[np.ndarray] = []
    pieces: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    done = np.zeros(channels, np.int64)
    while (done < runs.counts).any():
        if len(pieces) == _most_lines:
            return None
        if pieces:
            begin = np.take_along_axis(runs.first, np.minimum(done, runs.counts - 1)[:, None], axis=1)[:, 0]
            starts.append(np.where(done < runs.counts, begin, never))
        # A channel that is done repeats its last run.
        begin = np.minimum(done, runs.counts - 1)
        taken, piece = _longest(runs, begin, least, most)
        pieces.append(piece)
        done = np.maximum(done, taken)
    shift = max(int(shifts.max()) for _, _, shifts in pieces)
    multipliers, offsets = (
        np.stack([piece[which] << (shift - piece[2]) for piece in pieces], axis=1) for which in (0, 1)
    )
    return np.stack(starts, axis=1) if starts else np.zeros((channels, 0), np.int64), multipliers, offsets, shift


def _longest(
    runs: Runs, begin: np.ndarray, least: int, most: int
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return the run after the longest piece that begins with a run, by channel, and its line."""
    low, high = begin + 1, runs.counts.copy()
    line = _line(runs, begin, high, least, most)
    fits = line[2] >= 0
    low = np.where(fits, high, low)
    for _ in range(ceil(log2(max(2, int((high - low).max()) + 1))) + 1):
        if (low >= high).all():
            break
        middle = (low + high + 1) // 2
        tried = _line(runs, begin, middle, least, most)
        good = tried[2] >= 0
        low, high = np.where(good, middle, low), np.where(good, high, middle - 1)
        high = np.maximum(low, high)
    return low, _line(runs, begin, low, least, most)


def _line(
    runs: Runs, begin: np.ndarray, end: np.ndarray, least: int, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return multiplier, offset and shift, -1 where there is none, of the line through some runs, by channel."""
    number = np.arange(runs.first.shape[1])
    within = (number >= begin[:, None]) & (number < end[:, None])
    x = np.concatenate([runs.first, runs.last], axis=1)
    code = np.concatenate([runs.codes, runs.codes], axis=1)
    within = np.concatenate([within, within], axis=1)
    bounded = (within & (code > least), within & (code < most))
    slope, room = _roomiest_slope(x, code, *bounded)
    multiplier, offset, shift = (np.zeros(len(x), np.int64) for _ in range(3))
    shift -= 1
    for bits in range(_widest_shift + 1):
        for extra in (0, 1, -1):
            rows = np.nonzero((shift < 0) & (room > 0))[0]
            if not len(rows):
                return multiplier, offset, shift
            tried = np.rint(slope[rows] * (1 << bits)).astype(np.int64) + extra
            rest = tried[:, None] * x[rows]
            lowest = np.where(bounded[0][rows], (code[rows] << bits) - rest, -_far).max(axis=1)
            highest = np.where(bounded[1][rows], (code[rows] + 1 << bits) - 1 - rest, _far).min(axis=1)
            good = lowest <= highest
            # In the middle, or next to the only bound.
            chosen = np.where(lowest == -_far, np.where(highest == _far, 0, highest), lowest)
            chosen = np.where((lowest > -_far) & (highest < _far), (lowest + highest) // 2, chosen)
            here = rows[good]
            multiplier[here], offset[here], shift[here] = tried[good], chosen[good], bits
    return multiplier, offset, shift


_far = 1 << 61


def _roomiest_slope(
    x: np.ndarray, code: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return by channel the slope whose line has the most room between the codes' bounds, and that room.

    Parameters
    ----------
    low, high : of which numbers `code` is a lower bound, and ``code + 1`` an upper bound
    """
    steepest = float(np.abs(code).max() * 2 + 2)
    left, right = np.full(len(x), -steepest), np.full(len(x), steepest)
    for _ in range(64):
        middle = (left + right) / 2
        rest = middle[:, None] * x
        under = np.where(low, code - rest, -np.inf).argmax(axis=1)
        over = np.where(high, code + 1 - rest, np.inf).argmin(axis=1)
        rows = np.arange(len(x))
        rises = x[rows, under] > x[rows, over]
        left, right = np.where(rises, middle, left), np.where(rises, right, middle)
    flat = ~low.any(axis=1) | ~high.any(axis=1)
    slope = np.where(flat, 0.0, (left + right) / 2)
    rest = slope[:, None] * x
    room = np.where(high, code + 1 - rest, np.inf).min(axis=1) - np.where(low, code - rest, -np.inf).max(axis=1)
    return slope, room
