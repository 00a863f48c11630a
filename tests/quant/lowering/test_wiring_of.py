"""What hardware has to do for a tensor whose elements are numbers of an image: found from their places alone."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow import Integer, Rearrange
from hwsim import reference
from quant.lowering.graph.wiring import Wiring, wiring_of

H, W, C = SHAPE = (4, 6, 8)
IMAGE = np.arange(H * W * C).reshape(SHAPE)

#: Functions of arrays (height, width, channels).
MOVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "slice": lambda x: x[..., 1:] if x.shape[2] > 1 else x,
    "every-second": lambda x: x[..., ::2],
    "reversed": lambda x: x[..., ::-1],
    "shuffle": lambda x: x.reshape(*x.shape[:2], -1, 2).swapaxes(2, 3).reshape(x.shape) if x.shape[2] % 2 == 0 else x,
    "repeated": lambda x: np.concatenate([x, x[..., :1]], -1),
    "upsampled": lambda x: x.repeat(2, 0).repeat(3, 1),
    "cropped": lambda x: x[1:, :-1] if min(x.shape[:2]) > 1 else x,
    "strided": lambda x: x[::2, 1::2] if x.shape[1] > 1 else x,
    "flipped": lambda x: x[::-1],
    "turned": lambda x: x.swapaxes(0, 1),
    "pixels": lambda x: pixels(x) if x.shape[2] % 4 == 0 else x,
    "blocks": lambda x: blocks(x) if x.shape[0] % 2 == x.shape[1] % 2 == 0 else x,
}


def pixels(x: np.ndarray) -> np.ndarray:
    height, width, channels = x.shape
    parts = x.reshape(height, width, channels // 4, 2, 2).transpose(0, 3, 1, 4, 2)
    return parts.reshape(2 * height, 2 * width, channels // 4)


def blocks(x: np.ndarray) -> np.ndarray:
    height, width, channels = x.shape
    parts = x.reshape(height // 2, 2, width // 2, 2, channels).transpose(0, 2, 4, 1, 3)
    return parts.reshape(height // 2, width // 2, 4 * channels)


def made(wiring: Wiring) -> np.ndarray:
    """Return the numbers of the image that hardware gives for a tensor."""
    x = IMAGE if wiring.selected is None else IMAGE[..., wiring.selected]
    if wiring.loops is not None:
        loops = wiring.loops
        node = Rearrange("view", Integer(8), x.shape, loops.rows, loops.columns, loops.channels, loops.start)
        (frames,) = reference.apply(node, x[None])
        x = frames[0]
    return x[..., wiring.order]


@pytest.mark.parametrize("name", MOVES)
def test_each_is_found(name: str) -> None:
    places = MOVES[name](IMAGE)
    wiring = wiring_of(places, SHAPE)
    assert wiring is not None
    np.testing.assert_array_equal(made(wiring), places)
    of_channels = name in {"slice", "every-second", "reversed", "shuffle", "repeated"}
    assert (wiring.loops is None) == of_channels
    assert (wiring.selected is None) == (name not in {"slice", "every-second", "repeated", "pixels"})


@given(st.lists(st.sampled_from(sorted(MOVES)), min_size=1, max_size=3))
def test_what_is_found_is_right(names: list[str]) -> None:
    places = IMAGE
    for name in names:
        if places.size < 4000:
            places = MOVES[name](places)
    wiring = wiring_of(places, SHAPE)
    if wiring is not None:
        np.testing.assert_array_equal(made(wiring), places)


def test_places_without_loops() -> None:
    assert wiring_of(IMAGE[[0, 1, 3]], SHAPE) is None
    assert wiring_of(np.where(IMAGE % 2, IMAGE, IMAGE[::-1]), SHAPE) is None
    # Rows that go one way and columns that depend on the row are no loops.
    assert wiring_of(np.stack([np.roll(row, index, 0) for index, row in enumerate(IMAGE)]), SHAPE) is None
    # The same numbers as an image of another size are moved, though their order is the same.
    wiring = wiring_of(IMAGE.reshape(H, W // 2, 2 * C), SHAPE)
    assert wiring is not None
    assert wiring.loops is not None
