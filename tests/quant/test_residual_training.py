"""Training of residual networks: it learns, and interruptions change nothing."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from dataflow import InputError
from quant import datasets
from quant._fitting import STATE
from quant.evaluation import predictions, scores_of_network
from quant.recipes import DenseRecipe, ResidualRecipe
from quant.training import TrainingResult, load_checkpoint, train
from tests.quant.interruption import interrupted

pytestmark = pytest.mark.train

TINY = ResidualRecipe(
    name="tiny",
    dataset="mnist-sample",
    epochs=2,
    batch_size=20,
    shift=1,
    validation=200,
    seed=3,
    widths=(4, 8),
    depth=1,
    learning_rate=0.02,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """An uninterrupted run."""
    return train(TINY, out=tmp_path_factory.mktemp("whole"), progress=False)


def state_of(result: TrainingResult) -> dict[str, Any]:
    """Return the weights as bytes, and what else a checkpoint has beside clock and folder."""
    checkpoint = torch.load(result.checkpoint, weights_only=True)
    del checkpoint[STATE]["seconds"]
    weights = {name: tensor.numpy().tobytes() for name, tensor in checkpoint["state_dict"].items()}
    return {"weights": weights, STATE: checkpoint[STATE]}


def test_a_short_run_is_better_than_chance(whole: TrainingResult) -> None:
    losses = [entry["loss"] for entry in whole.metrics["history"]]
    assert losses == sorted(losses, reverse=True)
    assert whole.accuracy > 0.25
    assert whole.metrics["recipe"] == TINY.to_dict()


def test_checkpoint_and_model_file_are_the_network_that_was_measured(whole: TrainingResult) -> None:
    test = datasets.load("mnist-sample", "test")
    recipe, network = load_checkpoint(whole.checkpoint)
    assert recipe == TINY
    assert (predictions(scores_of_network(network, test.images)) == test.labels).mean() == whole.accuracy
    kinds = {node.name: node.op_type for node in onnx.load(whole.model).graph.node}
    assert [name for name, kind in kinds.items() if kind in {"Conv", "Gemm"}] == [
        *("stem.conv", "block0.conv", "block1.conv", "fc")
    ]


@pytest.mark.slow
def test_an_interrupted_run_continues_to_the_same_result(
    whole: TrainingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quant.training.export", lambda network, frame_shape, path: path.touch())
    with interrupted(1, 5):
        train(TINY, out=tmp_path, progress=False)
    again = train(TINY, out=tmp_path, resume=True, progress=False)
    assert state_of(again) == state_of(whole)


def test_a_run_of_another_kind_is_not_resumed(whole: TrainingResult) -> None:
    folder = re.escape(str(whole.model.parent))
    rule = rf"^Network of the run to resume in '{folder}' must be residual as before, not dense$"
    with pytest.raises(InputError, match=rule):
        train(
            DenseRecipe(name="tiny", dataset="mnist-sample", hidden=(8,), epochs=3),
            out=whole.model.parent,
            resume=True,
            progress=False,
        )
    rule = rf"^after of the run to resume in '{folder}' must be 'hardtanh' as before, not 'prelu'$"
    with pytest.raises(InputError, match=rule):
        train(replace(TINY, after="prelu"), out=whole.model.parent, resume=True, progress=False)
