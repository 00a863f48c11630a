"""Every method trains, exports, lowers, and gives the same predictions at each step; so does one of a user."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import hwsim
from dataflow import InputError
from quant import datasets
from quant._fitting import TrainingRun
from quant.evaluation import predictions, scores_of_network
from quant.lowering import lower
from quant.methods import METHODS, BinaryConv2d, Shared, load, shared_of
from quant.oracle import scores_of_qonnx
from quant.recipes import ConvolutionalRecipe, DenseRecipe, Recipe, ResidualRecipe
from quant.training import load_checkpoint, train

pytestmark = pytest.mark.train

OWN = f"{Path(__file__).parent / 'my_methods.py'}:Triangle"
NAMES = [*METHODS, OWN]
#: Methods with stages, a shared classifier, other activations, and a user's own.
REPRESENTATIVES = {"biper", "bbc", "dorefa", OWN}
COMMON = {"dataset": "mnist-sample", "epochs": 2, "batch_size": 100}


def assert_trained_exported_and_lowered(recipe: Recipe, folder: Path) -> None:
    parts = [datasets.load("mnist-sample", split) for split in ("train", "test")]
    result = train(recipe, data=(parts[0].head(600), parts[1].head(100)), out=folder / "run", progress=False)
    losses = [epoch["loss"] for epoch in result.metrics["history"]]
    assert np.isfinite(losses).all()
    images = parts[1].images[:100]
    expected = predictions(scores_of_qonnx(result.model, images))
    _, network = load_checkpoint(result.checkpoint)
    np.testing.assert_array_equal(predictions(scores_of_network(network, images)), expected)
    np.testing.assert_array_equal(hwsim.predict(lower(result.model), images).predictions, expected)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, id=name.rpartition(":")[2], marks=[] if name in REPRESENTATIVES else [pytest.mark.slow])
        for name in NAMES
    ],
)
def test_dense_networks(name: str, tmp_path: Path) -> None:
    recipe = DenseRecipe(name="dense", hidden=(12, 9), method=name, **COMMON)
    assert_trained_exported_and_lowered(recipe, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES[::2], ids=lambda name: name.rpartition(":")[2])
def test_convolutional_networks(name: str, tmp_path: Path) -> None:
    recipe = ConvolutionalRecipe(name="conv", hidden=(8,), convolutions=(4, "P", 6), method=name, **COMMON)
    assert_trained_exported_and_lowered(recipe, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["react", "e2fif", "biper"])
def test_residual_networks(name: str, tmp_path: Path) -> None:
    recipe = ResidualRecipe(name="residual", widths=(4, 8), depth=1, after="method", method=name, **COMMON)
    assert_trained_exported_and_lowered(recipe, tmp_path)


@pytest.mark.parametrize(
    ("name", "options"),
    [("flw", {"wiring": "twice"}), pytest.param("fda", {"noise": 0.1}, marks=pytest.mark.slow)],
    ids=["flw", "fda"],
)
def test_what_only_training_has_is_stored_and_not_exported(
    name: str, options: dict[str, object], tmp_path: Path
) -> None:
    recipe = DenseRecipe(name="dense", hidden=(12, 9), method=name, options=options, **COMMON)
    assert_trained_exported_and_lowered(recipe, tmp_path)
    _, network = load_checkpoint(tmp_path / "run" / "checkpoint.ckpt")
    stored = {key for key, _ in network.named_parameters()}
    assert {"flw": "norm0.second.weight", "fda": "sign0.noise_first"}[name] in stored
    graph = onnx.load(tmp_path / "run" / "model.onnx").graph
    names = " ".join(each.name for each in (*graph.node, *graph.initializer))
    assert "norm0" in names
    assert not any(part in names for part in ("second", "noise"))


def test_a_checkpoint_keeps_the_name_of_a_method_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quant.training.export", lambda network, frame_shape, path: path.touch())
    (tmp_path / "mine.py").write_text(Path(OWN.rpartition(":")[0]).read_text())
    monkeypatch.chdir(tmp_path)
    recipe = DenseRecipe(
        name="dense", hidden=(6,), method="mine.py:Triangle", options={"last": 1.0}, **{**COMMON, "epochs": 1}
    )
    result = train(recipe, out="run", progress=False)
    stored, network = load_checkpoint(result.checkpoint)
    assert stored.method == result.metrics["recipe"]["method"] == "mine.py:Triangle"
    assert shared_of(network).method.to_dict() == {"first": 2.0, "last": 1.0}


def test_constants_come_from_options() -> None:
    assert load("irnet", {"first": 1}) == load("irnet", {"first": 1.0})
    assert load(OWN, {"last": 1.0}).to_dict() == {"first": 2.0, "last": 1.0}


@pytest.mark.parametrize(
    ("name", "options", "rule"),
    [
        ("irnte", {}, r"Method must be one of .*, not 'irnte' \(did you mean 'irnet'\?\)"),
        ("irnet", {"fist": 1}, r"Option of method 'irnet' must be one of first, last, not 'fist' .*"),
        ("irnet", {"first": "low"}, r"first of method 'irnet' must be a float, not 'low'"),
        ("irnet", {"first": True}, r"first of method 'irnet' must be a float, not True"),
        ("irnet", {"first": float("nan")}, r"first of method 'irnet' must be a finite number, not nan"),
        ("irnet", {"first": -1.0}, r"first of method 'irnet' must be above 0, not -1.0"),
        ("irnet", {"last": 1e-9}, r"last of method 'irnet' must be at least first, 0.001, not 1e-09"),
        ("recu", {"first": 0.4}, r"first of method 'recu' must be above 0.5 and less than 1, not 0.4"),
        ("biper", {"frequency": 0.0}, r"frequency of method 'biper' must be above 0, not 0.0"),
        ("biper", {"first_share": 1.0}, r"first_share of method 'biper' must be above 0 and less than 1, not 1.0"),
        ("bbc", {"hidden": -1}, r"hidden of method 'bbc' must be from 0 to 10000, not -1"),
        ("fda", {"terms": 0}, r"terms of method 'fda' must be from 1 to 1000, not 0"),
        ("flw", {"wiring": "B"}, r"wiring of method 'flw' must be 'mixed', 'gradient', 'balanced' or 'twice', not 'B'"),
        ("flw", {"divergence": -1.0}, r"divergence of method 'flw' must be at least 0, not -1.0"),
        ("fda", {"noise": 2.0}, r"noise of method 'fda' must be from 0 to 1, not 2.0"),
        ("fda", {"end": 0.0}, r"end of method 'fda' must be above 0 and at most 1, not 0.0"),
        ("fda", {"bottleneck": 0}, r"bottleneck of method 'fda' must be at least 1, not 0"),
        (
            "repairs",
            {"feature_binarizer": "tanh"},
            r"feature_binarizer of method 'repairs' must be 'clipped', 'polynomial' or 'steeper', not 'tanh'",
        ),
        (
            "repairs",
            {"feature_normalization": "layer"},
            r"feature_normalization of method 'repairs' must be 'none', 'shift', 'batch' or 'frame', not 'layer'",
        ),
        ("flw", {"first": 1.5}, r"first of method 'flw' must be from 0 to 1, not 1.5"),
        ("flw", {"end": 0.0}, r"end of method 'flw' must be above 0 and at most 1, not 0.0"),
        ("e2fif", {"slope": -0.5}, r"slope of method 'e2fif' must be from 0 to 1, not -0.5"),
        ("fda", {"omega": 0.0}, r"omega of method 'fda' must be above 0, not 0.0"),
        ("recu", {"last": 1.0}, r"last of method 'recu' must be at least first, 0.85, and less than 1, not 1.0"),
        ("biper", {"phase": -1.0}, r"phase of method 'biper' must be at least 0, not -1.0"),
        ("biper", {"regularization": -1.0}, r"regularization of method 'biper' must be at least 0, not -1.0"),
        ("ctmq", {"cycles": 0}, r"cycles of method 'ctmq' must be from 1 to 100, not 0"),
        ("ctmq", {"bits": 1}, r"bits of method 'ctmq' must be from 2 to 8, not 1"),
        ("react", {"first_share": 1.0}, r"first_share of method 'react' must be at least 0 and less than 1, not 1.0"),
        ("none.py:Mine", {}, r"File of method 'none.py:Mine' must exist, which 'none.py' does not"),
        (f"{__file__}:OWN", {}, r"Class of method '.*:OWN' must be a dataclass derived from quant.methods.Method"),
        (OWN, {"last": 3.0}, r"last of method 'triangle' must be above 0 and at most first, 2.0, not 3.0"),
    ],
)
def test_bad_methods_are_refused(name: str, options: dict[str, object], rule: str) -> None:
    with pytest.raises(InputError, match=f"^{rule}$"):
        load(name, options)


def test_a_file_that_does_not_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("1 / 0\n")
    with pytest.raises(InputError, match=r"^File of method '.*' must run, not end in ZeroDivisionError: .*$"):
        load(f"{tmp_path / 'mine.py'}:Mine")


@pytest.mark.parametrize("name", ["irnet", "recu"])
def test_one_weight_has_no_deviation(name: str) -> None:
    rule = f"Weights of a channel in a layer of method '{name}' must be 2 or more, not 1"
    with pytest.raises(InputError, match=f"^{rule}$"):
        BinaryConv2d(3, 3, 1, groups=3, shared=Shared(load(name)))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_training_with_a_classifier_continues_to_the_same_result(
    optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quant.training.export", lambda network, frame_shape, path: path.touch())
    recipe = DenseRecipe(name="dense", hidden=(6,), method="bbc", optimizer=optimizer, learning_rate=0.01, **COMMON)
    whole = train(recipe, out=tmp_path / "whole", progress=False)
    saved = TrainingRun.on_train_epoch_start

    def interrupted(run: TrainingRun) -> None:
        if run.current_epoch == 1:
            raise KeyboardInterrupt
        saved(run)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "on_train_epoch_start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, out=tmp_path / "parts", progress=False)
    parts = train(recipe, out=tmp_path / "parts", resume=True, progress=False)
    states = [torch.load(result.checkpoint, weights_only=True) for result in (whole, parts)]
    assert len(states[0]["optimizer_states"][0]["param_groups"]) == 3
    for key in states[0]["state_dict"]:
        assert torch.equal(*(state["state_dict"][key] for state in states)), key
    moments = [state["optimizer_states"][0]["state"] for state in states]
    assert moments[0].keys() == moments[1].keys()
    for index, entries in moments[0].items():
        for key, value in entries.items():
            assert torch.equal(value, moments[1][index][key])
