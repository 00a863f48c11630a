"""Downloading the official files and checking their checksums."""

import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow import InputError, atomic_write

__all__ = ["SOURCES", "Source", "download"]


@dataclass(frozen=True)
class Source:
    """Where the files of a data set are.

    Parameters
    ----------
    mirrors : addresses to which a file's name is appended, tried in this order
    checksums : of each file that is fetched, as published with it
    archive : the file that holds all others, if there is one
    folder : where they are in it
    """

    mirrors: tuple[str, ...]
    checksums: Mapping[str, str]
    archive: str = ""
    folder: str = ""


_CIFAR = ("https://www.cs.toronto.edu/~kriz/",)

#: By name of the data set. The first mirror of MNIST's files, once at yann.lecun.com/exdb/mnist, is that of PyTorch.
SOURCES = {
    "mnist": Source(
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
        {
            "train-images-idx3-ubyte.gz": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "md5:d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "md5:9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "md5:ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    "fashion-mnist": Source(
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        {
            "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
    "svhn": Source(
        ("http://ufldl.stanford.edu/housenumbers/",),
        {
            "train_32x32.mat": "md5:e26dedcc434d2e4c54c9b2d4a06d8373",
            "test_32x32.mat": "md5:eb5a983be6a315427106f1b164d9cef3",
        },
    ),
    "cifar10": Source(
        _CIFAR,
        {"cifar-10-binary.tar.gz": "md5:c32a1d4ab5d03f1284b67883e8d87530"},
        "cifar-10-binary.tar.gz",
        "cifar-10-batches-bin",
    ),
    "cifar100": Source(
        _CIFAR,
        {"cifar-100-binary.tar.gz": "md5:03b5dce01913d631647c71ecec9e9cb8"},
        "cifar-100-binary.tar.gz",
        "cifar-100-binary",
    ),
}


def download(name: str, folder: Path, files: Sequence[str]) -> None:
    """Fetch files of a data set into `folder`, each completely and with the right checksum, or not at all.

    An archive is not kept.

    Parameters
    ----------
    folder : where the files go; created if missing
    files : their names

    Raises
    ------
    InputError
        No mirror gave a file with the right checksum.
    """
    source = SOURCES[name]
    if not source.archive:
        for each in files:
            _fetch(source, folder, each)
    elif files:
        _fetch(source, folder, source.archive)
        _unpack(folder / source.archive, source.folder, folder, files)


def _unpack(archive: Path, inner: str, folder: Path, files: Sequence[str]) -> None:
    try:
        with tarfile.open(archive) as members:
            for name in files:
                member = members.extractfile(f"{inner}/{name}")
                assert member is not None, name  # the checksum says that it is a file
                with atomic_write(folder / name, "Data") as part:
                    part.write_bytes(member.read())
    finally:
        archive.unlink()


def _fetch(source: Source, folder: Path, name: str) -> None:
    import pooch  # imported here because it imports requests and its dependencies

    causes = []
    for mirror in source.mirrors:
        try:
            pooch.retrieve(mirror + name, source.checksums[name], fname=name, path=folder)
            return
        except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
            causes.append(f"{mirror}: {_one_line(error)}")
    raise InputError(f"Download of {name!r} must succeed from one of the mirrors, not fail ({'; '.join(causes)})")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
