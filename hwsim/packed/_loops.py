"""Compiled loops over the numbers of all pixels, which read and write narrow types and keep nothing in between.

Numba adds and multiplies all integers as 64 bits. Where a result is needed only in 32, the compiler narrows sums and
products by itself, and a loop that is cast to 32 bits fills a vector with twice as many numbers.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = [
    "add_saturating",
    "compare",
    "compared_at_once",
    "follow_line",
    "follow_lines",
    "follow_pieces",
    "look_up",
    "pad",
    "pool_greatest",
    "pool_sums",
]

#: Numbers whose bits are made at once.
compared_at_once = 16


@intrinsic
def _bits_of(typing_context: Any, numbers: Any, number: Any, limits: Any, limit: Any) -> Any:
    """Return whether each of 16 neighbouring numbers is at least its limit, as 16 bits with the first one lowest.

    Parameters
    ----------
    numbers, limits : C-contiguous arrays of the same type
    number, limit : the first elements in memory that are compared
    """
    assert all(each.layout == "C" and each.dtype == numbers.dtype for each in (numbers, limits))

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = []
        for kind, array, place in ((numbers, *arguments[:2]), (limits, *arguments[2:])):
            start = builder.gep(context.make_array(kind)(context, builder, array).data, [place])
            element = ir.IntType(kind.dtype.bitwidth)
            vectors.append(builder.load(builder.bitcast(start, ir.VectorType(element, compared_at_once).as_pointer())))
            vectors[-1].align = element.width // 8
        return builder.bitcast(builder.icmp_signed(">=", *vectors), ir.IntType(compared_at_once))

    return types.uint16(numbers, types.intp, limits, types.intp), generate


@intrinsic
def _shifted(typing_context: Any, number: Any, shift: Any) -> Any:
    """Return a number shifted to the right in its own type."""
    return number(number, number), lambda context, builder, signature, arguments: builder.ashr(*arguments)


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
    bits : (pixels, words * 4) uint16, written: all bits of a pixel, the first lowest, with zeros after the last
    """
    pixels, channels = numbers.shape
    whole = channels // compared_at_once
    rest = channels - whole * compared_at_once
    for pixel in range(pixels):
        for group in range(whole):
            first = group * compared_at_once
            bits[pixel, group] = _bits_of(numbers, pixel * channels + first, limits, first)
        for group in range(whole, bits.shape[1]):
            bits[pixel, group] = 0
        for place in range(rest):
            channel = whole * compared_at_once + place
            bits[pixel, whole] |= int(numbers[pixel, channel] >= limits[channel]) << place


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
    """Write the code of every number by the only line of its channel, in 32 bits; see `dataflow.Requantize`.

    Parameters
    ----------
    numbers : (pixels, channels) signed integers
    multipliers, offsets : (channels,) int32
    shift, least, greatest : int32
    out : (pixels, channels), written
    """
    for pixel in range(numbers.shape[0]):
        for channel in range(numbers.shape[1]):
            total = np.int32(numbers[pixel, channel] * multipliers[channel] + offsets[channel])
            out[pixel, channel] = min(max(_shifted(total, shift), least), greatest)


@njit(cache=True, nogil=True)
def follow_lines(numbers, starts, multipliers, offsets, shift, least, greatest, out):  # type: ignore[no-untyped-def] # pragma: no cover
    """Write the code of every number by one of three lines for all channels, in 32 bits; see `dataflow.Requantize`.

    Parameters
    ----------
    numbers : (pixels, channels) signed integers
    starts : two int32
    multipliers, offsets : three int32 each
    shift, least, greatest : int32
    out : (pixels, channels), written
    """
    for pixel in range(numbers.shape[0]):
        for channel in range(numbers.shape[1]):
            number = np.int32(numbers[pixel, channel])
            multiplier, offset = multipliers[0], offsets[0]
            if number >= starts[0]:
                multiplier, offset = multipliers[1], offsets[1]
            if number >= starts[1]:
                multiplier, offset = multipliers[2], offsets[2]
            total = np.int32(number * multiplier + offset)
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
    """Write the sums of two arrays, in 32 bits.

    Parameters
    ----------
    left, right : (numbers,) signed integers
    left_factor, right_factor : int32
    least, greatest : int32, to which sums are clipped
    out : (numbers,), written
    """
    for place in range(len(left)):
        total = np.int32(left[place] * left_factor + right[place] * right_factor)
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


@njit(cache=True, nogil=True)
def pad(images, top, left, outside, out):  # type: ignore[no-untyped-def] # pragma: no cover
    """Copy images into greater ones.

    Parameters
    ----------
    images : (frames, height, width, elements)
    top, left : rows and columns of pixels before the image
    outside : (elements,) a pixel outside the image, of the type of the images
    out : (frames, height of all, width of all, elements), written
    """
    frames, height, width, elements = images.shape
    for frame in range(frames):
        for row in range(out.shape[1]):
            inside = top <= row < top + height
            for column in range(out.shape[2]):
                if inside and left <= column < left + width:
                    for element in range(elements):
                        out[frame, row, column, element] = images[frame, row - top, column - left, element]
                else:
                    for element in range(elements):
                        out[frame, row, column, element] = outside[element]
