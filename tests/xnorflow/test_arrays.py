"""Frames in .npy files: conversions that leave no doubt, and remedies that work."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataflow import InputError, Integer, Network, save_network
from hwsim import predict
from sim_tests.cases import dense_network
from sim_tests.conv_cases import conv_network
from tests.xnorflow.command_line import run
from xnorflow.inputs import Frames, frames_of_input, raw_frames

RNG = np.random.default_rng(9)


def images(shape: tuple[int, int, int] = (8, 6, 3), **metadata: str) -> Network:
    network = conv_network(shape, (4,), kernel=(2, 2), stride=(2, 2), integers=True)
    return replace(network, name="net", frame_shape=shape, metadata=metadata)


def vectors(size: int, **metadata: str) -> Network:
    return replace(dense_network((size, 6, 4)), name="net", metadata=metadata)


def frames(network: Network, array: np.ndarray, folder: Path) -> Frames:
    np.save(folder / "x.npy", array)
    return frames_of_input(network, array=folder / "x.npy")


def pixels(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, np.uint8)


def test_channels_first_are_moved_last(tmp_path: Path) -> None:
    network, array = images(), pixels(5, 8, 6, 3)
    found = frames(network, array.transpose(0, 3, 1, 2), tmp_path)
    assert (found.values == array).all()
    note = "read with the channels first, (frames, 3, 8, 6); moved last, (frames, 8, 6, 3)"
    assert found.notes == (f"{tmp_path / 'x.npy'}: {note}",)


def test_channels_last_stay_where_they_are(tmp_path: Path) -> None:
    for shape in ((8, 6, 3), (3, 3, 3)):  # of the second, both orders have one shape: it is the documented one
        array = pixels(5, *shape)
        found = frames(images(shape), array, tmp_path)
        assert (found.values == array).all()
        assert found.notes == ()


def test_signals_with_channels_first_are_moved_last(tmp_path: Path) -> None:
    network = conv_network((1, 8, 3), (4,), kernel=(1, 2), stride=(1, 2), integers=True)
    network, array = replace(network, frame_shape=(8, 3)), pixels(5, 8, 3)
    found = frames(network, array.transpose(0, 2, 1), tmp_path)
    assert (found.values.reshape(5, 8, 3) == array).all()
    assert len(found.notes) == 1


@pytest.mark.parametrize("shape", [(4, 3), (1, 4, 3), (4, 3, 1)], ids=str)
def test_images_of_one_channel_are_read_as_vectors(shape: tuple[int, ...], tmp_path: Path) -> None:
    array = pixels(5, *shape)
    found = frames(vectors(12), array, tmp_path)
    assert (found.values == array.reshape(5, 12)).all()
    assert len(found.notes) == 1


QUOTIENTS: list[tuple[str, Callable[[np.ndarray], np.ndarray]]] = [
    ("float64", lambda x: x / 255),
    ("float32", lambda x: x.astype(np.float32) / np.float32(255)),
    ("float32-product", lambda x: x.astype(np.float32) * np.float32(1 / 255)),
    ("float32-of-float64", lambda x: (x / 255).astype(np.float32)),
]


@pytest.mark.parametrize("quotient", [each for _, each in QUOTIENTS], ids=[name for name, _ in QUOTIENTS])
def test_quotients_of_pixels_are_pixels(quotient: Callable[[np.ndarray], np.ndarray], tmp_path: Path) -> None:
    array = np.arange(256, dtype=np.uint8)[None]
    found = frames(vectors(256, input="uint8/255"), quotient(array), tmp_path)
    assert (found.values == array).all()
    assert found.notes == (f"{tmp_path / 'x.npy'}: floats read as pixels of 0 to 255, as the model takes them",)


def test_quotients_with_channels_first(tmp_path: Path) -> None:
    array = pixels(5, 8, 6, 3)
    found = frames(images(input="uint8/255"), np.float32(array.transpose(0, 3, 1, 2) / 255), tmp_path)
    assert (found.values == array).all()
    assert len(found.notes) == 2


def test_floats_of_a_model_that_takes_raw_pixels(tmp_path: Path) -> None:
    array = np.arange(256, dtype=np.uint8)[None]
    found = frames(vectors(256, input="uint8"), array.astype(np.float32), tmp_path)
    assert (found.values == array).all()


def test_quotients_become_the_codes_of_their_pixels(tmp_path: Path) -> None:
    codes = " ".join(str(255 - pixel) for pixel in range(256))
    network, array = vectors(12, input="quant", codes_of_pixels=codes), pixels(5, 12)
    assert (frames(network, np.float32(array / 255), tmp_path).values == 255 - array.astype(int)).all()


REFUSED: list[tuple[str, Network, np.ndarray, str, Callable[[np.ndarray], np.ndarray]]] = [
    (
        "whole floats",
        vectors(12, input="uint8/255"),
        np.full((2, 12), 37.0),
        "must hold pixels k/255 with k from 0 to 255, not 37.0 at [0, 0]: save array.astype(numpy.uint8)",
        lambda x: x.astype(np.uint8),
    ),
    (
        "normalized",
        vectors(12, input="uint8/255"),
        np.float32(pixels(2, 12)) / 127.5 - 2,
        "must hold pixels k/255 with k from 0 to 255, not VALUE at [0, 0]: "
        "save the images' own pixels as uint8, without a normalization",
        lambda x: np.rint((x + 2) * 127.5).astype(np.uint8),
    ),
    (
        "half precision",
        vectors(12, input="uint8/255"),
        np.full((2, 12), 100 / 255, np.float16),
        "must hold pixels k/255 with k from 0 to 255, not VALUE at [0, 0]: "
        "save the images' own pixels as uint8, without a normalization",
        lambda x: np.rint(x * 255).astype(np.uint8),
    ),
    (
        "not a number",
        vectors(12, input="uint8"),
        np.full((2, 12), np.nan),
        "must hold pixels of 0 to 255, not nan at [0, 0]: "
        "save the images' own pixels as uint8, without a normalization",
        lambda x: np.nan_to_num(x).astype(np.uint8),
    ),
    (
        "infinite",
        vectors(12, input="uint8"),
        np.full((2, 12), np.inf),
        "must hold pixels of 0 to 255, not inf at [0, 0]: "
        "save the images' own pixels as uint8, without a normalization",
        lambda x: np.where(np.isinf(x), 255, x).astype(np.uint8),
    ),
    (
        "codes",
        vectors(12, input="quant"),
        np.full((2, 12), 3.0),
        "must hold the integers 0 to 255 that network 'net' takes, not float64: save array.astype(numpy.uint8)",
        lambda x: x.astype(np.uint8),
    ),
    (
        "signed codes",
        replace(dense_network((12, 6, 4), element=Integer(4, signed=True)), name="net"),
        np.full((2, 12), -3.0),
        "must hold the integers -8 to 7 that network 'net' takes, not float64: save array.astype(numpy.int8)",
        lambda x: x.astype(np.int8),
    ),
    (
        "fractions",
        vectors(12),
        np.full((2, 12), 0.5),
        "must hold the integers 0 to 255 that network 'net' takes, not float64",
        lambda x: np.rint(x).astype(np.uint8),
    ),
]


@pytest.mark.parametrize(
    ("network", "array", "message", "remedy"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_floats_in_doubt_are_refused_with_a_remedy_that_works(
    network: Network, array: np.ndarray, message: str, remedy: Callable[[np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    text = re.escape(f"Input {str(tmp_path / 'x.npy')!r} {message}").replace("VALUE", r"-?[0-9.]+")
    with pytest.raises(InputError, match=rf"^{text}$"):
        frames(network, array, tmp_path)
    assert len(frames(network, remedy(array), tmp_path)) == 2


def test_images_of_several_channels_are_no_vectors(tmp_path: Path) -> None:
    network, array = vectors(144), pixels(5, 3, 8, 6)
    with pytest.raises(
        InputError, match=r"^Frames of network 'net' must have shape \(frames, 144\), not \(5, 3, 8, 6\)"
    ):
        frames(network, array, tmp_path)
    assert len(frames(network, array.reshape(5, -1), tmp_path)) == 5


def raw(array: np.ndarray, folder: Path) -> Any:
    np.save(folder / "x.npy", array)
    return raw_frames(array=folder / "x.npy")


@pytest.mark.parametrize(
    ("array", "message", "remedy"),
    [
        (
            np.zeros((2, 12), np.float32),
            "must hold integers without --net, not float32: name the board's network with --net",
            None,
        ),
        (
            pixels(5, 3, 8, 6),
            "must have the channels last without --net, not the shape (5, 3, 8, 6): name the board's network "
            "with --net, or save array.transpose(0, 2, 3, 1)",
            lambda x: x.transpose(0, 2, 3, 1),
        ),
    ],
    ids=["floats", "channels first"],
)
def test_without_a_network_nothing_is_guessed(
    array: np.ndarray, message: str, remedy: Callable[[np.ndarray], np.ndarray] | None, tmp_path: Path
) -> None:
    text = re.escape(f"Input {str(tmp_path / 'x.npy')!r} {message}")
    with pytest.raises(InputError, match=rf"^{text}$"):
        raw(array, tmp_path)
    network = images() if array.ndim == 4 else vectors(12, input="uint8/255")
    assert len(frames(network, array, tmp_path)) == len(array)  # the remedy --net
    if remedy is not None:
        assert raw(remedy(array), tmp_path).values.shape == (5, 8, 6, 3)


@pytest.mark.long
@pytest.mark.parametrize("command", [("simulate",), ("verify", "--simulator", "amaranth")], ids=["simulate", "verify"])
def test_commands_say_what_was_done(
    command: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    network, array = images(input="uint8/255"), pixels(2, 8, 6, 3)
    save_network(network, tmp_path / "net.xnf")
    np.save(tmp_path / "x.npy", np.float32(array.transpose(0, 3, 1, 2) / 255))
    outputs = ("--outputs", tmp_path / "out.npz") if command[0] == "simulate" else ()
    assert run(*command, tmp_path / "net.xnf", "--input", tmp_path / "x.npy", *outputs) == 0
    error = capfd.readouterr().err
    assert "floats read as pixels of 0 to 255" in error
    assert "moved last, (frames, 8, 6, 3)" in error
    if outputs:
        with np.load(tmp_path / "out.npz") as saved:
            assert (saved["scores"] == predict(network, array.astype(np.int64)).scores).all()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        b"PK\x03\x04 no archive",
        np.lib.format.MAGIC_PREFIX + b"\x01\x00\x06\x00{'a': ",
        np.lib.format.MAGIC_PREFIX + b"\x01\x00\x04\x00{[}\n",
    ],
    ids=["empty", "text", "archive", "header that ends", "header that is no literal"],
)
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    text = re.escape(f"Input {str(tmp_path / 'x.npy')!r} must be a complete .npy file of numbers, not another file")
    with pytest.raises(InputError, match=rf"^{text}$"):
        raw_frames(array=tmp_path / "x.npy")
