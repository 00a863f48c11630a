"""Images of one's own: a folder per class, in ``train/`` and in ``test/`` or ``val/``, as ImageNet has them."""

import tempfile
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path

import numpy as np

from dataflow import InputError
from dataflow.cores import core_count
from quant.datasets._dataset import Dataset

__all__ = ["load_folder"]

_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
_FOLDERS = {"train": ("train",), "test": ("test", "val")}

#: Modes of Pillow with 8 bits or less for each channel, and those of them without colours.
_GRAY = {"1", "L", "LA"}
_MODES = {*_GRAY, "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}

#: Bytes up to which images are kept in memory; more go to a file.
_MOST_IN_MEMORY = 4 << 30

#: How many broken files a message names.
_NAMED = 5

#: Index of a file, its path, and its image unless it is broken.
Attempt = tuple[int, Path, np.ndarray | None]


def load_folder(
    folder: Path,
    split: str,
    name: str,
    *,
    order: np.random.Generator | None = None,
    image_size: tuple[int, ...] = (),
    skip_broken: bool = False,
) -> Dataset:
    """Read ``train/CLASS/*`` or ``test/CLASS/*`` (or ``val/``); classes are numbered by their names, in order.

    Images are turned as their camera says, and gray ones stay gray if the training images of all classes are. Each is
    decoded once; more than 4 GiB of them go to a temporary file.

    Parameters
    ----------
    order : shuffles the images
    image_size : height and width to which each image is scaled, after its longer side is cropped; empty if all have the
        same size
    skip_broken : leave broken files out, instead of refusing them

    Raises
    ------
    InputError
        A folder is missing or without images, a class has no training images, a file is broken, or sizes differ.
    """
    classes = _classes(_part(folder, "train"))
    part = _part(folder, split)
    files: list[tuple[Path, int]] = []
    for number, each in enumerate(classes):
        found = _images(part / each)
        if not found and split == "train":
            raise InputError(f"Class folder {str(part / each)!r} must hold images, not none")
        files += [(path, number) for path in found]
    others = sorted(set(_classes(part)) - set(classes))
    if others:
        raise InputError(f"Class folder {str(part / others[0])!r} must be one of the training part too, not a new one")
    if not files:
        raise InputError(f"Folder {str(part)!r} must hold images, not none")
    if order is not None:
        files = [files[index] for index in order.permutation(len(files))]
    gray = all(_is_gray(_images(_part(folder, "train") / each)[0]) for each in classes)
    decode = _decoder(gray=gray, image_size=image_size)
    images, causes = _decoded([path for path, _ in files], decode, image_size or None)
    if causes and not skip_broken:
        shown = "; ".join(list(causes.values())[:_NAMED]) + ("; ..." if len(causes) > _NAMED else "")
        raise InputError(
            f"Images of {str(part)!r} must be readable, not broken as {len(causes)} of {len(files)}: {shown}"
        )
    kept = [index for index in range(len(files)) if index not in causes]
    if not kept:
        raise InputError(f"Images of {str(part)!r} must be readable, not all broken")
    labels = np.array([files[index][1] for index in kept], np.int64)
    return Dataset(images if not causes else images[kept], labels, name, tuple(causes.values()))


def _part(folder: Path, split: str) -> Path:
    found = [folder / each for each in _FOLDERS[split] if (folder / each).is_dir()]
    if not found:
        names = " or ".join(repr(str(folder / each)) for each in _FOLDERS[split])
        raise InputError(f"Data folder {names} must exist, with one folder for each class")
    return found[0]


def _classes(part: Path) -> list[str]:
    return sorted(entry.name for entry in part.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())


def _is_gray(path: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.mode in _GRAY
    except (OSError, ValueError, SyntaxError):
        return True  # a broken file, which is found when it is decoded


def _decoder(*, gray: bool, image_size: tuple[int, ...]) -> Callable[[Path], np.ndarray]:
    """Return the function from a file to (height, width, channels) uint8."""
    from PIL import Image, ImageOps

    def decode(path: Path) -> np.ndarray:
        with Image.open(path) as opened:
            if opened.mode not in _MODES:
                raise ValueError(f"its mode is {opened.mode}, not one of 8 bits for each channel")
            image = ImageOps.exif_transpose(opened).convert("L" if gray else "RGB")
        if image_size:
            image = ImageOps.fit(image, (image_size[1], image_size[0]), Image.Resampling.BILINEAR)
        pixels = np.asarray(image, np.uint8)
        return pixels[..., None] if gray else pixels

    return decode


def _decoded(
    paths: list[Path], decode: Callable[[Path], np.ndarray], size: tuple[int, ...] | None
) -> tuple[np.ndarray, dict[int, str]]:
    """Return the images of all files, zeros for broken ones, and the causes of these by index."""
    causes: dict[int, str] = {}

    def attempt(numbered: tuple[int, Path]) -> Attempt:
        index, path = numbered
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # Pillow warns of huge images
                return index, path, decode(path)
        except Exception as error:  # decoders raise what their libraries do: OSError, SyntaxError, struct.error, ...
            causes[index] = f"{path} ({' '.join(str(error).split()) or type(error).__name__})"
            return index, path, None

    images: np.ndarray | None = None
    first: Path | None = None
    with ThreadPoolExecutor(core_count()) as threads:  # decoders release the interpreter's lock
        for index, path, pixels in _in_chunks(threads, attempt, paths):
            if pixels is None:
                continue
            if images is None:
                first = path
                images = _allocated((len(paths), *pixels.shape))
            if pixels.shape != images.shape[1:]:
                sizes = [f"{shape[0]} x {shape[1]}" for shape in (images.shape[1:], pixels.shape)]
                raise InputError(
                    f"Image {str(path)!r} must be {sizes[0]} pixels as {str(first)!r}, not {sizes[1]}; image_size of "
                    "the recipe scales all to one size"
                )
            images[index] = pixels
    return (np.zeros((len(paths), 1, 1, 1), np.uint8) if images is None else images), causes


def _in_chunks(
    threads: ThreadPoolExecutor, attempt: Callable[[tuple[int, Path]], Attempt], paths: list[Path], size: int = 1000
) -> Iterator[Attempt]:
    """Yield results in order; at most `size` of them wait in memory."""
    for start in range(0, len(paths), size):
        yield from threads.map(attempt, enumerate(paths[start : start + size], start))


def _allocated(shape: tuple[int, ...]) -> np.ndarray:
    if prod(shape) <= _MOST_IN_MEMORY:
        return np.zeros(shape, np.uint8)
    # The file has no name, so nothing is left of it when the process ends.
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.uint8, "w+", shape=shape)
