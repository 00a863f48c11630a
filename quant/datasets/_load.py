"""Finding the files of a data set, or fetching them when asked."""

import os
from importlib.resources import files
from pathlib import Path

import numpy as np

from dataflow import InputError
from dataflow.errors import require_known
from quant.datasets._dataset import Dataset
from quant.datasets._download import download_mnist
from quant.datasets._idx import read_idx

__all__ = ["NAMES", "SPLITS", "load"]

NAMES = ("mnist", "mnist-sample")
SPLITS = ("train", "test")

_MNIST_SHAPE = (28, 28)
_MNIST_CLASSES = 10
_PREFIXES = {"train": "train", "test": "t10k"}


def load(name: str, split: str, *, data: str | os.PathLike[str] | None = None, download: bool = False) -> Dataset:
    """Return one part of a data set.

    Parameters
    ----------
    name : "mnist", the 60,000 and 10,000 digits, or "mnist-sample", the first 2,000 training and the first 500 test
        digits, which are part of this package
    split : "train" or "test"
    data : folder with one folder per data set, here ``mnist/`` with the official IDX files, gzipped or not; by
        default what $XNORFLOW_DATA says
    download : fetch files that are missing, and check their checksums

    Raises
    ------
    InputError
        Unknown name or split, no folder, or a file that is missing or damaged.
    """
    require_known("Data set", name, NAMES)
    require_known("Split", split, SPLITS)
    if name == "mnist-sample":
        return _load_idx_pair(Path(str(files("zoo"))) / "samples" / name, split, name)
    folder = _data_folder(name, data) / name
    if download:
        download_mnist(folder, [stem for stem in _stems(split) if not _candidates(folder, stem)])
    return _load_idx_pair(folder, split, name)


def _data_folder(name: str, data: str | os.PathLike[str] | None) -> Path:
    folder = data if data is not None else os.environ.get("XNORFLOW_DATA")
    if not folder:
        raise InputError(f"Folder of data set {name!r} must be given by --data or $XNORFLOW_DATA, not left out")
    return Path(folder)


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


def _load_idx_pair(folder: Path, split: str, name: str) -> Dataset:
    image_path, label_path = (_find(folder, stem) for stem in _stems(split))
    images, labels = read_idx(image_path, 3), read_idx(label_path, 1)
    if images.shape[1:] != _MNIST_SHAPE:
        height, width = images.shape[1:]
        raise InputError(f"Images of {str(image_path)!r} must be 28 x 28 pixels, not {height} x {width}")
    if len(images) != len(labels):
        raise InputError(f"Label file {str(label_path)!r} must have {len(images)} labels, not {len(labels)}")
    if len(labels) == 0:
        raise InputError(f"Label file {str(label_path)!r} must have at least one label, not 0")
    if labels.max() >= _MNIST_CLASSES:
        raise InputError(f"Labels of {str(label_path)!r} must be 0 to {_MNIST_CLASSES - 1}, not {labels.max()}")
    return Dataset(images[..., None], labels.astype(np.int64), name)
