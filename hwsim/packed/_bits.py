"""Bits in 64-bit words."""

import numpy as np

__all__ = ["pack", "unpack", "word_width"]

#: Bits per word.
word_width = 64


def pack(bits: np.ndarray) -> np.ndarray:
    """Pack bits along the last axis, bit 0 in the lowest place. The last word is padded with zeros.

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
