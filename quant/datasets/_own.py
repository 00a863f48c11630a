"""Data of one's own: an .npz file, a folder with one folder per class, or a function."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dataflow import InputError
from quant.datasets._arrays import load_npz
from quant.datasets._dataset import Dataset, checked
from quant.datasets._folders import load_folder
from quant.user_files import attribute_of, called

__all__ = ["OWN_FORMS", "is_own", "load_own"]

#: How data of one's own are named.
OWN_FORMS = ("FILE.npz", "FILE.py:FUNCTION", "FOLDER/")


def is_own(name: object) -> bool:
    """Return whether a name is that of data of one's own."""
    return isinstance(name, str) and (":" in name or "/" in name or name.endswith(".npz"))


def load_own(
    name: str,
    split: str,
    root: Path | None,
    *,
    image_size: tuple[int, ...] = (),
    skip_broken: bool = False,
    task: str = "classify",
) -> Dataset:
    """Return one part of data of one's own; the training part in an order that is random, and always the same.

    Files are often sorted by class, and images at the end are held out.

    Parameters
    ----------
    root : folder in which files are looked for first; then the current one
    image_size, skip_broken, task : as of `quant.datasets.load`
    """
    if ":" in name:
        return _shuffled(_of_function(name, split, task), split)
    path = next((each for each in ((root or Path()) / name, Path(name)) if each.exists()), Path(name))
    if name.endswith(".npz"):
        return _shuffled(load_npz(path, split, name, task=task), split)
    if task != "classify":
        raise InputError(f"Data of task {task!r} must be an .npz file or FILE.py:FUNCTION, not the folder {name!r}")
    order = np.random.default_rng(0) if split == "train" else None
    return load_folder(path, split, name, order=order, image_size=image_size, skip_broken=skip_broken)


def _of_function(name: str, split: str, task: str) -> Dataset:
    found = called("Data set", name, attribute_of("Data set", name), {}, {"split": split})
    if isinstance(found, Dataset):
        images, labels = found.images, found.labels
    elif isinstance(found, tuple) and len(found) == 2:
        images, labels = found
    else:
        raise InputError(f"Result of data set {name!r} must be images and labels, not {type(found).__name__}")
    source = f"{name}({split!r})"
    return checked(_array(images), _array(labels), name, image_source=source, label_source=source, task=task)


def _array(values: Any) -> np.ndarray:
    try:
        return np.asarray(values)
    except (ValueError, TypeError):
        return np.zeros((), object)  # which the check then refuses, with its type


def _shuffled(data: Dataset, split: str) -> Dataset:
    if split != "train":
        return data
    order = np.random.default_rng(0).permutation(len(data))
    return replace(data, images=data.images[order], labels=data.labels[order])
