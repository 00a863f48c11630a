"""Samples of nodes that move numbers, Select and Rearrange, and of SpatialArgMax."""

from collections.abc import Iterator

import numpy as np

from dataflow import BIPOLAR, Element, Integer, Rearrange, Select, SpatialArgMax

__all__ = ["CHOICES", "VIEWS", "choice", "peaks", "rearrangements", "selects", "spatial_arg_maxes", "view"]

Shape = tuple[int, int, int]
Loops = tuple[tuple[int, int], ...]

#: Orders of channels: a slice from the middle, a shuffle of two groups, any order and any choice within each beat.
CHOICES = ("slice", "shuffle", "mixed", "some")

#: Images in another order: each pixel four times, channels as pixels, pixels as channels, a part of the image.
VIEWS = ("up", "pixels", "blocks", "crop")


def selects() -> Iterator[tuple[str, Select]]:
    """Yield Select nodes of many sizes, with their names."""
    signed = Integer(8, signed=True)
    sizes: list[tuple[str, Element, int, int]] = [
        ("slice", BIPOLAR, 64, 8),
        ("slice", signed, 64, 4),
        ("mixed", BIPOLAR, 64, 16),
        ("some", Integer(4), 48, 6),
        ("shuffle", signed, 32, 32),
        ("mixed", signed, 32, 4),
        ("some", BIPOLAR, 128, 32),
        ("mixed", Integer(5), 40, 8),
        ("some", signed, 24, 3),
        ("slice", Integer(10, signed=True), 48, 16),
        ("mixed", BIPOLAR, 256, 8),
        ("some", Integer(6), 96, 12),
        ("mixed", Integer(3), 60, 20),
        ("slice", Integer(12), 24, 1),
        ("some", signed, 64, 8),
        ("mixed", BIPOLAR, 96, 6),
    ]
    for size in sizes:
        yield choice(*size)


def choice(kind: str, element: Element, channels: int, pe: int) -> tuple[str, Select]:
    """Return a node that selects channels, one of `CHOICES`, and its name."""
    rng = np.random.default_rng(channels + pe)
    beats = np.arange(channels).reshape(-1, pe)
    if kind == "slice":
        chosen = beats[len(beats) // 4 : len(beats) - len(beats) // 4]
    elif kind == "shuffle":
        chosen = np.arange(channels).reshape(2, -1).T
    elif kind == "mixed":
        chosen = rng.permuted(beats, axis=1)
    else:
        chosen = rng.permuted(beats[rng.random(len(beats)) < 0.7], axis=1)
    return f"select-{kind}-{element}-{channels}-pe{pe}", Select("node", element, (4, 4, channels), chosen.ravel(), pe)


def rearrangements() -> Iterator[tuple[str, Rearrange]]:
    """Yield Rearrange nodes of many sizes, with their names."""
    sizes: list[tuple[str, Element, Shape, int]] = [
        ("up", BIPOLAR, (8, 8, 32), 16),
        ("up", Integer(4), (7, 9, 12), 4),
        ("pixels", BIPOLAR, (8, 8, 64), 16),
        ("blocks", Integer(8), (16, 16, 4), 2),
        ("crop", BIPOLAR, (14, 18, 24), 8),
        ("pixels", Integer(8, signed=True), (6, 10, 16), 2),
        ("up", Integer(8, signed=True), (16, 16, 8), 8),
        ("crop", Integer(6), (20, 20, 6), 3),
        ("blocks", BIPOLAR, (12, 20, 32), 32),
        ("pixels", Integer(5), (14, 14, 12), 3),
        ("up", BIPOLAR, (4, 4, 128), 32),
        ("blocks", Integer(3), (10, 14, 10), 5),
        ("crop", Integer(8), (32, 32, 3), 3),
        ("up", BIPOLAR, (1, 64, 48), 6),
        ("pixels", BIPOLAR, (28, 28, 32), 8),
        ("blocks", BIPOLAR, (24, 24, 16), 4),
    ]
    for size in sizes:
        yield view(*size)


def view(kind: str, element: Element, shape: Shape, pe: int) -> tuple[str, Rearrange]:
    """Return a node that makes another image, one of `VIEWS`, and its name."""
    height, width, channels = shape
    line, start = width * channels, 0
    loops: tuple[Loops, Loops, Loops]
    if kind == "up":
        loops = ((height, line), (2, 0)), ((width, channels), (2, 0)), ((channels, 1),)
    elif kind == "pixels":
        part = channels // 4
        loops = ((height, line), (2, 2 * part)), ((width, channels), (2, part)), ((part, 1),)
    elif kind == "blocks":
        loops = ((height // 2, 2 * line),), ((width // 2, 2 * channels),), ((2, line), (2, channels), (channels, 1))
    else:
        start = height // 5 * line + width // 4 * channels
        loops = ((height // 2, line),), ((width // 2, channels),), ((channels, 1),)
    name = f"rearrange-{kind}-{element}-{'x'.join(map(str, shape))}-pe{pe}"
    rows, columns, along = loops
    return name, Rearrange("node", element, shape, rows, columns, along, start, pe)


def spatial_arg_maxes() -> Iterator[tuple[str, SpatialArgMax]]:
    """Yield SpatialArgMax nodes of many sizes, with their names."""
    sizes: list[tuple[int, Shape, int]] = [
        (8, (8, 8, 4), 1),
        (10, (12, 20, 8), 2),
        (7, (16, 16, 1), 1),
        (12, (5, 7, 16), 4),
        (9, (32, 32, 6), 6),
        (6, (24, 18, 12), 3),
        (14, (10, 10, 10), 1),
        (11, (64, 48, 17), 17),
        (5, (3, 3, 24), 4),
        (16, (20, 20, 4), 2),
        (8, (13, 11, 32), 8),
        (10, (1, 100, 5), 5),
        (13, (28, 28, 2), 1),
        (9, (6, 6, 20), 5),
    ]
    for size in sizes:
        yield peaks(*size)


def peaks(width: int, shape: Shape, pe: int) -> tuple[str, SpatialArgMax]:
    """Return a node that finds the position of each channel's highest score, and its name."""
    name = f"spatial_arg_max-{width}-{'x'.join(map(str, shape))}-pe{pe}"
    return name, SpatialArgMax("node", Integer(width, signed=True), shape, pe)
