"""Rearrange: what its loops make of an image, its schedules, its refusals."""

import numpy as np
import pytest
from hypothesis import given

from dataflow import BIPOLAR, InputError, Rearrange
from sim_tests.strategies import rearrange_nodes

H, W, C = 2, 4, 8
LINE = W * C
IMAGE = np.arange(H * W * C).reshape(H, W, C)


def view(*loops: tuple[tuple[int, int], ...], start: int = 0, pe: int = 1) -> Rearrange:
    rows, columns, channels = loops
    return Rearrange("r", BIPOLAR, (H, W, C), rows, columns, channels, start, pe)


UPSAMPLED = view(((H, LINE), (2, 0)), ((W, C), (2, 0)), ((C, 1),))
PIXELS = view(((H, LINE), (2, 4)), ((W, C), (2, 2)), ((2, 1),))
BLOCKS = view(((H // 2, 2 * LINE),), ((W // 2, 2 * C),), ((2, LINE), (2, C), (C, 1)))
CROPPED = view(((1, LINE),), ((2, C),), ((C, 1),), start=LINE + C)
FLIPPED = view(((H, -LINE),), ((W, -C),), ((C, 1),), start=LINE + 3 * C)

MADE = {
    "upsampled": (UPSAMPLED, IMAGE.repeat(2, 0).repeat(2, 1)),
    "depth to space": (PIXELS, IMAGE.reshape(H, W, 2, 2, 2).transpose(0, 2, 1, 3, 4).reshape(4, 8, 2)),
    "space to depth": (BLOCKS, IMAGE.reshape(1, 2, 2, 2, C).transpose(0, 2, 1, 3, 4).reshape(1, 2, 32)),
    "cropped": (CROPPED, IMAGE[1:, 1:3]),
    "flipped": (FLIPPED, IMAGE[::-1, ::-1]),
}


@pytest.mark.parametrize("what", MADE)
def test_the_image_out(what: str) -> None:
    node, image = MADE[what]
    places = node.pieces[..., None] * node.together + np.arange(node.together)
    np.testing.assert_array_equal(places.reshape(image.shape), image)
    assert node.output_streams[0].shape == image.shape
    assert node.steps == max(IMAGE.size, image.size)


def test_schedules_of_an_upsampled_image() -> None:
    node = Rearrange("r", BIPOLAR, (2, 2, 1), ((2, 2), (2, 0)), ((2, 1), (2, 0)), ((1, 1),))
    schedule = node.schedule()
    # A row is freed pixel by pixel while it is read the second time; the last step frees what is left.
    assert schedule.needs.tolist() == [1, 1, 2, 2, 2, 2, 1, 1, 1, 1, 2, 2, 2, 2, 1, 1]
    assert schedule.frees.tolist() == [0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1]
    assert schedule.drain.emits.all()
    assert (schedule.latency, node.steps, node.fewest_places) == (1, 16, 2)


@given(rearrange_nodes())
def test_a_step_reads_beats_that_have_come_and_are_not_freed(node: Rearrange) -> None:
    schedule = node.schedule()
    before = schedule.frees.cumsum() - schedule.frees
    come, read = np.maximum.accumulate(before + schedule.needs), node.read_beats.ravel()
    assert (before <= read).all()
    assert (read < come).all()
    assert schedule.frees.sum() == node.input_streams[0].beats
    assert read.size == node.output_streams[0].beats
    assert schedule.needs.max() <= schedule.places == node.places
    assert node.structure().registers > 0


@given(rearrange_nodes())
def test_loops_count_what_is_read(node: Rearrange) -> None:
    """The loops that hardware counts give the same beats as the places."""
    beats = np.full(1, node.first_beat)
    for loop in (*node.position_loops, *node.inner_loops):
        beats = (beats[:, None] + np.arange(loop.size) * loop.beats).ravel()
    np.testing.assert_array_equal(beats, node.read_beats.ravel())


WHOLE = ((H, LINE),), ((W, C),), ((C, 1),)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: view((), *WHOLE[1:]), r"rows of node 'r' must be pairs of a size and a stride, not \(\)"),
        (
            lambda: view(WHOLE[0], ((0, C),), WHOLE[2]),
            r"columns of node 'r' must be pairs of a size and a stride, not \(\(0, 8\),\)",
        ),
        (
            lambda: view(*WHOLE[:2], ((C, 2),)),
            r"channels of node 'r' must be loops whose last has the stride 1, not \(\(8, 2\),\)",
        ),
        (lambda: view(*WHOLE[:2], ((3, 1),)), "channels of node 'r' must be a part of its 8 channels at a time, not 3"),
        (
            lambda: view(WHOLE[0], ((W, 4),), WHOLE[2]),
            "strides of node 'r' must be multiples of the 8 channels that are read together, not 4",
        ),
        (
            lambda: view(*WHOLE, start=C),
            r"places of node 'r' must be within the 64 numbers of its input, not \(8, 72\)",
        ),
        (
            lambda: view(((H, -LINE),), *WHOLE[1:]),
            r"places of node 'r' must be within the 64 numbers of its input, not \(-32, 32\)",
        ),
        (lambda: view(*WHOLE, start=True), "start of node 'r' must be an integer, not True"),
        (
            lambda: view(*WHOLE, pe=9),
            "pe of node 'r' must be 1 to 8, the number of its channels that are read together, not 9",
        ),
        (
            lambda: Rearrange("r", BIPOLAR, (8,), *WHOLE),
            r"shape of node 'r' must be \(height, width, channels\), not \(8,\)",
        ),
    ],
)
def test_refusals(make, sentence: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=f"^{sentence}$"):
        make()
