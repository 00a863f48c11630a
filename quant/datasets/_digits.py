"""MNIST and Fashion-MNIST: gray images of 28 x 28 pixels from the official IDX files."""

from pathlib import Path

import numpy as np

from dataflow import InputError
from quant.datasets._dataset import Dataset
from quant.datasets._download import download
from quant.datasets._idx import read_idx

__all__ = ["fetch_digits", "load_digits"]

_SHAPE = (28, 28)
_CLASSES = 10
_PREFIXES = {"train": "train", "test": "t10k"}


def fetch_digits(folder: Path, split: str, name: str) -> None:
    """Fetch those of the part's files that are missing."""
    download(name, folder, [f"{stem}.gz" for stem in _stems(split) if not _candidates(folder, stem)])


def _stems(split: str) -> tuple[str, str]:
    """Return the names of the image and the label file."""
    prefix = _PREFIXES[split]
    return f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"


def _candidates(folder: Path, stem: str) -> list[Path]:
    return [path for path in (folder / f"{stem}.gz", folder / stem) if path.is_file()]


def _find(folder: Path, stem: str) -> Path:
    found = _candidates(folder, stem)
    if not found:
        raise InputError(
            f"Data file {str(folder / stem)!r} must exist, gzipped or not (`xnorflow train --download` fetches it)"
        )
    return found[0]


def load_digits(folder: Path, split: str, name: str) -> Dataset:
    """Read one part of a data set called `name` from its image and its label file."""
    image_path, label_path = (_find(folder, stem) for stem in _stems(split))
    images, labels = read_idx(image_path, 3), read_idx(label_path, 1)
    if images.shape[1:] != _SHAPE:
        height, width = images.shape[1:]
        raise InputError(f"Images of {str(image_path)!r} must be 28 x 28 pixels, not {height} x {width}")
    if len(images) != len(labels):
        raise InputError(f"Label file {str(label_path)!r} must have {len(images)} labels, not {len(labels)}")
    if len(labels) == 0:
        raise InputError(f"Label file {str(label_path)!r} must have at least one label, not 0")
    if labels.max() >= _CLASSES:
        raise InputError(f"Labels of {str(label_path)!r} must be 0 to {_CLASSES - 1}, not {labels.max()}")
    return Dataset(images[..., None], labels.astype(np.int64), name)
