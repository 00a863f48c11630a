"""Bits in 64-bit words: packing, and the compiled loops over packed words."""

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

__all__ = ["count_matches", "pack", "threshold_words", "unpack"]

#: Bits per word.
word_width = 64


def _read_only(element: Any, dimensions: int) -> Any:
    """Return the type of an array that is only read: the arrays of the description cannot be written to."""
    return types.Array(element, dimensions, "C", readonly=True)


def pack(bits: np.ndarray) -> np.ndarray:
    """Pack bits along the last axis, bit 0 in the lowest place; the last word is filled up with zeros.

    Parameters
    ----------
    bits : (..., n) integers 0 or 1

    Returns
    -------
    (..., ceil(n / 64)) uint64
    """
    octets = np.packbits(np.asarray(bits).astype(np.uint8, copy=False), axis=-1, bitorder="little")
    words = -(-octets.shape[-1] // 8)
    full = np.zeros((*octets.shape[:-1], 8 * words), np.uint8)
    full[..., : octets.shape[-1]] = octets
    return full.view("<u8").astype(np.uint64, copy=False)


def unpack(words: np.ndarray, size: int) -> np.ndarray:
    """Return the first `size` bits of words along the last axis, (..., size) int64: the inverse of `pack`."""
    octets = np.ascontiguousarray(words).astype("<u8", copy=False).view(np.uint8)
    return np.unpackbits(octets, axis=-1, count=size, bitorder="little").astype(np.int64)


@intrinsic
def _popcount(typing_context: Any, word: Any) -> Any:
    """Count the ones of a 64-bit word, in one machine instruction."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@njit(
    types.void(_read_only(types.uint64, 2), _read_only(types.uint64, 2), types.int64, types.int64[:, ::1]),
    cache=True,
)
def count_matches(x: np.ndarray, w: np.ndarray, size: int, ones: np.ndarray) -> None:  # pragma: no cover
    """Count the equal bits of every row of `x` with every row of `w`, several rows of `x` for each word of `w`.

    The places behind `size` are zero in both and so differ nowhere: ``ones = size - popcount(x XOR w)``.

    Parameters
    ----------
    x : (rows, words) uint64
    w : (neurons, words) uint64
    ones : (rows, neurons) int64, written
    """
    rows, words = x.shape
    whole = rows - rows % 4
    for row in range(0, whole, 4):
        for neuron in range(w.shape[0]):
            a = b = c = d = np.uint64(0)
            for word in range(words):
                weight = w[neuron, word]
                a += _popcount(x[row, word] ^ weight)
                b += _popcount(x[row + 1, word] ^ weight)
                c += _popcount(x[row + 2, word] ^ weight)
                d += _popcount(x[row + 3, word] ^ weight)
            ones[row, neuron] = size - np.int64(a)
            ones[row + 1, neuron] = size - np.int64(b)
            ones[row + 2, neuron] = size - np.int64(c)
            ones[row + 3, neuron] = size - np.int64(d)
    for row in range(whole, rows):
        for neuron in range(w.shape[0]):
            a = np.uint64(0)
            for word in range(words):
                a += _popcount(x[row, word] ^ w[neuron, word])
            ones[row, neuron] = size - np.int64(a)


@njit(types.void(_read_only(types.int64, 2), _read_only(types.int64, 1), types.uint64[:, ::1]), cache=True)
def threshold_words(values: np.ndarray, thresholds: np.ndarray, words: np.ndarray) -> None:  # pragma: no cover
    """Compare and pack: bit n of a row is ``values[row, n] >= thresholds[n]``.

    Parameters
    ----------
    values : (rows, n) int64
    thresholds : (n,) int64
    words : (rows, ceil(n / 64)) uint64, written
    """
    rows, size = values.shape
    for row in range(rows):
        for word in range(words.shape[1]):
            start = word * word_width
            packed = np.uint64(0)
            for place in range(min(word_width, size - start)):
                bit = np.uint64(values[row, start + place] >= thresholds[start + place])
                packed |= bit << np.uint64(place)
            words[row, word] = packed
