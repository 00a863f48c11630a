"""Finding the files of a data set, and downloading them on request."""

import os
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from dataflow import InputError
from dataflow.errors import require_known
from quant.datasets._arrays import load_arrays
from quant.datasets._cifar import fetch_cifar, load_cifar
from quant.datasets._dataset import Dataset
from quant.datasets._digits import fetch_digits, load_digits
from quant.datasets._own import OWN_FORMS, is_own, load_own
from quant.datasets._svhn import fetch_svhn, load_svhn
from quant.datasets._targets import TASKS

__all__ = ["NAMES", "SPLITS", "load", "require"]

SPLITS = ("train", "test")

#: How the files of each data set are fetched, and read.
_OFFICIAL: dict[str, tuple[Callable[[Path, str, str], None], Callable[[Path, str, str], Dataset]]] = {
    "cifar10": (fetch_cifar, load_cifar),
    "cifar100": (fetch_cifar, load_cifar),
    "fashion-mnist": (fetch_digits, load_digits),
    "mnist": (fetch_digits, load_digits),
    "svhn": (fetch_svhn, load_svhn),
}
_ARRAYS, _SAMPLE = "arrays", "mnist-sample"

#: The data sets that have names.
NAMES = tuple(sorted((*_OFFICIAL, _ARRAYS, _SAMPLE)))


def require(what: str, name: str) -> str:
    """Return the name of a data set after checking that it is one, or one of data of one's own.

    Raises
    ------
    InputError
        It is not; the message lists the known names.
    """
    return name if is_own(name) else require_known(what, name, (*NAMES, *OWN_FORMS))


def load(
    name: str,
    split: str,
    *,
    data: str | os.PathLike[str] | None = None,
    download: bool = False,
    image_size: tuple[int, ...] = (),
    skip_broken: bool = False,
    task: str = "classify",
) -> Dataset:
    """Return one part of a data set.

    =================  =================================================================================
    name               data
    =================  =================================================================================
    mnist              60,000 and 10,000 digits, ``mnist/`` with the official IDX files, gzipped or not
    fashion-mnist      the same of clothes, ``fashion-mnist/``
    cifar10, cifar100  50,000 and 10,000 colour images of 32 x 32 pixels, the official binary files
    svhn               73,257 and 26,032 colour images of 32 x 32 pixels, ``svhn/*_32x32.mat``
    mnist-sample       the first 2,000 training and 500 test digits, which are part of this package
    arrays             ``arrays/`` with ``train_images.npy`` (n, height, width, channels) uint8,
                       ``train_labels.npy`` (n,), and the same of ``test``
    FILE.npz           the same four arrays in one file
    FOLDER/            ``train/CLASS/*.png`` and ``test/`` or ``val/``; or other formats that Pillow reads
    FILE.py:FUNCTION   a function that takes "train" or "test" and returns images and labels
    =================  =================================================================================

    The training part of a file, folder or function of one's own is shuffled, always in the same way.

    Parameters
    ----------
    split : "train" or "test"
    data : folder with one folder per data set; the default is $XNORFLOW_DATA. A file or folder of one's own is looked
        for there first, then in the current folder
    download : download official files that are missing, and check their checksums
    image_size : height and width to which images of a folder are scaled and cropped
    skip_broken : leave broken files of a folder out, instead of refusing them
    task : what is learned; other tasks than "classify" have other labels (`quant.datasets.checked_targets`), which
        arrays, files and functions of one's own have

    Raises
    ------
    InputError
        Unknown name or split, no folder, or a file that is missing or damaged.
    """
    require("Data set", name)
    require_known("Split", split, SPLITS)
    require_known("Task", task, TASKS)
    if name == _SAMPLE and task == "classify":
        return load_digits(Path(str(files("zoo"))) / "samples" / name, split, name)
    root = data if data is not None else os.environ.get("XNORFLOW_DATA")
    if is_own(name):
        folder = Path(root) if root else None
        return load_own(name, split, folder, image_size=image_size, skip_broken=skip_broken, task=task)
    if task != "classify" and name != _ARRAYS:
        raise InputError(f"Task of data set {name!r} must be 'classify', not {task!r}")
    if not root:
        raise InputError(f"Folder of data set {name!r} must be given by --data or $XNORFLOW_DATA, not left out")
    folder = Path(root) / name
    if name == _ARRAYS:
        return load_arrays(folder, split, name, task=task)
    fetch, read = _OFFICIAL[name]
    if download:
        fetch(folder, split, name)
    return read(folder, split, name)
