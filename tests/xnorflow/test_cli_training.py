"""``xnorflow train``: the report in the run's folder, warnings on standard error, and a training that fails."""

import json
from pathlib import Path

import pytest

from tests.xnorflow.command_line import run

pytestmark = pytest.mark.train

RECIPE = 'dataset = "mnist-sample"\nhidden = [12]\nepochs = 2\nbatch_size = 200\nvalidation = 200\n'


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("quant.training.export", lambda network, frame_shape, path: path.touch())
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return path


def test_a_training_leaves_its_report(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", recipe, "--out", tmp_path / "run", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["report"] == str(tmp_path / "run" / "report.html")
    page = Path(result["report"]).read_text("utf-8")
    assert "by the method bnn: finished." in page
    assert f"{100 * result['accuracy']:.3g} %" in page
    assert result["data"] == {
        "name": "mnist-sample",
        "training": 1800,
        "validation": 200,
        "frame_shape": [1, 28, 28],
        "classes": 10,
    }
    assert result["machine"]["threads"] == 1
    Path(result["report"]).unlink()  # it can be written again
    assert run("train", recipe, "--out", tmp_path / "run", "--resume") == 0
    assert f"curves, figures of the layers and warnings: {result['report']}" in capsys.readouterr().out
    assert Path(result["report"]).read_text("utf-8") == page


def test_a_loss_that_is_no_number(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    diverging = ("--set", "optimizer=sgd", "--set", "learning_rate=1e38", "--set", "clip_gradient=1.0")
    assert run("train", recipe, "--out", tmp_path / "run", *diverging) == 2
    message = (
        "Loss of step 2 in epoch 1 must be a finite number, not nan: try a learning_rate below 1e+38 or warm_up=1.0 "
        "(--set)"
    )
    assert capsys.readouterr().err == f"error: {message}\n"
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert f'data-mark="stopped">{message}.</p>' in page
    assert run("train", recipe, "--out", tmp_path / "run") == 0  # nothing is in the way of another try


def test_warnings_are_said_and_kept(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", recipe, "--out", tmp_path / "run", "--set", "learning_rate=1e-7") == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert said == [f"warning: {warning['text']}" for warning in metrics["warnings"]]
    assert [warning["kind"] for warning in metrics["warnings"]] == ["no flips", "guessing"]
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert all(f"{warning['text']}.</p>" in page for warning in metrics["warnings"])


def test_an_interrupted_training_has_a_report(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("quant._fitting.TrainingRun.training_step", interrupt)
    assert run("train", recipe, "--out", tmp_path / "run") == 130
    assert "--resume continues after the last complete epoch" in capsys.readouterr().err
    assert "The training was interrupted.</p>" in (tmp_path / "run" / "report.html").read_text("utf-8")
