"""Early warnings: each by a training that is made to fail that way, and none by one that goes well."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dataflow import InputError
from quant._fitting import TrainingRun
from quant.methods import BinaryLayer, binary_layers
from quant.methods.bnn import BNN
from quant.monitoring import new_warnings, require_finite
from quant.recipes import DenseRecipe
from quant.tasks import task_of
from quant.training import TrainingResult, load_checkpoint, train

pytestmark = pytest.mark.train

TINY = DenseRecipe(
    name="tiny", dataset="mnist-sample", hidden=(24, 16), epochs=2, batch_size=100, validation=200, seed=3
)
TASK = task_of("classify", 10, (28, 28))


@pytest.fixture(autouse=True)
def _no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the export, which takes seconds."""
    monkeypatch.setattr("quant.training.export", lambda network, frame_shape, path: path.touch())


def warnings_of(result: TrainingResult) -> dict[str, str]:
    return {warning["kind"]: warning["text"] for warning in result.metrics["warnings"]}


def test_a_training_that_goes_well_has_no_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = train(replace(TINY, learning_rate=0.1), out=tmp_path)
    assert result.metrics["warnings"] == []
    assert "warning" not in capsys.readouterr().err


def test_a_learning_rate_that_is_too_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = train(replace(TINY, learning_rate=1e-7), out=tmp_path)
    found = warnings_of(result)
    assert set(found) == {"no flips", "guessing"}
    rate = result.metrics["history"][0]["learning_rate"]
    assert found["no flips"] == (
        "Some weights of the binary layers must change their sign in an epoch, not none: "
        f"the mean learning rate {rate:.3g} is too small for their size"
    )
    loss = result.metrics["history"][1]["loss"]
    assert found["guessing"] == (
        f"Loss must fall below that of guessing, ln(10) = 2.3026, not be {loss:.5g} after 2 epochs: "
        "try another learning_rate than 1e-07, and look at some images with their labels"
    )
    # Each is said once, after the epoch in which it is found.
    assert [warning["epoch"] for warning in result.metrics["warnings"]] == [1, 2]
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert lines == [f"warning: {found[kind]}" for kind in ("no flips", "guessing")]


def test_a_learning_rate_that_is_too_large(tmp_path: Path) -> None:
    result = train(replace(TINY, learning_rate=10.0), out=tmp_path, progress=False)
    found = warnings_of(result)
    assert {"many flips", "dead channels", "guessing"} <= set(found)
    first = result.metrics["history"][0]
    assert re.fullmatch(
        r"Weights of a layer must mostly keep their sign over an epoch, not change it in \d\d% of fc\d(, fc\d)*, "
        rf"as by chance: the mean learning rate {first['learning_rate']:.3g} is too large for their size",
        found["many flips"],
    )
    # Which epoch it is depends on the processor's rounding.
    epoch = next(each["epoch"] for each in result.metrics["warnings"] if each["kind"] == "dead channels")
    dead = max(result.metrics["history"][epoch - 1]["dead"].values())
    assert re.fullmatch(
        rf"Signs of a channel must change over the training images, not be the same as in {dead:.0%} of the channels "
        r"of sign\d(, sign\d)*: these cost hardware and say nothing, so try a smaller learning_rate or fewer channels",
        found["dead channels"],
    )


def test_weights_that_no_gradient_reaches(tmp_path: Path) -> None:
    result = train(replace(TINY, method="xnor", optimizer="sgd", learning_rate=1e30), out=tmp_path, progress=False)
    assert warnings_of(result)["no flips"] == (
        "Some weights of the binary layers must change their sign in an epoch, not none: learning rates were so large "
        "that weights no longer move"
    )


def test_weights_of_one_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def all_positive(self: BNN, layer: BinaryLayer) -> None:
        with torch.no_grad():
            layer.weight.uniform_(0.9, 1.0)

    monkeypatch.setattr(BNN, "reset", all_positive)
    result = train(replace(TINY, epochs=1, learning_rate=1e-3), out=tmp_path, progress=False)
    assert warnings_of(result)["one sign"] == (
        "Weights of a layer must have both signs, not one as those of fc0, fc1, fc2: it adds its inputs and learns "
        "nothing else, so try a smaller learning_rate or another method"
    )


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_loss_that_is_no_number_stops_the_training(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = TrainingRun.training_step

    def broken_step(run: TrainingRun, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        if (run.current_epoch, index) == (1, 4):
            with torch.no_grad():
                binary_layers(run.network)[1].weight.fill_(float("nan"))
                run.network.get_parameter("scores.weight").fill_(float(value))
        return step(run, batch, index)

    monkeypatch.setattr(TrainingRun, "training_step", broken_step)
    rule = (
        r"Loss of step 5 in epoch 2 must be a finite number, not nan: try a learning_rate below 0\.01, "
        r"clip_gradient=1\.0 or warm_up=1\.0 \(--set\) in another folder \(--out\); the checkpoint of epoch 1 is kept"
    )
    with pytest.raises(InputError, match=f"^{rule}$"):
        train(TINY, out=tmp_path, progress=False)
    _, network = load_checkpoint(tmp_path / "checkpoint.ckpt")
    assert all(tensor.isfinite().all() for tensor in network.state_dict().values())
    assert not (tmp_path / "metrics.json").exists()


def test_a_loss_becomes_infinite_by_too_large_a_rate(tmp_path: Path) -> None:
    recipe = replace(TINY, optimizer="sgd", learning_rate=1e38, clip_gradient=1.0, warm_up=0.5)
    rule = r"Loss of step 2 in epoch 1 must be a finite number, not inf: try a learning_rate below 1e\+38 \(--set\)"
    with pytest.raises(InputError, match=f"^{rule}$"):
        train(recipe, out=tmp_path, progress=False)
    assert not (tmp_path / "checkpoint.ckpt").exists()


def test_a_loss_is_found_where_it_is_first_not_finite() -> None:
    losses = [torch.tensor(value) for value in (1.0, float("inf"), float("nan"))]
    with pytest.raises(InputError, match=r"^Loss of step 52 in epoch 1 must be a finite number, not inf: try "):
        require_finite(losses, replace(TINY, precision="bf16-mixed"), 1, first=50)
    require_finite(losses[:1], TINY, 1)


def entry(epoch: int, **figures: Any) -> dict[str, Any]:
    good = {"flips": {"fc0": 0.1, "fc1": 0.2}, "positive": {"fc0": 0.5}, "dead": {"sign0": 0.0}}
    return {"epoch": epoch, "loss": 1.0, "learning_rate": 0.01, "weights_saturated": {"fc0": 0.0}} | good | figures


@pytest.mark.parametrize(
    ("history", "kinds"),
    [
        ([entry(1)], []),
        ([entry(1, loss=2.4)], []),
        ([entry(1, loss=2.4), entry(2, loss=2.3)], []),
        ([entry(1, loss=2.2), entry(2, loss=2.4)], []),
        ([entry(1, loss=2.4), entry(2, loss=2.31)], ["guessing"]),
        ([entry(1, flips={"fc0": 0.0, "fc1": 0.0})], ["no flips"]),
        ([entry(1, flips={"fc0": 0.0, "fc1": 0.001})], []),
        ([entry(1, flips={"fc0": 0.0}, learning_rate=0.0009)], []),  # the rate falls to 0 at the end
        ([entry(1, flips={})], []),  # a network of several bits
        ([entry(1, flips={"fc0": 0.45})], []),
        ([entry(1, flips={"fc0": 0.46})], ["many flips"]),
        ([entry(1, positive={"fc0": 1.0})], ["one sign"]),
        ([entry(1, positive={"fc0": 0.0})], ["one sign"]),
        ([entry(1, positive={"fc0": 0.999})], []),
        ([entry(1, dead={"sign0": 0.1})], []),
        ([entry(1, dead={"sign0": 0.11})], ["dead channels"]),
        ([{"epoch": 1, "loss": 1.0, "learning_rate": 0.01}], []),
    ],
)
def test_borders(history: list[dict[str, Any]], kinds: list[str]) -> None:
    found = new_warnings(history, TINY, TASK, [])
    assert [warning["kind"] for warning in found] == kinds
    assert new_warnings(history, TINY, TASK, found) == []


def test_what_a_method_adds_to_the_loss_is_no_guessing() -> None:
    history = [entry(1, loss=3.3), entry(2, loss=3.2)]
    assert [warning["kind"] for warning in new_warnings(history, TINY, TASK, [])] == ["guessing"]
    assert new_warnings(history, TINY, TASK, [], penalty=1.0) == []


def test_the_most_affected_layers_are_named() -> None:
    history = [entry(1, flips={f"fc{index}": 0.46 + index / 100 for index in range(6)})]
    (warning,) = new_warnings(history, TINY, TASK, [])
    assert "not change it in 51% of fc5, fc4, fc3 and 3 more, as by chance" in warning["text"]


def test_a_teacher_s_part_of_the_loss_is_no_guessing() -> None:
    history = [entry(1, loss=3.3), entry(2, loss=3.2)]
    assert new_warnings(history, replace(TINY, teacher="resnet18"), TASK, []) == []
