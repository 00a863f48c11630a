"""The accuracy that a network remembers: from the card or the metrics beside its model, and only of that model."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import zoo
from dataflow import InputError, load, save_network
from sim_tests.cases import dense_network
from xnorflow import fold
from xnorflow.accuracy import Accuracy, accuracy_of, recorded_accuracy, with_accuracy
from xnorflow.networks import open_network

TFC = Accuracy(0.956, 10_000, "mnist")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copy(zoo.path("tfc-w1a1") / "model.onnx", tmp_path / "model.onnx"))


def write_metrics(model: Path, **changes: object) -> None:
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    metrics = {"accuracy": 0.956, "test_frames": 10_000, "data": {"name": "mnist"}, "sha256": digest, **changes}
    (model.parent / "metrics.json").write_text(json.dumps(metrics), "utf-8")


@pytest.mark.long
def test_a_network_of_the_zoo_and_its_foldings_keep_that_of_the_card(tmp_path: Path) -> None:
    network = open_network("tfc-w1a1")
    assert accuracy_of(network) == TFC
    assert str(TFC) == "accuracy 95.60 % of 10,000 test images of mnist"
    save_network(fold(network, config=_config(tmp_path)), tmp_path / "net.xnf")
    assert accuracy_of(load(tmp_path / "net.xnf")) == TFC


def _config(folder: Path) -> Path:
    path = folder / "fold.toml"
    path.write_text("[nodes.fc0]\npe = 8\nsimd = 28\n", "utf-8")
    return path


def test_a_training_tells_it_in_its_metrics(model: Path) -> None:
    assert recorded_accuracy(model) is None
    write_metrics(model)
    assert recorded_accuracy(model) == accuracy_of(open_network(model.parent)) == TFC


def test_of_another_model_nothing_is_said(model: Path) -> None:
    write_metrics(model, sha256="0" * 64)
    assert recorded_accuracy(model) is None
    shutil.copy(zoo.path("tfc-w1a1") / "card.toml", model.parent)
    assert recorded_accuracy(model) == TFC
    shutil.copy(zoo.path("sfc-w1a1") / "card.toml", model.parent)
    assert recorded_accuracy(model) is None


@pytest.mark.parametrize("accuracy", [1.5, "most", None, float("nan")])
def test_what_is_no_accuracy_is_not_told(model: Path, accuracy: object) -> None:
    write_metrics(model, accuracy=accuracy)
    assert recorded_accuracy(model) is None


@pytest.mark.parametrize("text", ["[]", "{", '{"share": 2, "frames": 9, "dataset": "x"}', '{"share": 0.5}', "[" * 9999])
def test_a_damaged_one_is_refused(text: str) -> None:
    network = with_accuracy(dense_network((6, 4)), Accuracy(0.5, 10, "mine"))
    assert accuracy_of(network) == Accuracy(0.5, 10, "mine")
    damaged = replace(network, metadata={**network.metadata, "accuracy": text})
    with pytest.raises(InputError, match=r"^Accuracy"):
        accuracy_of(damaged)


@pytest.mark.parametrize(
    ("frames", "text"), [(10, "33 %"), (1_000, "33.3 %"), (10_000, "33.33 %"), (5_000_000, "33.33 %")]
)
def test_percent_has_the_digits_that_the_images_give(frames: int, text: str) -> None:
    assert Accuracy(1 / 3, frames, "mine").percent == text
