"""The IDX format of the MNIST files, gzipped or not.

Two zero bytes, a byte that names the type (8 is uint8), a byte with the number of dimensions, the dimensions as
big-endian 32-bit integers, then the numbers, last dimension fastest. The gzip is recognized by its first two bytes.
"""

import gzip
import os
import zlib
from math import prod
from pathlib import Path

import numpy as np

from dataflow import InputError

__all__ = ["read_idx"]

_UINT8 = 8
_GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: str | os.PathLike[str], dimensions: int) -> np.ndarray:
    """Read an IDX file of uint8 numbers.

    Parameters
    ----------
    path : the file, gzipped or not
    dimensions : how many dimensions it must have

    Raises
    ------
    InputError
        The file is missing, damaged, of another type, or longer or shorter than its header says.
    """
    raw = _read(Path(path))
    magic = bytes((0, 0, _UINT8, dimensions))
    if raw[:4] != magic:
        raise InputError(f"IDX file {str(path)!r} must begin with the bytes {magic.hex(' ')}, not {raw[:4].hex(' ')!r}")
    start = 4 + 4 * dimensions
    if len(raw) < start:
        raise InputError(f"IDX file {str(path)!r} must have a header of {start} bytes, not {len(raw)}")
    shape = tuple(int(size) for size in np.frombuffer(raw, ">u4", dimensions, 4))
    if len(raw) - start != prod(shape):
        raise InputError(
            f"IDX file {str(path)!r} must have {prod(shape)} bytes after its header, not {len(raw) - start}"
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def _read(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if raw[:2] == _GZIP_MAGIC else raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"IDX file {str(path)!r} must be a complete gzip file, not one with: {error}") from error
    except OSError as error:
        raise InputError(f"IDX file {str(path)!r} must be readable, not {error.strerror!r}") from error
