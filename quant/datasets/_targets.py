"""What images are labelled with, by the task that is learned from them."""

from collections.abc import Callable

import numpy as np

from dataflow import InputError

__all__ = ["IGNORED", "TASKS", "checked_targets", "outputs_of"]

#: Class of a position that counts for nothing.
IGNORED = 255

_LARGEST = np.iinfo(np.int32).max


def _classes(images: np.ndarray, targets: np.ndarray, source: str) -> np.ndarray:
    if targets.shape == (len(images), 1):
        targets = targets[:, 0]
    if targets.shape != (len(images),) or targets.dtype.kind not in "iu":
        raise InputError(f"Labels of {source!r} must be ({len(images)},) integers, not {_found(targets)}")
    if targets.min() < 0 or targets.max() > _LARGEST:
        raise InputError(f"Labels of {source!r} must count from 0, not from {targets.min()} to {targets.max()}")
    return targets.astype(np.int64)


def _classes_of_positions(images: np.ndarray, targets: np.ndarray, source: str) -> np.ndarray:
    if targets.ndim == 4 and targets.shape[3] == 1:
        targets = targets[..., 0]
    shape = (len(images), *images.shape[1:3])
    if targets.shape != shape or targets.dtype.kind not in "iu":
        raise InputError(f"Labels of {source!r} must be {shape} integers, not {_found(targets)}")
    counted = targets[targets != IGNORED]
    if counted.size == 0 or counted.min() < 0 or counted.max() > IGNORED:
        found = f"from {counted.min()} to {counted.max()}" if counted.size else f"only {IGNORED}"
        raise InputError(f"Labels of {source!r} must be from 0 to {IGNORED}, which is ignored, not {found}")
    return targets.astype(np.uint8)


def _points(images: np.ndarray, targets: np.ndarray, source: str) -> np.ndarray:
    if targets.ndim != 3 or len(targets) != len(images) or targets.shape[2] != 3 or targets.dtype.kind not in "iuf":
        rule = f"({len(images)}, points, 3) numbers: x, y in pixels and 1 for visible or 0"
        raise InputError(f"Labels of {source!r} must be {rule}, not {_found(targets)}")
    points = targets.astype(np.float32)
    if not np.isfinite(points).all():
        raise InputError(f"Labels of {source!r} must be finite, not nan or inf")
    if not (points[..., 2] > 0).any():
        raise InputError(f"Labels of {source!r} must have visible points, not none")
    points[..., 2] = points[..., 2] > 0
    return points


def _images(images: np.ndarray, targets: np.ndarray, source: str) -> np.ndarray:
    if targets.ndim == 3:
        targets = targets[..., None]
    height, width = images.shape[1:3]
    fitting = targets.ndim == 4 and len(targets) == len(images) and targets.dtype == np.uint8
    factor = targets.shape[1] // height if fitting else 0
    if not fitting or factor < 1 or targets.shape[1:3] != (factor * height, factor * width):
        rule = f"({len(images)}, f * {height}, f * {width}, channels) uint8 with one integer f"
        raise InputError(f"Labels of {source!r} must be {rule}, not {_found(targets)}")
    return targets


def _found(targets: np.ndarray) -> str:
    return f"{targets.shape} {targets.dtype}"


#: Checks by task; each returns the targets in their final type.
_CHECKS: dict[str, Callable[[np.ndarray, np.ndarray, str], np.ndarray]] = {
    "classify": _classes,
    "keypoints": _points,
    "restore": _images,
    "segment": _classes_of_positions,
}
TASKS = tuple(_CHECKS)


def checked_targets(task: str, images: np.ndarray, targets: np.ndarray, source: str) -> np.ndarray:
    """Return what images are labelled with.

    =========  ====================================================================================================
    task       targets of images (n, height, width, channels)
    =========  ====================================================================================================
    classify   (n,) int64, the class from 0
    segment    (n, height, width) uint8, the class of each position; 255 counts for nothing
    keypoints  (n, points, 3) float32: x and y in pixels, 0 at the centre of the first one, and 1 for a visible point
    restore    (n, f * height, f * width, channels) uint8: the image as it should be, at f times the size
    =========  ====================================================================================================

    Parameters
    ----------
    source : where they come from, for messages

    Raises
    ------
    InputError
        The array has another shape, type or range.
    """
    return _CHECKS[task](images, targets, source)


def outputs_of(task: str, targets: np.ndarray) -> int:
    """Return the classes, key points or channels that a network returns."""
    if task == "classify":
        return int(targets.max()) + 1
    if task == "segment":
        return int(targets[targets != IGNORED].max(initial=0)) + 1
    return int(targets.shape[1] if task == "keypoints" else targets.shape[3])
