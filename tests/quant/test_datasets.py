"""Data sets: the sample, the official files, and every kind of invalid file."""

import doctest
import gzip
import hashlib
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataflow import InputError
from quant import datasets
from quant.datasets import _download

IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.astype(np.uint8).tobytes()


def write_digits(folder: Path, *, count: int = 3, labels: np.ndarray | None = None, prefix: str = "t10k") -> np.ndarray:
    """Write a small MNIST, images gzipped, and return the images."""
    images = np.random.default_rng(0).integers(0, 256, (count, 28, 28), np.uint8)
    folder.mkdir(exist_ok=True)
    (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(np.arange(count) if labels is None else labels))
    return images


@pytest.mark.parametrize(("split", "count"), [("train", 2000), ("test", 500)])
def test_the_sample_has_all_digits(split: str, count: int) -> None:
    sample = datasets.load("mnist-sample", split)
    assert sample.images.shape == (count, 28, 28, 1)
    assert sample.images.dtype == np.uint8
    assert sample.labels.dtype == np.int64
    assert len(sample) == count
    assert np.bincount(sample.labels).min() >= count // 13
    assert sample.name == "mnist-sample"


def test_the_example_of_the_docstring_holds() -> None:
    outcome = doctest.testmod(datasets)
    assert (outcome.attempted, outcome.failed) == (2, 0)


def test_files_gzipped_or_not_are_read_in_order(tmp_path: Path) -> None:
    images = write_digits(tmp_path / "mnist")
    found = datasets.load("mnist", "test", data=tmp_path)
    np.testing.assert_array_equal(found.images[..., 0], images)
    assert found.labels.tolist() == [0, 1, 2]
    assert found.head(2).labels.tolist() == [0, 1]


def test_the_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_digits(tmp_path / "mnist")
    monkeypatch.setenv("XNORFLOW_DATA", str(tmp_path))
    assert len(datasets.load("mnist", "test")) == 3


def test_no_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XNORFLOW_DATA", raising=False)
    rule = r"^Folder of data set 'mnist' must be given by --data or \$XNORFLOW_DATA, not left out$"
    with pytest.raises(InputError, match=rule):
        datasets.load("mnist", "test")


def test_unknown_names_are_refused_with_the_nearest() -> None:
    names = ", ".join(sorted(("FILE.npz", "FILE.py:FUNCTION", "FOLDER/", *datasets.NAMES)))
    rule = rf"^Data set must be one of {names}, not 'minst' \(did you mean 'mnist'\?\)$"
    with pytest.raises(InputError, match=rule):
        datasets.load("minst", "test")
    with pytest.raises(InputError, match=r"^Split must be one of test, train, not 'validation'$"):
        datasets.load("mnist-sample", "validation")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = re.escape(str(tmp_path / "mnist" / IMAGES))
    rule = rf"^Data file '{path}' must exist, gzipped or not \(`xnorflow train --download` fetches it\)$"
    with pytest.raises(InputError, match=rule):
        datasets.load("mnist", "test", data=tmp_path)


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"", "must begin with the bytes 00 00 08 03, not ''"),
        (b"\x00\x00\x09\x03" + bytes(12), "must begin with the bytes 00 00 08 03, not '00 00 09 03'"),
        (b"\x00\x00\x08\x01" + bytes(12), "must begin with the bytes 00 00 08 03, not '00 00 08 01'"),
        (idx(np.zeros((2, 28, 28)))[:15], "must have a header of 16 bytes, not 15"),
        (idx(np.zeros((2, 28, 28)))[:-1], "must have 1568 bytes after its header, not 1567"),
        (idx(np.zeros((2, 28, 28))) + b"\0", "must have 1568 bytes after its header, not 1569"),
        (
            gzip.compress(idx(np.zeros((2, 28, 28))), mtime=0)[:-9],
            "must be a complete gzip file, not one with: Compressed file ",
        ),
        (
            gzip.compress(idx(np.zeros((2, 28, 28))), mtime=0)[:20],
            "must be a complete gzip file, not one with: Compressed file ",
        ),
        (
            gzip.compress(bytes(99), mtime=0)[:-8] + bytes(8),
            "must be a complete gzip file, not one with: CRC check failed",
        ),
        (b"\x1f\x8b\x08\x00" + bytes(6) + b"\xff" * 40, "must be a complete gzip file, not one with: Error -3 "),
        (b"\x1f\x8b\x09\x00" + bytes(40), "must be a complete gzip file, not one with: Unknown compression method"),
    ],
)
def test_damaged_image_files_are_refused(raw: bytes, rule: str, tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=rf"^IDX file '{re.escape(str(path))}' {re.escape(rule)}.*$"):
        datasets.read_idx(path, 3)


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = re.escape(str(tmp_path / "none"))
    with pytest.raises(InputError, match=rf"^IDX file '{path}' must be readable, not 'No such file or directory'$"):
        datasets.read_idx(tmp_path / "none", 3)


@pytest.mark.parametrize(
    ("labels", "rule"),
    [
        (np.arange(4), "Label file '{}' must have 3 labels, not 4"),
        (np.array([0, 10, 1]), "Labels of '{}' must be 0 to 9, not 10"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: np.ndarray, rule: str, tmp_path: Path) -> None:
    write_digits(tmp_path / "mnist", labels=labels)
    text = re.escape(rule.format(tmp_path / "mnist" / LABELS))
    with pytest.raises(InputError, match=rf"^{text}$"):
        datasets.load("mnist", "test", data=tmp_path)


def test_an_empty_set_is_refused(tmp_path: Path) -> None:
    write_digits(tmp_path / "mnist", count=0)
    path = re.escape(str(tmp_path / "mnist" / LABELS))
    with pytest.raises(InputError, match=rf"^Label file '{path}' must have at least one label, not 0$"):
        datasets.load("mnist", "test", data=tmp_path)


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    write_digits(tmp_path / "mnist")
    path = tmp_path / "mnist" / f"{IMAGES}.gz"
    path.write_bytes(idx(np.zeros((3, 28, 27))))
    text = re.escape(f"Images of '{path}' must be 28 x 28 pixels, not 28 x 27")
    with pytest.raises(InputError, match=rf"^{text}$"):
        datasets.load("mnist", "test", data=tmp_path)


def source(monkeypatch: pytest.MonkeyPatch, *mirrors: str, checksums: dict[str, str] | None = None) -> None:
    """Let the digits come from mirrors, with the official checksums or others."""
    changed = replace(_download.SOURCES["mnist"], mirrors=mirrors)
    if checksums is not None:
        changed = replace(changed, checksums=checksums)
    monkeypatch.setitem(_download.SOURCES, "mnist", changed)


def test_missing_files_are_fetched_when_asked(
    mirror: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = mirror
    images = write_digits(folder)
    (folder / f"{LABELS}.gz").write_bytes(gzip.compress(idx(np.arange(3))))
    sums = {path.name: "md5:" + hashlib.md5(path.read_bytes()).hexdigest() for path in folder.glob("*.gz")}
    source(monkeypatch, f"{address}nowhere/", address, checksums=sums)
    found = datasets.load("mnist", "test", data=tmp_path / "data", download=True)
    np.testing.assert_array_equal(found.images[..., 0], images)
    assert sorted(path.name for path in (tmp_path / "data" / "mnist").iterdir()) == sorted(sums)


def test_what_is_there_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source(monkeypatch)
    write_digits(tmp_path / "mnist")
    assert len(datasets.load("mnist", "test", data=tmp_path, download=True)) == 3


def test_a_wrong_checksum_leaves_no_file(
    mirror: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = mirror
    write_digits(folder)
    source(monkeypatch, address)
    rule = rf"^Download of '{IMAGES}\.gz' must succeed from one of the mirrors, not fail \({address}: MD5 hash of .*\)$"
    with pytest.raises(InputError, match=rule):
        datasets.load("mnist", "test", data=tmp_path, download=True)
    assert list((tmp_path / "mnist").iterdir()) == []


def test_an_unreachable_mirror_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source(monkeypatch, "http://127.0.0.1:9/")
    start = rf"Download of '{IMAGES}\.gz' must succeed from one of the mirrors, not fail"
    rule = rf"^{start} \(http://127\.0\.0\.1:9/: .*refused.*\)$"
    with pytest.raises(InputError, match=rule):
        datasets.load("mnist", "test", data=tmp_path, download=True)


def test_data_sets_recipes_and_zoo_need_no_training_package() -> None:
    program = (
        "import sys\n"
        "import quant, quant.datasets, quant.recipes, zoo\n"
        "quant.datasets.load('mnist-sample', 'test')\n"
        "quant.recipes.load('tfc-w1a1')\n"
        "heavy = {'torch', 'brevitas', 'lightning', 'onnx', 'pooch', 'numba'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_fashion_has_the_files_of_digits(tmp_path: Path) -> None:
    images = write_digits(tmp_path / "fashion-mnist")
    found = datasets.load("fashion-mnist", "test", data=tmp_path)
    np.testing.assert_array_equal(found.images[..., 0], images)
    assert found.name == "fashion-mnist"


def write_svhn(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    savemat = pytest.importorskip("scipy.io").savemat
    folder.mkdir(exist_ok=True)
    savemat(folder / "test_32x32.mat", {"X": images, "y": labels}, do_compression=True)


def test_house_numbers_have_0_as_their_tenth_label(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    write_svhn(tmp_path / "svhn", np.moveaxis(images, 0, 3), np.array([[10], [1], [9], [10]], np.uint8))
    found = datasets.load("svhn", "test", data=tmp_path)
    np.testing.assert_array_equal(found.images, images)
    assert (found.labels.tolist(), found.labels.dtype, found.name) == ([0, 1, 9, 0], np.int64, "svhn")


def test_bad_house_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "svhn" / "test_32x32.mat"
    with pytest.raises(InputError, match=r"^Data file '.*' must exist \(`xnorflow train --download` fetches it\)$"):
        datasets.load("svhn", "test", data=tmp_path)
    write_svhn(path.parent, np.zeros((32, 32, 3, 2), np.uint8), np.array([[11], [1]]))
    with pytest.raises(InputError, match=r"^Labels of '.*' must be 1 to 10, not 1 to 11$"):
        datasets.load("svhn", "test", data=tmp_path)
    write_svhn(path.parent, np.zeros((32, 32, 2), np.uint8), np.array([[1], [1]]))
    with pytest.raises(InputError, match=r"^X of '.*' must be \(32, 32, 3, 2\) uint8, not \(32, 32, 2\) uint8$"):
        datasets.load("svhn", "test", data=tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"^Data file '.*' must be one of MATLAB with X and y, not damaged$"):
        datasets.load("svhn", "test", data=tmp_path)
