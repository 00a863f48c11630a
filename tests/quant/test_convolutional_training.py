"""Training of convolutional networks: it learns, is reproducible, and interruptions change nothing."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from dataflow import InputError
from quant import datasets
from quant._fitting import STATE, TrainingRun
from quant.evaluation import predictions, scores_of_network
from quant.oracle import scores_of_qonnx
from quant.recipes import ConvolutionalRecipe, DenseRecipe
from quant.training import TrainingResult, load_checkpoint, train

pytestmark = pytest.mark.train

TINY = ConvolutionalRecipe(
    name="tiny",
    dataset="mnist-sample",
    hidden=(),
    epochs=3,
    batch_size=50,
    shift=1,
    validation=200,
    seed=3,
    convolutions=(6, "P", 8, "P"),
    input_bits=1,
    precision="bf16-mixed",
)
COLOURS = ConvolutionalRecipe(
    name="colours",
    dataset="cifar10",
    hidden=(16,),
    epochs=6,
    batch_size=20,
    shift=4,
    seed=1,
    convolutions=(8, "P", 12, "P", 16),
    padding="zero",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """An uninterrupted run."""
    return train(TINY, out=tmp_path_factory.mktemp("whole"), progress=False)


@pytest.fixture
def _no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the export, which takes seconds and depends only on the checkpoint's weights."""
    monkeypatch.setattr("quant.training.export", lambda network, frame_shape, path: path.touch())


def state_of(result: TrainingResult) -> dict[str, Any]:
    """Return a checkpoint's tensors as bytes, so that == compares every bit, and its history."""
    checkpoint = torch.load(result.checkpoint, weights_only=True)
    tensors = {name: tensor.numpy().tobytes() for name, tensor in checkpoint["state_dict"].items()}
    moments = {
        (index, name): tensor.numpy().tobytes()
        for index, state in checkpoint["optimizer_states"][0]["state"].items()
        for name, tensor in state.items()
    }
    return {"tensors": tensors, "moments": moments, "history": checkpoint[STATE]["history"]}


def losses_of(result: TrainingResult) -> list[float]:
    return [entry["loss"] for entry in result.metrics["history"]]


def write_colours(folder: Path, *, count: int) -> None:
    """Write a small CIFAR-10 of noise around a colour that depends on the label."""
    random = np.random.default_rng(0)
    colours = random.integers(0, 256, (10, 3, 1, 1))
    folder.mkdir()
    for name in (*(f"data_batch_{index}.bin" for index in range(1, 6)), "test_batch.bin"):
        labels = random.permutation(np.arange(count) % 10)
        images = np.clip(colours[labels] + random.integers(-40, 41, (count, 3, 32, 32)), 0, 255)
        records = np.concatenate([labels[:, None], images.reshape(count, -1)], axis=1).astype(np.uint8)
        (folder / name).write_bytes(records.tobytes())


def test_a_short_run_is_better_than_chance(whole: TrainingResult) -> None:
    losses = losses_of(whole)
    assert losses == sorted(losses, reverse=True)
    assert whole.accuracy > 0.4
    assert whole.metrics["recipe"] == TINY.to_dict()


def test_checkpoint_and_model_file_are_the_network_that_was_measured(whole: TrainingResult) -> None:
    test = datasets.load("mnist-sample", "test")
    recipe, network = load_checkpoint(whole.checkpoint)
    assert recipe == TINY
    scores = scores_of_network(network, test.images)
    assert (predictions(scores) == test.labels).mean() == whole.accuracy
    np.testing.assert_allclose(scores_of_qonnx(whole.model, test.images), scores, rtol=0, atol=1e-5)
    kinds = {node.name: node.op_type for node in onnx.load(whole.model).graph.node}
    assert [name for name, kind in kinds.items() if kind in {"Conv", "Gemm"}] == ["conv0", "conv1", "fc0"]


@pytest.mark.usefixtures("_no_export")
@pytest.mark.slow
@pytest.mark.parametrize("epoch", [0, 2])
def test_an_interrupted_run_continues_to_the_same_result(
    epoch: int, whole: TrainingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = TrainingRun.training_step

    def interrupted_step(run: TrainingRun, batch: tuple[torch.Tensor, torch.Tensor], index: int) -> torch.Tensor:
        if (run.current_epoch, index) == (epoch, 5):
            raise KeyboardInterrupt
        return step(run, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "training_step", interrupted_step)
        with pytest.raises(KeyboardInterrupt):
            train(TINY, out=tmp_path, progress=False)
    again = train(TINY, out=tmp_path, resume=True, progress=False)
    assert state_of(again) == state_of(whole)
    assert again.accuracy == whole.accuracy


@pytest.mark.usefixtures("_no_export")
def test_colour_images_of_8_bits_are_learned(tmp_path: Path) -> None:
    write_colours(tmp_path / "cifar10", count=60)
    result = train(COLOURS, data=tmp_path, out=tmp_path / "out", progress=False)
    losses = losses_of(result)
    assert losses[-1] < 0.6 * losses[0]
    assert result.accuracy > 0.5
    assert result.metrics["test_frames"] == 60


def test_a_run_of_another_kind_is_not_resumed(whole: TrainingResult) -> None:
    dense = DenseRecipe(name="tiny", dataset="mnist-sample", hidden=(8,), epochs=4)
    folder = re.escape(str(whole.model.parent))
    rule = rf"^Network of the run to resume in '{folder}' must be convolutional as before, not dense$"
    with pytest.raises(InputError, match=rule):
        train(dense, out=whole.model.parent, resume=True, progress=False)
    rule = rf"^convolutions of the run to resume in '{folder}' must be \[6, 'P', 8, 'P'\] as before, not \[6, 'P'\]$"
    with pytest.raises(InputError, match=rule):
        train(replace(TINY, convolutions=(6, "P")), out=whole.model.parent, resume=True, progress=False)


def test_images_too_small_for_the_layers_leave_no_folder(tmp_path: Path) -> None:
    deep = replace(TINY, convolutions=(4, "P", 4, "P", 4, "P", 4))
    rule = r"^Input of 'conv3' must be at least 3 x 3 pixels with its padding, not 1 x 1$"
    with pytest.raises(InputError, match=rule):
        train(deep, out=tmp_path / "out", progress=False)
    assert list(tmp_path.iterdir()) == []
