"""Every method trains, exports, lowers, and gives the same predictions at each step; so does one of a user."""

from pathlib import Path

import numpy as np
import pytest

import hwsim
from dataflow import InputError
from quant import datasets
from quant.evaluation import predictions
from quant.lowering import lower
from quant.methods import METHODS, load
from quant.oracle import scores_of_qonnx
from quant.recipes import ConvolutionalRecipe, Recipe, ResidualRecipe
from quant.training import train

pytestmark = pytest.mark.train

OWN = f"{Path(__file__).parent / 'my_methods.py'}:Triangle"
NAMES = [*METHODS, OWN]
#: Methods with stages, a shared classifier, other activations, and a user's own.
REPRESENTATIVES = {"biper", "bbc", "dorefa", OWN}
COMMON = {"dataset": "mnist-sample", "epochs": 2, "batch_size": 250}


def assert_trained_exported_and_lowered(recipe: Recipe, folder: Path) -> None:
    result = train(recipe, out=folder / "run", progress=False)
    losses = [epoch["loss"] for epoch in result.metrics["history"]]
    assert np.isfinite(losses).all()
    images = datasets.load("mnist-sample", "test").images[:100]
    expected = predictions(scores_of_qonnx(result.model, images))
    np.testing.assert_array_equal(hwsim.predict(lower(result.model), images).predictions, expected)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, id=name.rpartition(":")[2], marks=[] if name in REPRESENTATIVES else [pytest.mark.slow])
        for name in NAMES
    ],
)
def test_dense_networks(name: str, tmp_path: Path) -> None:
    recipe = Recipe("dense", hidden=(12, 9), method=name, **COMMON)
    assert_trained_exported_and_lowered(recipe, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.rpartition(":")[2])
def test_convolutional_networks(name: str, tmp_path: Path) -> None:
    recipe = ConvolutionalRecipe("conv", hidden=(8,), convolutions=(4, "P", 6), method=name, **COMMON)
    assert_trained_exported_and_lowered(recipe, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["react", "e2fif", "ftbnn", "dorefa", "biper"])
def test_residual_networks(name: str, tmp_path: Path) -> None:
    recipe = ResidualRecipe("residual", widths=(4, 8), depth=1, after="method", method=name, **COMMON)
    assert_trained_exported_and_lowered(recipe, tmp_path)


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
        ("flw", {"wiring": "B"}, r"wiring of method 'flw' must be 'mixed' or 'gradient', not 'B'"),
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
