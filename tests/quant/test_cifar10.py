"""CIFAR-10 and CIFAR-100: the official binary layout, every kind of invalid file, and downloading."""

import hashlib
import re
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataflow import InputError
from quant import datasets
from quant.datasets import _download

TRAINING = [f"data_batch_{index}.bin" for index in range(1, 6)]
TEST = "test_batch.bin"
ARCHIVE = "cifar-10-binary.tar.gz"


def write_images(folder: Path, name: str, labels: list[int]) -> np.ndarray:
    """Write a file in the official layout, and return its images as (n, height, width, channels)."""
    folder.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(sum(name.encode())).integers(0, 256, (len(labels), 32, 32, 3), np.uint8)
    records = b""
    for label, image in zip(labels, images, strict=True):
        records += bytes([label]) + b"".join(image[:, :, channel].tobytes() for channel in range(3))
    (folder / name).write_bytes(records)
    return images


def set_source(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Let the archive come from elsewhere, or have another checksum."""
    monkeypatch.setitem(_download.SOURCES, "cifar10", replace(_download.SOURCES["cifar10"], **changes))


def test_images_are_red_green_and_blue_planes_behind_their_label(tmp_path: Path) -> None:
    images = write_images(tmp_path / "cifar10", TEST, [3, 9, 0])
    found = datasets.load("cifar10", "test", data=tmp_path)
    assert (found.images.shape, found.images.dtype) == ((3, 32, 32, 3), np.uint8)
    assert found.images.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(found.images, images)
    assert (found.labels.tolist(), found.labels.dtype, found.name) == ([3, 9, 0], np.int64, "cifar10")


def test_training_images_are_those_of_five_files_in_order(tmp_path: Path) -> None:
    images = [write_images(tmp_path / "cifar10", name, [index, 9]) for index, name in enumerate(TRAINING)]
    found = datasets.load("cifar10", "train", data=tmp_path)
    np.testing.assert_array_equal(found.images, np.concatenate(images))
    assert found.labels.tolist() == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]


@pytest.mark.parametrize("missing", [TRAINING[0], TRAINING[4]])
def test_a_missing_file_is_named(missing: str, tmp_path: Path) -> None:
    for name in TRAINING:
        if name != missing:
            write_images(tmp_path / "cifar10", name, [1])
    path = re.escape(str(tmp_path / "cifar10" / missing))
    with pytest.raises(
        InputError, match=rf"^Data file '{path}' must exist \(`xnorflow train --download` fetches it\)$"
    ):
        datasets.load("cifar10", "train", data=tmp_path)


@pytest.mark.parametrize("length", [0, 1, 3072, 3074, 2 * 3073 - 1])
def test_a_file_of_no_whole_images_is_refused(length: int, tmp_path: Path) -> None:
    folder = tmp_path / "cifar10"
    write_images(folder, TEST, [1, 2, 3])
    (folder / TEST).write_bytes((folder / TEST).read_bytes()[:length])
    path = re.escape(str(folder / TEST))
    rule = rf"^Data file '{path}' must hold complete images of 3073 bytes each, not {length} bytes$"
    with pytest.raises(InputError, match=rule):
        datasets.load("cifar10", "test", data=tmp_path)


def test_a_label_that_is_none_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "cifar10", TEST, [9, 10, 0])
    path = re.escape(str(tmp_path / "cifar10" / TEST))
    with pytest.raises(InputError, match=rf"^Labels of '{path}' must be 0 to 9, not 10$"):
        datasets.load("cifar10", "test", data=tmp_path)


def write_archive(folder: Path, *, checksum: str | None, monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Write an archive like the official one, and set its published checksum unless another one is given."""
    names = [*TRAINING, TEST]
    images = [write_images(folder / "cifar-10-batches-bin", name, [index]) for index, name in enumerate(names)]
    with tarfile.open(folder / ARCHIVE, "w:gz") as archive:
        archive.add(folder / "cifar-10-batches-bin", "cifar-10-batches-bin")
    actual = hashlib.md5((folder / ARCHIVE).read_bytes()).hexdigest()
    set_source(monkeypatch, checksums={ARCHIVE: f"md5:{checksum or actual}"})
    return images


def test_missing_files_are_fetched_out_of_the_archive(
    mirror: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = mirror
    images = write_archive(folder, checksum=None, monkeypatch=monkeypatch)
    set_source(monkeypatch, mirrors=(f"{address}nowhere/", address))
    kept = write_images(tmp_path / "data" / "cifar10", TRAINING[1], [7, 7])
    found = datasets.load("cifar10", "train", data=tmp_path / "data", download=True)
    np.testing.assert_array_equal(found.images, np.concatenate([images[0], kept, *images[2:5]]))
    assert sorted(path.name for path in (tmp_path / "data" / "cifar10").iterdir()) == TRAINING


def test_files_that_are_there_are_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_source(monkeypatch, mirrors=())
    write_images(tmp_path / "cifar10", TEST, [5])
    assert len(datasets.load("cifar10", "test", data=tmp_path, download=True)) == 1


def test_an_archive_of_another_checksum_leaves_no_file(
    mirror: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = mirror
    write_archive(folder, checksum="0" * 32, monkeypatch=monkeypatch)
    set_source(monkeypatch, mirrors=(address,))
    start = rf"Download of '{re.escape(ARCHIVE)}' must succeed from one of the mirrors, not fail"
    with pytest.raises(InputError, match=rf"^{start} \({address}: MD5 hash of .*\)$"):
        datasets.load("cifar10", "test", data=tmp_path / "data", download=True)
    assert list((tmp_path / "data" / "cifar10").iterdir()) == []


def test_cifar100_has_a_coarse_and_a_fine_label(tmp_path: Path) -> None:
    folder = tmp_path / "cifar100"
    folder.mkdir()
    images = np.random.default_rng(1).integers(0, 256, (3, 3, 32, 32), np.uint8)
    records = [bytes([7, fine]) + image.tobytes() for fine, image in zip((99, 0, 42), images, strict=True)]
    (folder / "test.bin").write_bytes(b"".join(records))
    found = datasets.load("cifar100", "test", data=tmp_path)
    np.testing.assert_array_equal(found.images, images.transpose(0, 2, 3, 1))
    assert (found.labels.tolist(), found.name) == ([99, 0, 42], "cifar100")
    (folder / "train.bin").write_bytes(bytes([7, 100]) + images[0].tobytes())
    with pytest.raises(InputError, match=r"^Labels of '.*train\.bin' must be 0 to 99, not 100$"):
        datasets.load("cifar100", "train", data=tmp_path)
