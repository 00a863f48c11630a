"""Labelled images as arrays, from officially published files or of one's own. No training package is imported.

>>> from quant import datasets
>>> datasets.load("mnist-sample", "test").images.shape
(500, 28, 28, 1)
"""

from quant.datasets._dataset import Dataset
from quant.datasets._idx import read_idx
from quant.datasets._load import NAMES, SPLITS, load, require
from quant.datasets._targets import IGNORED, TASKS, checked_targets, outputs_of

__all__ = [
    "IGNORED",
    "NAMES",
    "SPLITS",
    "TASKS",
    "Dataset",
    "checked_targets",
    "load",
    "outputs_of",
    "read_idx",
    "require",
]
