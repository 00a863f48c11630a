"""Downloading the official files and checking their checksums."""

import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from dataflow import InputError

__all__ = ["CIFAR10_MIRRORS", "MIRRORS", "download_cifar10", "download_mnist"]

#: Mirrors of the files once at yann.lecun.com/exdb/mnist, tried in this order.
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")

#: Published with the files.
_CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "md5:d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "md5:9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "md5:ec29112dd5afa0611ce80d1b7f02629c",
}

#: Where the makers of CIFAR-10 publish it; the archive holds all files.
CIFAR10_MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)

_CIFAR10_ARCHIVE = "cifar-10-binary.tar.gz"
_CIFAR10_FOLDER = "cifar-10-batches-bin"  # inside the archive
_CIFAR10_CHECKSUM = "md5:c32a1d4ab5d03f1284b67883e8d87530"  # published with the archive


def download_mnist(folder: Path, stems: Iterable[str]) -> None:
    """Fetch files into `folder`, each completely and with the right checksum, or not at all.

    Parameters
    ----------
    folder : where the files go; created if missing
    stems : names of the files without ``.gz``

    Raises
    ------
    InputError
        No mirror gave a file with the right checksum.
    """
    for stem in stems:
        _fetch(folder, f"{stem}.gz", mirrors=MIRRORS, checksum=_CHECKSUMS[f"{stem}.gz"])


def download_cifar10(folder: Path, names: Sequence[str]) -> None:
    """Fetch files into `folder` from the official archive, each completely or not at all; the archive is not kept.

    Parameters
    ----------
    folder : where the files go; created if missing
    names : names of the files

    Raises
    ------
    InputError
        No mirror gave the archive with the right checksum.
    """
    if not names:
        return
    _fetch(folder, _CIFAR10_ARCHIVE, mirrors=CIFAR10_MIRRORS, checksum=_CIFAR10_CHECKSUM)
    archive = folder / _CIFAR10_ARCHIVE
    try:
        with tarfile.open(archive) as members:
            for name in names:
                member = members.extractfile(f"{_CIFAR10_FOLDER}/{name}")
                assert member is not None, name  # the checksum says that it is a file
                part = folder / f"{name}.part"
                part.write_bytes(member.read())
                part.replace(folder / name)
    finally:
        archive.unlink()


def _fetch(folder: Path, name: str, *, mirrors: tuple[str, ...], checksum: str) -> None:
    import pooch  # imported here because it imports requests and its dependencies

    causes = []
    for mirror in mirrors:
        try:
            pooch.retrieve(mirror + name, checksum, fname=name, path=folder)
            return
        except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
            causes.append(f"{mirror}: {_one_line(error)}")
    raise InputError(f"Download of {name!r} must succeed from one of the mirrors, not fail ({'; '.join(causes)})")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
