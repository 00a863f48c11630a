"""Finding the files of a data set, and downloading them on request."""

import os
from importlib.resources import files
from pathlib import Path

from dataflow import InputError
from dataflow.errors import require_known
from quant.datasets._arrays import load_arrays
from quant.datasets._cifar10 import fetch_cifar10, load_cifar10
from quant.datasets._dataset import Dataset
from quant.datasets._mnist import fetch_mnist, load_mnist

__all__ = ["NAMES", "SPLITS", "load"]

NAMES = ("arrays", "cifar10", "mnist", "mnist-sample")
SPLITS = ("train", "test")


def load(name: str, split: str, *, data: str | os.PathLike[str] | None = None, download: bool = False) -> Dataset:
    """Return one part of a data set.

    Parameters
    ----------
    name : "mnist", the 60,000 and 10,000 digits; "mnist-sample", the first 2,000 training and the first 500 test
        digits, which are part of this package; "cifar10", 50,000 and 10,000 colour images of 32 x 32 pixels; or
        "arrays", images of your own
    split : "train" or "test"
    data : folder with one folder per data set, ``mnist/`` with the official IDX files, gzipped or not, and
        ``cifar10/`` with the official binary files, ``arrays/`` with ``train_images.npy`` (n, height, width,
        channels) uint8, ``train_labels.npy`` (n,) and the same of ``test``; the default is $XNORFLOW_DATA
    download : download files that are missing, except arrays, and check their checksums

    Raises
    ------
    InputError
        Unknown name or split, no folder, or a file that is missing or damaged.
    """
    require_known("Data set", name, NAMES)
    require_known("Split", split, SPLITS)
    if name == "mnist-sample":
        return load_mnist(Path(str(files("zoo"))) / "samples" / name, split, name)
    folder = _data_folder(name, data) / name
    if name == "arrays":
        return load_arrays(folder, split, name)
    if name == "cifar10":
        if download:
            fetch_cifar10(folder, split)
        return load_cifar10(folder, split)
    if download:
        fetch_mnist(folder, split)
    return load_mnist(folder, split, name)


def _data_folder(name: str, data: str | os.PathLike[str] | None) -> Path:
    folder = data if data is not None else os.environ.get("XNORFLOW_DATA")
    if not folder:
        raise InputError(f"Folder of data set {name!r} must be given by --data or $XNORFLOW_DATA, not left out")
    return Path(folder)
