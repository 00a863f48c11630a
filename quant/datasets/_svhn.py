"""SVHN: house numbers, colour images of 32 x 32 pixels from the official files of cropped digits.

A file is one of MATLAB, with ``X`` (32, 32, 3, n) uint8 and ``y`` (n, 1), in which the digit 0 is 10.
"""

from pathlib import Path

import numpy as np

from dataflow import InputError
from quant.datasets._dataset import Dataset
from quant.datasets._download import download

__all__ = ["fetch_svhn", "load_svhn"]

_IMAGE = (32, 32, 3)
_CLASSES = 10


def fetch_svhn(folder: Path, split: str, name: str) -> None:
    """Fetch the part's file if it is missing."""
    download(name, folder, [each for each in (f"{split}_32x32.mat",) if not (folder / each).is_file()])


def load_svhn(folder: Path, split: str, name: str) -> Dataset:
    """Read one part of SVHN from its file."""
    from scipy.io import loadmat

    path = folder / f"{split}_32x32.mat"
    if not path.is_file():
        raise InputError(f"Data file {str(path)!r} must exist (`xnorflow train --download` fetches it)")
    try:
        arrays = loadmat(path, variable_names=["X", "y"])
        images, labels = arrays["X"], arrays["y"]
    except Exception as error:  # of a damaged file, many kinds: zlib.error, TypeError, ValueError, ...
        raise InputError(f"Data file {str(path)!r} must be one of MATLAB with X and y, not damaged") from error
    count = labels.size
    if images.shape != (*_IMAGE, count) or images.dtype != np.uint8 or count == 0:
        raise InputError(f"X of {str(path)!r} must be {(*_IMAGE, count)} uint8, not {images.shape} {images.dtype}")
    digits = labels.ravel().astype(np.int64)
    if digits.min() < 1 or digits.max() > _CLASSES:
        raise InputError(f"Labels of {str(path)!r} must be 1 to {_CLASSES}, not {digits.min()} to {digits.max()}")
    return Dataset(np.ascontiguousarray(np.moveaxis(images, 3, 0)), digits % _CLASSES, name)
