"""Images of one's own: what is read, and every kind of bad file."""

import re
from pathlib import Path

import numpy as np
import pytest

from dataflow import InputError
from quant import datasets

IMAGES = np.arange(3 * 4 * 5 * 3, dtype=np.uint8).reshape(3, 4, 5, 3)
LABELS = np.array([2, 0, 7], np.int32)


def write(folder: Path, images: np.ndarray = IMAGES, labels: np.ndarray = LABELS) -> Path:
    folder.mkdir()
    np.save(folder / "test_images.npy", images)
    np.save(folder / "test_labels.npy", labels)
    return folder


def test_images_and_labels_are_the_files(tmp_path: Path) -> None:
    write(tmp_path / "arrays")
    found = datasets.load("arrays", "test", data=tmp_path)
    np.testing.assert_array_equal(found.images, IMAGES)
    np.testing.assert_array_equal(found.labels, LABELS)
    assert (found.images.dtype, found.labels.dtype, found.name) == (np.uint8, np.int64, "arrays")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "arrays")
    rule = rf"^Data file '{re.escape(str(folder / 'train_images.npy'))}' must exist$"
    with pytest.raises(InputError, match=rule):
        datasets.load("arrays", "train", data=tmp_path)


@pytest.mark.parametrize("raw", [b"", b"text", b"\x93NUMPY\x01\x00"])
def test_files_that_are_no_arrays_are_refused(raw: bytes, tmp_path: Path) -> None:
    folder = write(tmp_path / "arrays")
    (folder / "test_labels.npy").write_bytes(raw)
    path = re.escape(str(folder / "test_labels.npy"))
    rule = rf"^Data file '{path}' must be an array of numpy, not a damaged or another file$"
    with pytest.raises(InputError, match=rule):
        datasets.load("arrays", "test", data=tmp_path)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "arrays")
    np.save(folder / "test_labels.npy", np.array([print, None, 3], object), allow_pickle=True)
    with pytest.raises(InputError, match=r"^Data file '.*' must be an array of numpy, not a damaged or another file$"):
        datasets.load("arrays", "test", data=tmp_path)


@pytest.mark.parametrize(
    ("images", "labels", "rule"),
    [
        (IMAGES[0], LABELS, "Images of '{images}' must be (n, height, width, channels) uint8, not (4, 5, 3) uint8"),
        (
            IMAGES / 255,
            LABELS,
            "Images of '{images}' must be (n, height, width, channels) uint8, not (3, 4, 5, 3) float64",
        ),
        (
            IMAGES[:0],
            LABELS[:0],
            "Images of '{images}' must be (n, height, width, channels) uint8, not (0, 4, 5, 3) uint8",
        ),
        (IMAGES, LABELS[:2], "Labels of '{labels}' must be (3,) integers, not (2,) int32"),
        (IMAGES, LABELS / 2, "Labels of '{labels}' must be (3,) integers, not (3,) float64"),
        (IMAGES, LABELS - 1, "Labels of '{labels}' must count from 0, not from -1 to 6"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(images: np.ndarray, labels: np.ndarray, rule: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "arrays", images, labels)
    text = rule.format(images=folder / "test_images.npy", labels=folder / "test_labels.npy")
    with pytest.raises(InputError, match=rf"^{re.escape(text)}$"):
        datasets.load("arrays", "test", data=tmp_path)
