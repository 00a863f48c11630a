"""Images that do not fit a convolutional network: one sentence from every command that reads them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataflow import save_network
from sim_tests.cases import dense_network
from sim_tests.conv_cases import conv_network
from xnorflow.__main__ import main

RULE = "Frames of network 'conv' must have shape (frames, 32, 32, 3) or (frames, 3072), not"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a network of images like CIFAR-10's."""
    path = tmp_path_factory.mktemp("images") / "conv.xnf"
    network = conv_network((32, 32, 3), (4,), kernel=(8, 8), stride=(8, 8), integers=True)
    save_network(replace(network, name="conv"), path)
    return path


def error_of(capfd: pytest.CaptureFixture[str], *args: object) -> str:
    with pytest.raises(SystemExit) as stop:
        main([str(arg) for arg in args])
    assert stop.value.code == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    return captured.err


@pytest.mark.parametrize("command", ["simulate", "verify"])
@pytest.mark.parametrize(
    "shape",
    [(5, 28, 28, 3), (5, 32, 32, 1), (5, 32, 32), (5, 3, 28, 28), (32, 32, 3), (5, 784), (5, 1024, 3)],
    ids=lambda shape: "x".join(map(str, shape)),
)
def test_an_array_of_other_images_is_refused(
    command: str, shape: tuple[int, ...], images: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "frames.npy", np.zeros(shape, np.uint8))
    error = error_of(capfd, command, images, "--input", tmp_path / "frames.npy")
    assert error == f"error: {RULE} {shape}\n"


@pytest.mark.parametrize("command", ["simulate", "verify"])
def test_a_number_is_refused(command: str, images: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "number.npy"
    np.save(path, np.array(3))
    error = error_of(capfd, command, images, "--input", path)
    assert error == f"error: Input {str(path)!r} must hold frames, not a single number\n"


@pytest.mark.parametrize(("command", "count"), [("simulate", 500), ("verify", 3)])
def test_a_data_set_of_other_images_is_refused(
    command: str, count: int, images: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    error = error_of(capfd, command, images, "--dataset", "mnist-sample", "--frames", count)
    assert error == f"error: {RULE} ({count}, 28, 28, 1)\n"


@pytest.mark.parametrize("command", ["simulate", "verify"])
def test_a_data_set_of_other_sizes_than_a_vector_is_refused(
    command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    save_network(dense_network((12, 6, 4)), tmp_path / "net.xnf")
    error = error_of(capfd, command, tmp_path / "net.xnf", "--dataset", "mnist-sample", "--frames", 3)
    assert error == "error: Frames of network 'dense-12-6-4' must have shape (frames, 12), not (3, 784)\n"
