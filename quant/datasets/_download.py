"""Fetching the official MNIST files, with checksums."""

from collections.abc import Iterable
from pathlib import Path

from dataflow import InputError

__all__ = ["MIRRORS", "download_mnist"]

#: Mirrors of the files once at yann.lecun.com/exdb/mnist, tried in this order.
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")

#: Published with the files.
_CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "md5:d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "md5:9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "md5:ec29112dd5afa0611ce80d1b7f02629c",
}


def download_mnist(folder: Path, stems: Iterable[str]) -> None:
    """Fetch files into `folder`, each whole and with its checksum, or not at all.

    Parameters
    ----------
    folder : where the files go; made if missing
    stems : names of the files without ``.gz``

    Raises
    ------
    InputError
        No mirror gave a file with the right checksum.
    """
    for stem in stems:
        _fetch(folder, f"{stem}.gz")


def _fetch(folder: Path, name: str) -> None:
    import pooch  # imports requests' relatives only here, where they are needed

    causes = []
    for mirror in MIRRORS:
        try:
            pooch.retrieve(mirror + name, _CHECKSUMS[name], fname=name, path=folder)
            return
        except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
            causes.append(f"{mirror}: {_one_line(error)}")
    raise InputError(f"Download of {name!r} must succeed from one of the mirrors, not fail ({'; '.join(causes)})")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
