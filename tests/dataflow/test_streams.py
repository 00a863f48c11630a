"""Streams, beats and words on the wires."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow import BIPOLAR, InputError, Integer, Stream, beats_of, frames_of, values_of_words, words_of

PIXELS = Stream(Integer(8), (2, 3, 4), 2)


def test_sizes() -> None:
    assert (PIXELS.size, PIXELS.beats, PIXELS.width, str(PIXELS)) == (24, 12, 16, "uint8 2x3x4, 2 at once")


@pytest.mark.parametrize("shape", [(), (0,), (3, -1), (2.0,), (True,), [4], "4"])
def test_other_shapes_are_refused(shape: object) -> None:
    with pytest.raises(InputError, match=r"^Stream shape must be positive sizes, not .+$"):
        Stream(BIPOLAR, shape)  # type: ignore[arg-type]


@pytest.mark.parametrize("lanes", [0, -2, 5, 8, 2.0, True])
def test_other_lanes_are_refused(lanes: object) -> None:
    with pytest.raises(InputError, match=rf"^Stream lanes must be 1 to 4, the channels of a vector, not {lanes!r}$"):
        Stream(BIPOLAR, (3, 4), lanes)  # type: ignore[arg-type]


def test_beats_travel_in_height_width_channel_order() -> None:
    beats = beats_of(np.arange(48).reshape(2, 2, 3, 4), PIXELS)
    assert beats.shape == (24, 2)
    assert beats[:3].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert beats[12].tolist() == [24, 25]


def test_a_vector_begins_with_a_new_beat_and_inert_lanes_carry_0() -> None:
    stream = Stream(Integer(8), (2, 5), 3)
    assert (stream.size, stream.beats, stream.vector_beats, stream.inert) == (10, 4, 2, 1)
    beats = beats_of(np.arange(1, 21).reshape(2, 2, 5), stream)
    assert beats.tolist()[:5] == [[1, 2, 3], [4, 5, 0], [6, 7, 8], [9, 10, 0], [11, 12, 13]]
    assert words_of(beats, stream)[1] == 0x0504
    np.testing.assert_array_equal(frames_of(beats, stream), np.arange(1, 21).reshape(2, 2, 5))
    assert frames_of(beats[:-1], stream).shape == (1, 2, 5)


def test_channels_may_be_cut_into_parts() -> None:
    stream = Stream(Integer(8), (6,), 2, parts=2)
    assert (stream.vector, stream.beats, str(stream)) == (3, 4, "uint8 6, 2 at once of every 3")
    beats = beats_of(np.arange(1, 7)[None], stream)
    assert beats.tolist() == [[1, 2], [3, 0], [4, 5], [6, 0]]
    np.testing.assert_array_equal(frames_of(beats, stream), [[1, 2, 3, 4, 5, 6]])


@pytest.mark.parametrize("parts", [0, 4, 7, 2.0, True])
def test_other_parts_are_refused(parts: object) -> None:
    with pytest.raises(InputError, match=rf"^Stream parts must divide the 6 channels, not {parts!r}$"):
        Stream(BIPOLAR, (6,), 1, parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "lanes", "parts", "same"),
    [
        ((2, 6), 2, 1, True),
        ((12,), 2, 1, True),  # flattened, with no lane inert
        ((2, 6), 4, 1, False),
        ((2, 6), 2, 2, False),  # two vectors of three in a pixel
        ((14,), 2, 1, False),
    ],
)
def test_streams_have_the_same_beats(shape: tuple[int, ...], lanes: int, parts: int, same: bool) -> None:
    assert Stream(BIPOLAR, (2, 6), 2).has_beats_of(Stream(Integer(8), shape, lanes, parts)) == same


def test_flattened_vectors_with_inert_lanes_are_other_beats() -> None:
    assert not Stream(BIPOLAR, (2, 5), 2).has_beats_of(Stream(BIPOLAR, (10,), 2))
    assert not Stream(BIPOLAR, (10,), 2).has_beats_of(Stream(BIPOLAR, (2, 5), 2))


def test_an_unfinished_frame_is_left_out() -> None:
    values = np.arange(48).reshape(2, 2, 3, 4)
    beats = beats_of(values, PIXELS)
    assert (frames_of(beats, PIXELS) == values).all()
    assert frames_of(beats[:-1], PIXELS).shape == (1, 2, 3, 4)
    assert frames_of(beats[:3], PIXELS).shape == (0, 2, 3, 4)


def test_channel_0_is_in_the_lowest_bits() -> None:
    assert words_of(np.array([[0x12, 0xFE]]), PIXELS) == [0xFE12]
    assert words_of(np.array([[-1, 2, -4]]), Stream(Integer(3, signed=True), (3,), 3)) == [0b100_010_111]
    assert words_of(np.array([[1, 0, 0, 1]]), Stream(BIPOLAR, (4,), 4)) == [0b1001]


@st.composite
def streams_and_beats(draw: st.DrawFn) -> tuple[Stream, np.ndarray]:
    element = draw(st.just(BIPOLAR) | st.builds(Integer, st.integers(1, 63), signed=st.booleans()))
    lanes = draw(st.integers(1, 70))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    beats = rng.integers(element.minimum, element.maximum, (draw(st.integers(0, 5)), lanes), endpoint=True)
    return Stream(element, (lanes,), lanes), beats


@given(streams_and_beats())
def test_words_give_the_beats_back(drawn: tuple[Stream, np.ndarray]) -> None:
    stream, beats = drawn
    words = words_of(beats, stream)
    assert all(0 <= word < 1 << stream.width for word in words)
    back = values_of_words(words, stream)
    assert back.dtype == np.int64
    assert (back == beats).all()


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match=r"^Beats must be within 0 to 255 \(uint8\), not 3 to 256$"):
        words_of(np.array([[3, 256]]), PIXELS)
