"""CIFAR-10: colour images of 32 x 32 pixels from the official binary files.

A file is one record per image: a byte with the label, then 1,024 bytes each of red, green and blue, row by row. The
training part is five files, read in order.
"""

from pathlib import Path

import numpy as np

from dataflow import InputError
from quant.datasets._dataset import Dataset
from quant.datasets._download import download_cifar10

__all__ = ["fetch_cifar10", "load_cifar10"]

_PLANES = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32
_CLASSES = 10
_FILES = {"train": tuple(f"data_batch_{index}.bin" for index in range(1, 6)), "test": ("test_batch.bin",)}


def fetch_cifar10(folder: Path, split: str) -> None:
    """Fetch those of the part's files that are missing."""
    download_cifar10(folder, [name for name in _FILES[split] if not (folder / name).is_file()])


def load_cifar10(folder: Path, split: str) -> Dataset:
    """Read one part of CIFAR-10 from its files."""
    records = np.concatenate([_read_records(folder / name) for name in _FILES[split]])
    images = records[:, 1:].reshape(-1, *_PLANES).transpose(0, 2, 3, 1)
    return Dataset(np.ascontiguousarray(images), records[:, 0].astype(np.int64), "cifar10")


def _read_records(path: Path) -> np.ndarray:
    """Return a file's images with their labels, (n, 3073) uint8."""
    if not path.is_file():
        raise InputError(f"Data file {str(path)!r} must exist (`xnorflow train --download` fetches it)")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"Data file {str(path)!r} must be readable, not {error.strerror!r}") from error
    if not raw or len(raw) % _RECORD:
        raise InputError(
            f"Data file {str(path)!r} must hold complete images of {_RECORD} bytes each, not {len(raw)} bytes"
        )
    records = np.frombuffer(raw, np.uint8).reshape(-1, _RECORD)
    largest = records[:, 0].max()
    if largest >= _CLASSES:
        raise InputError(f"Labels of {str(path)!r} must be 0 to {_CLASSES - 1}, not {largest}")
    return records
