"""CIFAR-10 and CIFAR-100: colour images of 32 x 32 pixels from the official binary files.

A file is one record per image: one byte with the label, or two with the coarse and the fine one, then 1,024 bytes each
of red, green and blue, row by row.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataflow import InputError
from quant.datasets._dataset import Dataset
from quant.datasets._download import download

__all__ = ["CIFAR", "fetch_cifar", "load_cifar"]

_PLANES = (3, 32, 32)
_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Layout:
    """What the files of a data set are.

    Parameters
    ----------
    files : names of each part's files, in order
    labels : bytes before the pixels, of which the last is the label
    classes : number of classes
    """

    files: dict[str, tuple[str, ...]]
    labels: int
    classes: int


#: The data sets by name.
CIFAR = {
    "cifar10": Layout(
        {"train": tuple(f"data_batch_{index}.bin" for index in range(1, 6)), "test": ("test_batch.bin",)}, 1, 10
    ),
    "cifar100": Layout({"train": ("train.bin",), "test": ("test.bin",)}, 2, 100),
}


def fetch_cifar(folder: Path, split: str, name: str) -> None:
    """Fetch those of the part's files that are missing."""
    download(name, folder, [each for each in CIFAR[name].files[split] if not (folder / each).is_file()])


def load_cifar(folder: Path, split: str, name: str) -> Dataset:
    """Read one part of a data set from its files."""
    layout = CIFAR[name]
    records = np.concatenate([_read_records(folder / each, layout) for each in layout.files[split]])
    images = records[:, layout.labels :].reshape(-1, *_PLANES).transpose(0, 2, 3, 1)
    return Dataset(np.ascontiguousarray(images), records[:, layout.labels - 1].astype(np.int64), name)


def _read_records(path: Path, layout: Layout) -> np.ndarray:
    """Return a file's images with their labels, (n, labels + 3072) uint8."""
    if not path.is_file():
        raise InputError(f"Data file {str(path)!r} must exist (`xnorflow train --download` fetches it)")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"Data file {str(path)!r} must be readable, not {error.strerror!r}") from error
    size = layout.labels + _PIXELS
    if not raw or len(raw) % size:
        raise InputError(
            f"Data file {str(path)!r} must hold complete images of {size} bytes each, not {len(raw)} bytes"
        )
    records = np.frombuffer(raw, np.uint8).reshape(-1, size)
    largest = records[:, layout.labels - 1].max()
    if largest >= layout.classes:
        raise InputError(f"Labels of {str(path)!r} must be 0 to {layout.classes - 1}, not {largest}")
    return records
