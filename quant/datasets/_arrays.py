"""Labelled images of one's own, from files of numpy."""

from pathlib import Path

import numpy as np

from dataflow import InputError
from quant.datasets._dataset import Dataset

__all__ = ["load_arrays"]


def load_arrays(folder: Path, split: str, name: str) -> Dataset:
    """Read ``train_images.npy`` (n, height, width, channels) uint8 and ``train_labels.npy`` (n,), or those of test."""
    image_path, label_path = (folder / f"{split}_{what}.npy" for what in ("images", "labels"))
    images, labels = _read(image_path), _read(label_path)
    if images.ndim != 4 or images.dtype != np.uint8 or images.size == 0:
        found = f"{images.shape} {images.dtype}"
        raise InputError(f"Images of {str(image_path)!r} must be (n, height, width, channels) uint8, not {found}")
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        found = f"{labels.shape} {labels.dtype}"
        raise InputError(f"Labels of {str(label_path)!r} must be ({len(images)},) integers, not {found}")
    if labels.min() < 0 or labels.max() > np.iinfo(np.int32).max:
        raise InputError(f"Labels of {str(label_path)!r} must count from 0, not from {labels.min()} to {labels.max()}")
    return Dataset(images, labels.astype(np.int64), name)


def _read(path: Path) -> np.ndarray:
    if not path.is_file():
        raise InputError(f"Data file {str(path)!r} must exist")
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"Data file {str(path)!r} must be an array of numpy, not a damaged or another file") from error
