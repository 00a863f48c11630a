"""Labelled images of one's own, from files of numpy."""

from pathlib import Path

import numpy as np

from dataflow import InputError
from dataflow.errors import DAMAGED_ARRAYS
from quant.datasets._dataset import Dataset, checked

__all__ = ["load_arrays", "load_npz"]


def load_arrays(folder: Path, split: str, name: str, *, task: str = "classify") -> Dataset:
    """Read ``train_images.npy`` (n, height, width, channels) uint8 and ``train_labels.npy`` (n,), or those of test."""
    image_path, label_path = (folder / f"{split}_{what}.npy" for what in ("images", "labels"))
    images, labels = _read(image_path), _read(label_path)
    return checked(images, labels, name, image_source=str(image_path), label_source=str(label_path), task=task)


def load_npz(path: Path, split: str, name: str, *, task: str = "classify") -> Dataset:
    """Read the arrays ``train_images`` and ``train_labels``, or those of test, of an .npz file."""
    if not path.is_file():
        raise InputError(f"Data file {str(path)!r} must exist")
    keys = tuple(f"{split}_{what}" for what in ("images", "labels"))
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = sorted(arrays.files)
            missing = [key for key in keys if key not in found]
            if not missing:
                images, labels = (np.asarray(arrays[key]) for key in keys)
    except (OSError, *DAMAGED_ARRAYS) as error:
        raise InputError(
            f"Data file {str(path)!r} must be an .npz file of arrays, not a damaged or another one"
        ) from error
    if missing:
        raise InputError(f"Data file {str(path)!r} must hold {missing[0]!r}, not only {', '.join(found) or 'nothing'}")
    sources = {f"{what}_source": f"{path}: {key}" for what, key in zip(("image", "label"), keys, strict=True)}
    return checked(images, labels, name, task=task, **sources)


def _read(path: Path) -> np.ndarray:
    if not path.is_file():
        raise InputError(f"Data file {str(path)!r} must exist")
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, *DAMAGED_ARRAYS) as error:
        raise InputError(f"Data file {str(path)!r} must be an array of numpy, not a damaged or another file") from error
