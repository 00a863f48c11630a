"""Accuracy: what counts as right for classes and for bits."""

import numpy as np
import pytest

from xnorflow.simulation import accuracy_of


@pytest.mark.parametrize(
    ("predictions", "labels", "accuracy"),
    [
        ([3, 1, 2, 0], [3, 1, 0, 0], 0.75),
        ([3, 1], None, None),
        ([[1], [0], [1], [1]], [1, 0, 0, 1], 0.75),
        ([[1], [0]], [[1], [1]], 0.5),
        ([[[[1]]], [[[0]]]], [1, 0], 1.0),
        ([[1], [0]], [1, 7], None),
        ([[1, 0], [0, 1], [1, 1], [0, 0]], [[1, 0], [0, 0], [1, 1], [1, 1]], 0.5),
        ([[1, 0], [0, 1]], [1, 0], None),
        ([[1, 0], [0, 1]], [[1, 0, 1], [0, 1, 1]], None),
    ],
    ids=[
        "classes",
        "no labels",
        "one bit",
        "one bit, labels in a column",
        "one bit of an image",
        "labels are no bits",
        "all bits of a frame",
        "one label for two bits",
        "labels of another size",
    ],
)
def test_accuracy(predictions: list, labels: list | None, accuracy: float | None) -> None:
    assert accuracy_of(np.array(predictions), None if labels is None else np.array(labels)) == accuracy
