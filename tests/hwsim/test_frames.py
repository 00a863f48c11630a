"""Frames in the shapes in which people have them."""

from dataclasses import replace

import numpy as np
import pytest

from dataflow import InputError, Network, Stream, Terminal
from hwsim import frames_for
from sim_tests.cases import dense_network


def network_for(frame_shape: tuple[int, ...]) -> Network:
    return replace(dense_network((12, 3, 2)), name="net", frame_shape=frame_shape)


@pytest.mark.parametrize("shape", [(5, 12), (5, 3, 4, 1), (5, 3, 4)])
def test_shapes_that_are_understood(shape: tuple[int, ...]) -> None:
    values = np.arange(60, dtype=np.uint8).reshape(shape)
    frames = frames_for(network_for((3, 4, 1)), values)
    assert frames.dtype == np.int64
    assert (frames == np.arange(60).reshape(5, 12)).all()


def test_bytes_are_pixels_where_a_network_takes_codes() -> None:
    codes = " ".join(str(255 - pixel) for pixel in range(256))
    network = replace(network_for((12,)), metadata={"codes_of_pixels": codes})
    pixels = np.arange(12, dtype=np.uint8)[None]
    assert (frames_for(network, pixels) == 255 - np.arange(12)).all()
    assert (frames_for(network, pixels.astype(np.int16)) == np.arange(12)).all()


def test_frames_are_copied() -> None:
    values = np.zeros((1, 12), np.int64)
    frames_for(network_for((12,)), values)[:] = 1
    assert not values.any()


@pytest.mark.parametrize("shape", [(12,), (5, 4, 3), (5, 11), (), (2, 3, 4, 2)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    sentence = (
        r"^Frames of network 'net' must have shape \(frames, 3, 4, 1\) or \(frames, 12\) or \(frames, 3, 4\), "
        rf"not \({', '.join(map(str, shape))},?\)$"
    )
    with pytest.raises(InputError, match=sentence):
        frames_for(network_for((3, 4, 1)), np.zeros(shape, np.uint8))


def test_no_frames_are_refused() -> None:
    with pytest.raises(InputError, match=r"^Frames of network 'net' must be at least one, not 0$"):
        frames_for(network_for((12,)), np.zeros((0, 12), np.uint8))


@pytest.mark.parametrize(("low", "high"), [(-1, 0), (0, 256)])
def test_numbers_out_of_range_are_refused(low: int, high: int) -> None:
    values = np.zeros((2, 12), np.int64)
    values[0, 0], values[1, 1] = low, high
    sentence = rf"^Frames of network 'net' must be within 0 to 255 \(uint8\), not {low} to {high}$"
    with pytest.raises(InputError, match=sentence):
        frames_for(network_for((12,)), values)


def test_numbers_beyond_int64_are_refused() -> None:
    sentence = r"^Frames of network 'net' must be within 0 to 255 \(uint8\), not 0 to 18446744073709551615$"
    with pytest.raises(InputError, match=sentence):
        frames_for(network_for((12,)), np.eye(2, 12, dtype=np.uint64) * np.uint64(2**64 - 1))


def test_floats_are_refused() -> None:
    with pytest.raises(TypeError, match=r"^Frames of network 'net' must be integers, not float64$"):
        frames_for(network_for((12,)), np.zeros((1, 12)))


def test_two_inputs_are_refused() -> None:
    network = network_for((12,))
    other = Terminal("other", Stream(network.inputs[0].stream.element, (1,)))
    two = replace(network, inputs=(*network.inputs, other))
    with pytest.raises(InputError, match=r"^Network 'net' must have one input to take frames, not 2$"):
        frames_for(two, np.zeros((1, 12), np.uint8))
