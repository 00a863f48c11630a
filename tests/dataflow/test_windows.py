"""Nodes that move a kernel over an image, and matrices of convolutions: geometry, schedules, refusals."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dataflow import BIPOLAR, InputError, Integer, MatrixVector, MaxPool, SlidingWindow, Stream, SumPool, WindowNode

SIGNS = np.array([[1, -1, 1], [-1, -1, 1]], np.int8)


def any_lanes(number: int) -> list[int]:
    return list(range(1, number + 1))


def sliding(**options: object) -> SlidingWindow:
    """Return a 2x2 window on 3x4 pixels of four channels, with other options if given."""
    choice = {"element": BIPOLAR, "shape": (3, 4, 4), "kernel": (2, 2), **options}
    return SlidingWindow("w", **choice)  # type: ignore[arg-type]


def pool(**options: object) -> MaxPool:
    choice = {"element": BIPOLAR, "shape": (3, 4, 4), "kernel": (2, 2), **options}
    return MaxPool("w", **choice)  # type: ignore[arg-type]


def sum_pool(**options: object) -> SumPool:
    choice = {"element": BIPOLAR, "shape": (3, 4, 4), "kernel": (2, 2), **options}
    return SumPool("w", **choice)  # type: ignore[arg-type]


def test_streams() -> None:
    node = sliding(pe=2, stride=(1, 2), padding=(1, 0, 0, 2))
    assert node.positions == (3, 3)
    assert node.input_streams == (Stream(BIPOLAR, (3, 4, 4), 2),)
    assert node.output_streams == (Stream(BIPOLAR, (3, 3, 16), 2),)
    assert pool(pe=2, stride=(1, 2)).output_streams == (Stream(BIPOLAR, (2, 2, 4), 2),)
    assert sliding(kernel=(2, 1), dilation=(2, 3)).positions == (1, 4)


def test_taps_are_pixels_in_raster_order() -> None:
    node = sliding(stride=(2, 2), padding=(1, 0, 0, 0))
    assert node.tap_pixels.tolist() == [[-1, -1, 0, 1], [-1, -1, 2, 3], [4, 5, 8, 9], [6, 7, 10, 11]]


def test_beats_are_read_tap_by_tap_or_group_by_group() -> None:
    options = {"shape": (1, 2, 4), "kernel": (1, 2), "pe": 2}
    assert sliding(**options).read_beats.tolist() == [[0, 1, 2, 3]]
    assert pool(**options).read_beats.tolist() == [[0, 2, 1, 3]]
    assert sum_pool(**options).read_beats.tolist() == [[0, 2, 1, 3]]


def test_groups_of_channels_are_read_one_after_the_other() -> None:
    options = {"shape": (1, 2, 4), "kernel": (1, 2)}
    assert sliding(**options, groups=2).read_beats.tolist() == [[0, 1, 4, 5, 2, 3, 6, 7]]
    assert sliding(**options, groups=2, pe=2).read_beats.tolist() == [[0, 2, 1, 3]]
    assert sliding(**options, groups=4).read_beats.tolist() == [[0, 4, 1, 5, 2, 6, 3, 7]]
    assert list(sliding(groups=2).foldings()) == [{"pe": 1, "simd": 1}, {"pe": 2, "simd": 1}]


@pytest.mark.parametrize("groups", [0, 3, 8, 2.0, True])
def test_groups_that_do_not_divide_the_channels_are_refused(groups: object) -> None:
    with pytest.raises(InputError, match=rf"^groups of node 'w' must be a divisor of its 4 channels, not {groups}$"):
        sliding(groups=groups)


def test_beats_across_groups_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"^pe of node 'w' must be 1 to 2, the number of its channels of a group, not 4$"
    ):
        sliding(groups=2, pe=4)


def test_sums_below_a_kernel_have_an_element_of_their_own() -> None:
    assert str(sum_pool().output_streams[0]) == "int4 2x3x4, 1 at once"  # -4 to 4
    assert str(sum_pool(element=Integer(8)).output_element) == "uint10"  # 0 to 1020
    assert str(sum_pool(element=Integer(8, signed=True)).output_element) == "int10"  # -512 to 508
    # No position has more than one pixel: -1 to 1.
    assert sum_pool(kernel=(2, 2), dilation=(3, 4), padding=(3, 3, 4, 4)).span == (-1, 1)
    # Positions without a pixel are legal, unlike those of a MaxPool.
    assert sum_pool(padding=(2, 0, 0, 2)).positions == (4, 5)


def test_sums_below_a_kernel_that_are_too_wide_are_refused() -> None:
    sum_pool(element=Integer(60))
    with pytest.raises(InputError, match=r"^Sums of node 'w' must be at most 63 bits wide, not 64$"):
        sum_pool(element=Integer(61))


def test_schedule_by_hand() -> None:
    # 2x2 on 2x3: the first position needs pixels 0 to 4 and frees 0, the second needs 5 as well and frees all.
    schedule = sliding(shape=(2, 3, 1)).schedule()
    assert (schedule.fill.steps, schedule.drain.steps, schedule.steps, schedule.latency) == (6, 8, 8, 2)
    assert schedule.needs.tolist() == [5, 0, 0, 0, 5, 0, 0, 0]
    assert schedule.frees.tolist() == [0, 0, 0, 1, 0, 0, 0, 5]
    assert schedule.drain.emits.all()
    assert not pool(shape=(2, 3, 1)).schedule().drain.emits[0, [0, 1, 2, 4, 5, 6]].any()


@st.composite
def window_nodes(draw: st.DrawFn) -> WindowNode:
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    sides = st.tuples(*[st.integers(0, 2)] * 4)
    shape = (draw(st.integers(1, 8)), draw(st.integers(1, 8)), draw(st.sampled_from([1, 2, 3, 4, 5])))
    kind, pe = draw(st.sampled_from([SlidingWindow, MaxPool, SumPool])), draw(st.sampled_from([1, 2, 4]))
    assume(pe <= shape[2])
    groups = {"groups": draw(st.sampled_from([1, 2, 4]))} if kind is SlidingWindow else {}
    try:
        node = kind("w", BIPOLAR, shape, draw(pair), draw(pair), draw(pair), draw(sides), pe=pe, **groups)
    except InputError:
        assume(False)
        raise
    return node.folded(draw(st.sampled_from(list(node.foldings(any_lanes)))))


@given(window_nodes())
def test_a_step_reads_beats_that_have_come_and_are_not_freed(node: WindowNode) -> None:
    schedule = node.schedule()
    before = schedule.frees.cumsum() - schedule.frees
    # All steps of a position can be issued when its first one can.
    come = np.maximum.accumulate(before + schedule.needs)
    before, come = (np.repeat(beats, node.taps_at_once) for beats in (before, come))
    read = node.read_beats.ravel()
    inside = read >= 0
    assert (before[inside] <= read[inside]).all()
    assert (read[inside] < come[inside]).all()
    assert schedule.frees.sum() == node.input_streams[0].beats == schedule.fill.steps
    assert schedule.drain.emits.sum() == node.output_streams[0].beats
    assert schedule.needs.max() <= schedule.places == node.places
    assert node.steps == schedule.steps == max(node.input_streams[0].beats, read.size // node.taps_at_once)


def test_places_of_a_usual_convolution() -> None:
    # At the end of a frame the last window and the next frame's first are there, two rows and three pixels each; the
    # next frame's beats come in time for that. And a row.
    node = sliding(shape=(32, 32, 1), kernel=(3, 3))
    assert node.fewest_places == 2 * (2 * 32 + 3)
    assert node.places == node.fewest_places + 32


@pytest.mark.parametrize("make", [sliding, pool, sum_pool])
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"shape": (3, 4)}, r"shape of node 'w' must be \(height, width, channels\), not \(3, 4\)"),
        ({"shape": (3, 0, 4)}, r"shape of node 'w' must be positive sizes, not \(3, 0, 4\)"),
        ({"kernel": (2,)}, r"kernel of node 'w' must be 2 integers of at least 1, not \(2,\)"),
        ({"kernel": (0, 2)}, r"kernel of node 'w' must be 2 integers of at least 1, not \(0, 2\)"),
        ({"kernel": (2, 2.0)}, r"kernel of node 'w' must be 2 integers of at least 1, not \(2, 2\.0\)"),
        ({"stride": (1, 0)}, r"stride of node 'w' must be 2 integers of at least 1, not \(1, 0\)"),
        ({"stride": (True, 1)}, r"stride of node 'w' must be 2 integers of at least 1, not \(True, 1\)"),
        ({"dilation": (1, 1, 1)}, r"dilation of node 'w' must be 2 integers of at least 1, not \(1, 1, 1\)"),
        ({"padding": (1, 1)}, r"padding of node 'w' must be 4 integers of at least 0, not \(1, 1\)"),
        ({"padding": (0, 0, 0, -1)}, r"padding of node 'w' must be 4 integers of at least 0, not \(0, 0, 0, -1\)"),
        (
            {"kernel": (4, 1)},
            "kernel of node 'w' must be at most the padded image's 3 in size, dilation included, not 4",
        ),
        (
            {"dilation": (1, 5), "padding": (0, 0, 1, 0)},
            "kernel of node 'w' must be at most the padded image's 5 in size, dilation included, not 6",
        ),
        ({"pe": 0}, "pe of node 'w' must be 1 to 4, the number of its channels, not 0"),
        ({"pe": 8}, "pe of node 'w' must be 1 to 4, the number of its channels, not 8"),
    ],
)
def test_windows_that_are_refused(make: Callable[..., WindowNode], options: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=rf"^{sentence}$"):
        make(**options)


@pytest.mark.parametrize("pad", [2, -1, 0.5, True])
def test_a_pad_that_is_no_number_of_the_stream_is_refused(pad: object) -> None:
    with pytest.raises(InputError, match=rf"^pad of node 'w' must be within 0 to 1, not {pad}$"):
        sliding(pad=pad)
    assert sliding(element=Integer(4, signed=True), pad=-8).pad == -8
    with pytest.raises(InputError, match=r"^pad of node 'w' must be within -8 to 7, not 8$"):
        sliding(element=Integer(4, signed=True), pad=8)


@pytest.mark.parametrize("padding", [(2, 0, 0, 0), (0, 2, 0, 0), (0, 0, 2, 0), (0, 0, 0, 2)])
def test_a_pool_with_a_position_outside_is_refused(padding: tuple[int, ...]) -> None:
    sliding(padding=padding)
    text = ", ".join(map(str, padding))
    sentence = (
        rf"^padding of node 'w' must be less than the kernel, so that every position has a pixel, not \({text}\)$"
    )
    with pytest.raises(InputError, match=sentence):
        pool(padding=padding)


def test_foldings_of_a_window() -> None:
    taps = [{"pe": 4, "simd": simd} for simd in (3, 6)]
    assert list(sliding(kernel=(2, 3)).foldings()) == [*({"pe": pe, "simd": 1} for pe in (1, 2, 4)), *taps]
    assert list(sliding(groups=4).foldings()) == [{"pe": 1, "simd": 1}]
    assert list(pool().foldings()) == [{"pe": 1}, {"pe": 2}, {"pe": 4}]
    assert sliding().folded({"pe": 4}).steps == 2 * 3 * 4


def test_taps_at_once() -> None:
    node = sliding(kernel=(2, 3), shape=(4, 5, 4), pe=4, simd=3)
    assert (node.position_steps, node.schedule().drain.steps) == (2, 3 * 3 * 2)
    assert node.steps == 4 * 5  # the beats in decide
    assert str(node.output_streams[0]) == "bipolar 3x3x24, 12 at once"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"simd": 2}, r"simd of node 'w' must be one of \[1, 3, 6\] taps, not 2"),
        ({"simd": 0}, r"simd of node 'w' must be one of \[1, 3, 6\] taps, not 0"),
        ({"simd": 3, "pe": 2}, r"simd of node 'w' must be 1 unless all 4 channels are read at once, not 3"),
        (
            {"simd": 3, "pe": 1, "groups": 4},
            r"simd of node 'w' must be 1 unless all 4 channels are read at once, not 3",
        ),
    ],
)
def test_taps_at_once_that_are_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=f"^{sentence}$"):
        sliding(**{"kernel": (2, 3), "shape": (4, 5, 4), "pe": 4, **options})


def test_matrix_of_a_convolution() -> None:
    node = MatrixVector("m", SIGNS, pe=2, positions=(4, 5))
    assert node.input_streams[0].shape == (4, 5, 3)
    assert node.output_streams[0].shape == (4, 5, 2)
    assert (node.steps, node.schedule().steps, node.schedule().repeats, node.macs) == (60, 60, 20, 120)


def test_matrix_of_a_grouped_convolution() -> None:
    weights = np.ones((6, 4), np.int8)
    node = MatrixVector("m", weights, pe=2, simd=2, positions=(4, 5), groups=3)
    assert node.input_streams[0] == Stream(BIPOLAR, (4, 5, 12), 2)
    assert node.output_streams[0] == Stream(Integer(4, signed=True), (4, 5, 6), 2)
    schedule = node.schedule()
    assert (node.steps, schedule.steps, schedule.period, schedule.repeats, node.macs) == (120, 120, 2, 60, 480)
    assert schedule.consumes.tolist() == [[True, True]]
    assert schedule.emits.tolist() == [[False, True]]
    assert {folding["pe"] for folding in node.foldings()} == {1, 2}


def test_groups_of_a_matrix_that_are_refused() -> None:
    weights = np.ones((6, 4), np.int8)
    with pytest.raises(InputError, match=r"^groups of node 'm' must be a divisor of its 6 neurons, not 4$"):
        MatrixVector("m", weights, groups=4)
    with pytest.raises(
        InputError, match=r"^pe of node 'm' must be 1 to 2, the number of its neurons of a group, not 3$"
    ):
        MatrixVector("m", weights, pe=3, groups=3)


CLASSES = np.array([0, 1, 1, 0])


def classed(**options: object) -> MatrixVector:
    choice = {"positions": (2, 2), "position_classes": CLASSES, **options}
    return MatrixVector("m", SIGNS, **choice)  # type: ignore[arg-type]


def test_levels_by_class_of_position() -> None:
    node = classed(thresholds=np.array([[0, 1], [2, 4]]))
    assert (node.element, node.steps, node.latency) == (BIPOLAR, 24, MatrixVector("m", SIGNS).latency)
    assert str(classed(offsets=np.array([[0, 1], [-2, 4]])).element) == "int4"  # -5 to 7


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "position_classes of node 'm' must be None where it has no thresholds or offsets, not 'given'"),
        (
            {"position_classes": None, "offsets": np.zeros((2, 2), int)},
            "position_classes of node 'm' must be given where it has offsets, not None",
        ),
        (
            {"position_classes": None, "thresholds": np.zeros((2, 2), int)},
            r"thresholds shape of node 'm' must be \(2,\), not \(2, 2\)",
        ),
        ({"thresholds": np.array([1, 2])}, r"thresholds shape of node 'm' must be \(classes, 2\), not \(2,\)"),
        ({"thresholds": np.zeros((2, 3), int)}, r"thresholds shape of node 'm' must be \(classes, 2\), not \(2, 3\)"),
        ({"thresholds": np.zeros((2, 2), int) + 5}, r"thresholds of node 'm' must be 0 to 4, not \(5, 5\)"),
        ({"offsets": np.zeros((0, 2), int)}, r"offsets shape of node 'm' must be \(classes, 2\), not \(0, 2\)"),
        (
            {"offsets": np.zeros((2, 2), int), "thresholds": np.zeros((2, 2), int)},
            r"offsets of node 'm' must be None where it has thresholds, not \(2, 2\)",
        ),
        (
            {"offsets": np.zeros((2, 2), int), "position_classes": CLASSES[1:]},
            r"position_classes shape of node 'm' must be \(4,\), not \(3,\)",
        ),
        (
            {"offsets": np.zeros((2, 2), int), "position_classes": 2 * CLASSES},
            r"position_classes of node 'm' must be 0 to 1, not \(0, 2\)",
        ),
        (
            {"offsets": np.zeros((2, 2), int), "position_classes": CLASSES - 1},
            r"position_classes of node 'm' must be 0 to 1, not \(-1, 0\)",
        ),
        (
            {"offsets": np.full((2, 2), 2**62)},
            "Sums of node 'm' must be at most 63 bits wide, not 64",
        ),
    ],
)
def test_levels_that_are_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=rf"^{sentence}$"):
        classed(**options)


@pytest.mark.parametrize("positions", [(0, 2), [2, 2], 3, (2.0, 1)])
def test_positions_that_are_no_sizes_are_refused(positions: object) -> None:
    with pytest.raises(InputError, match=r"^positions of node 'm' must be positive sizes, not .+$"):
        MatrixVector("m", SIGNS, positions=positions)  # type: ignore[arg-type]


def test_sums_of_integers() -> None:
    assert str(MatrixVector("m", SIGNS, operand=Integer(8)).element) == "int11"  # -765 to 765
    assert str(MatrixVector("m", SIGNS, operand=Integer(4, signed=True)).element) == "int6"  # -24 to 24
    assert MatrixVector("m", SIGNS, np.array([1, 2]), operand=Integer(8)).element == BIPOLAR


@pytest.mark.parametrize(("low", "high"), [(-766, 0), (0, 767)])
def test_thresholds_beyond_the_sums_are_refused(low: int, high: int) -> None:
    MatrixVector("m", SIGNS, np.array([-765, 766]), operand=Integer(8))
    with pytest.raises(InputError, match=rf"^thresholds of node 'm' must be -765 to 766, not \({low}, {high}\)$"):
        MatrixVector("m", SIGNS, np.array([low, high]), operand=Integer(8))


def test_sums_that_are_too_wide_are_refused() -> None:
    MatrixVector("m", SIGNS, operand=Integer(60))
    with pytest.raises(InputError, match=r"^Sums of node 'm' must be at most 63 bits wide, not 64$"):
        MatrixVector("m", SIGNS, operand=Integer(61))
