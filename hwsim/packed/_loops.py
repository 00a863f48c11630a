"""Compiled loops over the numbers of all pixels, which read and write narrow types and keep nothing in between.

Numba adds and multiplies all integers as 64 bits. Where a result is needed only in 32 or 16, the compiler narrows sums
and products by itself, and a loop that is cast to so few bits fills a vector with twice or four times as many numbers.
The bounds of a loop's results say in which type it computes.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = [
    "add_saturating",
    "compare",
    "follow_line",
    "follow_lines",
    "follow_pieces",
    "follow_wide_line",
    "look_up",
    "pool_greatest",
    "pool_sums",
]


@intrinsic(prefer_literal=True)
def _bits_of(typing_context: Any, numbers: Any, number: Any, limits: Any, limit: Any, count: Any) -> Any:
    """Return whether each of some neighbouring numbers is at least its limit, as bits with the first one lowest.

    Parameters
    ----------
    numbers, limits : C-contiguous arrays of the same type
    number, limit : the first elements in memory that are compared
    count : how many, at most 64
    """
    assert all(each.layout == "C" and each.dtype == numbers.dtype for each in (numbers, limits))

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = []
        for kind, array, place in ((numbers, *arguments[:2]), (limits, *arguments[2:4])):
            start = builder.gep(context.make_array(kind)(context, builder, array).data, [place])
            element = ir.IntType(kind.dtype.bitwidth)
            kind = ir.VectorType(element, count.literal_value)
            vectors.append(builder.load(builder.bitcast(start, kind.as_pointer())))
            vectors[-1].align = element.width // 8
        bits = builder.bitcast(builder.icmp_signed(">=", *vectors), ir.IntType(count.literal_value))
        return bits if count.literal_value == 64 else builder.zext(bits, ir.IntType(64))

    return types.uint64(numbers, types.intp, limits, types.intp, count), generate


@intrinsic
def _shifted(typing_context: Any, number: Any, shift: Any) -> Any:
    """Return a number shifted to the right in its own type."""
    return number(number, number), lambda context, builder, signature, arguments: builder.ashr(*arguments)


@intrinsic
def _cast(typing_context: Any, number: Any, like: Any) -> Any:
    """Return the lowest bits of a number, as the type of another number that is not wider."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        narrow = context.get_value_type(like)
        return builder.trunc(arguments[0], narrow) if number.bitwidth > like.bitwidth else arguments[0]

    return like(number, like), generate


@intrinsic
def _element(typing_context: Any, numbers: Any, place: Any) -> Any:
    """Return the number at a place of a C-contiguous array, which counts from its first one; none is negative."""
    assert numbers.layout == "C"

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(numbers)(context, builder, arguments[0]).data
        number = builder.load(builder.gep(data, [arguments[1]]))
        return context.cast(builder, number, numbers.dtype, types.int64)

    return types.int64(numbers, types.int64), generate


@njit(cache=True, nogil=True)
def compare(numbers, limits, bits):  # type: ignore[no-untyped-def] # pragma: no cover
    """Write for every number whether it is at least its channel's limit.

    Parameters
    ----------
    numbers : (pixels, channels) signed integers
    limits : (channels,) of the same type
    bits : (pixels, words) uint64, written: all bits of a pixel, the first lowest, with zeros after the last
    """
    pixels, channels = numbers.shape
    whole = channels // 64
    for pixel in range(pixels):
        start = pixel * channels
        for word in range(whole):
            bits[pixel, word] = _bits_of(numbers, start + 64 * word, limits, 64 * word, 64)
        if channels % 64 == 0:
            continue
        last, first = np.uint64(0), 64 * whole
        if channels & 32:
            last = _bits_of(numbers, start + first, limits, first, 32)
            first += 32
        if channels & 16:
            last |= _bits_of(numbers, start + first, limits, first, 16) << np.uint64(channels & 32)
            first += 16
        for channel in range(first, channels):
            last |= np.uint64(numbers[pixel, channel] >= limits[channel]) << np.uint64(channel & 63)
        bits[pixel, whole] = last


@njit(cache=True, nogil=True)
def look_up(numbers, codes, starts, out):  # type: ignore[no-untyped-def] # pragma: no cover
    """Write the code of every number.

    Parameters
    ----------
    numbers : (pixels, channels) signed integers
    codes : (places,) the codes of all channels
    starts : (channels,) the place of each channel's number 0
    out : (pixels, channels), written
    """
    for pixel in range(numbers.shape[0]):
        for channel in range(numbers.shape[1]):
            out[pixel, channel] = codes[np.uint64(numbers[pixel, channel] + starts[channel])]


@njit(cache=True, nogil=True)
def follow_line(numbers, multipliers, offsets, shift, least, greatest, out):  # type: ignore[no-untyped-def] # pragma: no cover
    """Write the code of every number by the only line of its channel; see `dataflow.Requantize`.

    Parameters
    ----------
    numbers : (pixels, channels) signed integers
    multipliers, offsets : (channels,) int16 or int32
    shift, least, greatest : of the same type, in which every sum fits
    out : (pixels, channels), written
    """
    for pixel in range(numbers.shape[0]):
        for channel in range(numbers.shape[1]):
            total = _cast(numbers[pixel, channel] * multipliers[channel] + offsets[channel], least)
            out[pixel, channel] = min(max(_shifted(total, shift), least), greatest)


@njit(cache=True, nogil=True)
def follow_wide_line(numbers, multipliers, offsets, shift, least, greatest, out):  # type: ignore[no-untyped-def] # pragma: no cover
    """Write the code of every number by the only line of its channel, in 64 bits; see `dataflow.Requantize`.

    Parameters
    ----------
    numbers : (pixels, channels) signed integers
    multipliers : (channels,) signed integers; where these and the numbers have 32 bits, vectors multiply fastest
    offsets : (channels,) int64
    shift, least, greatest : int64
    out : (pixels, channels), written
    """
    for pixel in range(numbers.shape[0]):
        for channel in range(numbers.shape[1]):
            total = np.int64(numbers[pixel, channel]) * np.int64(multipliers[channel]) + offsets[channel]
            out[pixel, channel] = min(max(_shifted(total, shift), least), greatest)


@njit(cache=True, nogil=True)
def follow_lines(numbers, starts, multipliers, offsets, shift, least, greatest, out):  # type: ignore[no-untyped-def] # pragma: no cover
    """Write the code of every number by one of three lines for all channels; see `dataflow.Requantize`.

    Parameters
    ----------
    numbers : (pixels, channels) signed integers
    starts : two int16 or int32
    multipliers, offsets : three of the same type each
    shift, least, greatest : of the same type, in which every number and every sum fits
    out : (pixels, channels), written
    """
    for pixel in range(numbers.shape[0]):
        for channel in range(numbers.shape[1]):
            number = _cast(np.int64(numbers[pixel, channel]), least)
            multiplier, offset = multipliers[0], offsets[0]
            if number >= starts[0]:
                multiplier, offset = multipliers[1], offsets[1]
            if number >= starts[1]:
                multiplier, offset = multipliers[2], offsets[2]
            total = _cast(number * multiplier + offset, least)
            out[pixel, channel] = min(max(_shifted(total, shift), least), greatest)


@njit(cache=True, nogil=True)
def follow_pieces(numbers, places, before, most, starts, multipliers, offsets, shift, least, greatest, out):  # type: ignore[no-untyped-def] # pragma: no cover
    """Write the code of every number by the piece in which it is; see `dataflow.Requantize`.

    Parameters
    ----------
    numbers : (pixels, channels) signed integers
    places : (3, channels) int64. The first numbers that are in another piece than all less ones or greater ones, and
        how far the difference from the former is shifted for a number's place in `before`
    before : (channels, places), the piece of the first number of each place
    most : a power of two, of which the pieces of one place are less than the double; 0 if each place has one piece
    starts : (channels, size), those of pieces after the first, and then ones that are not reached
    multipliers, offsets : (channels, size), with ``size >= pieces + 2 * most - 1``
    shift, least, greatest : int64
    out : (pixels, channels), written
    """
    size = multipliers.shape[1]
    for pixel in range(numbers.shape[0]):
        for channel in range(numbers.shape[1]):
            number = np.int64(numbers[pixel, channel])
            near = min(max(number, places[0, channel]), places[1, channel])
            place = channel * before.shape[1] + ((near - places[0, channel]) >> places[2, channel])
            piece = channel * size + _element(before, place)
            # A binary search without a branch, because a processor cannot predict which way it would go: if the start
            # is at most the number, their difference less 1 is negative, and all bits of its sign are 1.
            step = most
            while step > 0:
                piece += step & ((_element(starts, piece + step - 1) - near - 1) >> 63)
                step >>= 1
            total = (_element(multipliers, piece) * number + _element(offsets, piece)) >> shift
            out[pixel, channel] = min(max(total, least), greatest)


@njit(cache=True, nogil=True)
def add_saturating(left, right, left_factor, right_factor, least, greatest, out):  # type: ignore[no-untyped-def] # pragma: no cover
    """Write the sums of two arrays.

    Parameters
    ----------
    left, right : (numbers,) signed integers
    left_factor, right_factor : int16 or int32
    least, greatest : of the same type, in which every sum fits: what sums are clipped to
    out : (numbers,), written
    """
    for place in range(len(left)):
        total = _cast(left[place] * left_factor + right[place] * right_factor, least)
        out[place] = min(max(total, least), greatest)


@njit(cache=True, nogil=True)
def pool_sums(pixels, taps, out):  # type: ignore[no-untyped-def] # pragma: no cover
    """Add the numbers of each channel under a kernel.

    Parameters
    ----------
    pixels : (frames, pixels, channels) signed integers
    taps : (positions, taps) int64, pixels, or -1 for none
    out : (frames, positions, channels), written
    """
    for frame in range(len(pixels)):
        for position in range(len(taps)):
            out[frame, position] = 0
            for tap in taps[position]:
                if tap >= 0:
                    for channel in range(pixels.shape[2]):
                        out[frame, position, channel] += pixels[frame, tap, channel]


@njit(cache=True, nogil=True)
def pool_greatest(pixels, taps, least, out):  # type: ignore[no-untyped-def] # pragma: no cover
    """Find the greatest number of each channel under a kernel.

    Parameters
    ----------
    pixels : (frames, pixels, channels) signed integers
    taps : (positions, taps) int64, pixels, or -1 for none
    least : the number of a kernel without a pixel
    out : (frames, positions, channels) of the type of the pixels, written
    """
    for frame in range(len(pixels)):
        for position in range(len(taps)):
            out[frame, position] = least
            for tap in taps[position]:
                if tap >= 0:
                    for channel in range(pixels.shape[2]):
                        number = pixels[frame, tap, channel]
                        if number > out[frame, position, channel]:
                            out[frame, position, channel] = number
