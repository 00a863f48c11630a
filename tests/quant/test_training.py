"""Training: what it writes, that it is reproducible, and that interruptions change nothing."""

import csv
import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dataflow import InputError
from dataflow.writing import locked
from quant import datasets, recipes
from quant._fitting import STATE, TrainingRun
from quant.evaluation import predictions, scores_of_network
from quant.oracle import scores_of_qonnx
from quant.recipes import DenseRecipe
from quant.training import TrainingResult, load_checkpoint, train
from tests.limits import largest_file

pytestmark = pytest.mark.train

TINY = DenseRecipe(
    name="tiny", dataset="mnist-sample", hidden=(24, 16), epochs=4, batch_size=100, shift=1, validation=200, seed=3
)
FILES = ["checkpoint.ckpt", "log", "metrics.json", "model.onnx"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """An uninterrupted run."""
    return train(TINY, out=tmp_path_factory.mktemp("whole"), progress=False)


def state_of(result: TrainingResult) -> dict[str, Any]:
    """Return a checkpoint without the parts that depend on clock and folder."""
    checkpoint = torch.load(result.checkpoint, weights_only=True)
    del checkpoint[STATE]["seconds"]
    return {name: checkpoint[name] for name in ("state_dict", "optimizer_states", "lr_schedulers", STATE)}


def plain(value: Any) -> Any:
    """Return a state with tensors as (dtype, shape, bytes), so that == compares every bit."""
    if isinstance(value, torch.Tensor):
        return value.dtype, tuple(value.shape), value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    return [plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def assert_same(left: TrainingResult, right: TrainingResult) -> None:
    assert plain(state_of(left)) == plain(state_of(right))
    assert left.accuracy == right.accuracy


@pytest.fixture
def _no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the export, which takes seconds and depends only on the checkpoint's weights."""
    monkeypatch.setattr("quant.training.export", lambda network, frame_shape, path: path.touch())


def test_a_run_leaves_model_checkpoint_metrics_and_log(whole: TrainingResult) -> None:
    folder = whole.model.parent
    assert sorted(path.name for path in folder.iterdir()) == FILES
    metrics = json.loads(whole.metrics_file.read_text())
    assert metrics == whole.metrics
    assert metrics["accuracy"] == whole.accuracy
    assert metrics["test_frames"] == 500
    assert (metrics["epochs"], metrics["seed"]) == (4, 3)
    assert metrics["recipe"] == TINY.to_dict()
    assert [entry["epoch"] for entry in metrics["history"]] == [1, 2, 3, 4]
    assert metrics["versions"]["torch"] == torch.__version__
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", metrics["date"])
    assert json.loads(json.dumps(whole.to_json()))["model"] == str(whole.model)


def test_the_log_has_a_line_per_epoch(whole: TrainingResult) -> None:
    with (whole.model.parent / "log" / "version_0" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name in ("loss", "validation_accuracy", "training_accuracy", "learning_rate"):
        assert [float(row[name]) for row in rows] == [entry[name] for entry in whole.metrics["history"]]
    for name in ("flips", "weights_saturated", "mismatch"):
        for layer in ("fc0", "fc1", "fc2"):
            recorded = [entry[name][layer] for entry in whole.metrics["history"]]
            assert [float(row[f"{name}/{layer}"]) for row in rows] == recorded
    assert [int(row["step"]) for row in rows] == [17, 35, 53, 71]
    assert all(float(row["images_per_second"]) > 0 for row in rows)


def test_tensorboard_has_the_figures(whole: TrainingResult) -> None:
    log = EventAccumulator(str(whole.model.parent / "log" / "version_0")).Reload()
    history = whole.metrics["history"]
    expected = {"loss": [e["loss"] for e in history], "flips/fc0": [e["flips"]["fc0"] for e in history]}
    for name, values in expected.items():
        points = log.Scalars(name)
        assert [point.step for point in points] == [17, 35, 53, 71]
        assert [point.value for point in points] == pytest.approx(values)


def test_a_short_run_is_better_than_chance(whole: TrainingResult) -> None:
    losses = [entry["loss"] for entry in whole.metrics["history"]]
    assert losses == sorted(losses, reverse=True)
    assert whole.accuracy > 0.4
    assert whole.metrics["history"][-1]["validation_accuracy"] > 0.4


def test_checkpoint_and_model_file_are_the_network_that_was_measured(whole: TrainingResult) -> None:
    test = datasets.load("mnist-sample", "test")
    recipe, network = load_checkpoint(whole.checkpoint)
    assert recipe == TINY
    scores = scores_of_network(network, test.images)
    assert (predictions(scores) == test.labels).mean() == whole.accuracy
    np.testing.assert_allclose(scores_of_qonnx(whole.model, test.images), scores, rtol=0, atol=1e-5)
    assert [node.name for node in onnx.load(whole.model).graph.node if node.op_type == "Gemm"] == ["fc0", "fc1", "fc2"]


def test_a_second_run_gives_the_same_result(whole: TrainingResult, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.manual_seed(99)
    again = train(TINY, out=tmp_path, progress=False)
    assert_same(again, whole)
    assert again.model.read_bytes() == whole.model.read_bytes()
    assert torch.get_num_threads() == before


@pytest.mark.usefixtures("_no_export")
def test_seed_and_epochs_can_be_given(whole: TrainingResult, tmp_path: Path) -> None:
    other = train(TINY, out=tmp_path, seed=4, epochs=1, progress=False)
    assert other.metrics["recipe"] == replace(TINY, seed=4, epochs=1).to_dict()
    weights, others = (state_of(result)["state_dict"]["network.fc0.weight"] for result in (whole, other))
    assert not torch.equal(weights, others)


@pytest.mark.usefixtures("_no_export")
@pytest.mark.parametrize("epoch", [0, 2])
def test_an_interrupted_run_continues_to_the_same_result(
    epoch: int, whole: TrainingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = TrainingRun.training_step

    def interrupted_step(run: TrainingRun, batch: tuple[torch.Tensor, torch.Tensor], index: int) -> torch.Tensor:
        if (run.current_epoch, index) == (epoch, 7):
            raise KeyboardInterrupt
        return step(run, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "training_step", interrupted_step)
        handler = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            train(TINY, out=tmp_path, progress=False)
        assert signal.getsignal(signal.SIGINT) is handler
    assert sorted(path.name for path in tmp_path.iterdir()) == (FILES[:2] if epoch else FILES[1:2])
    assert_same(train(TINY, out=tmp_path, resume=True, progress=False), whole)


@pytest.mark.usefixtures("_no_export")
def test_a_killed_run_continues_to_the_same_result(whole: TrainingResult, tmp_path: Path) -> None:
    program = (
        "import sys; from quant.recipes import DenseRecipe; from quant.training import train\n"
        f"train({TINY!r}, out=sys.argv[1], progress=False)"
    )
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", program, str(tmp_path)])
    checkpoint = tmp_path / "checkpoint.ckpt"
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert checkpoint.exists()
    assert not (tmp_path / "model.onnx").exists()
    assert_same(train(TINY, out=tmp_path, resume=True, progress=False), whole)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    rule = r"^Output folder '.*' must not be in use by another training, which still runs$"
    with locked(tmp_path, "training"), pytest.raises(InputError, match=rule):
        train(TINY, out=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("_no_export")
def test_resuming_a_finished_run_changes_nothing(whole: TrainingResult, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.ckpt").write_bytes(whole.checkpoint.read_bytes())
    again = train(TINY, out=tmp_path, resume=True, progress=False)
    assert_same(again, whole)
    assert again.metrics["history"] == whole.metrics["history"]


@pytest.mark.usefixtures("_no_export")
def test_progress_goes_to_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(replace(TINY, epochs=2), out=tmp_path)
    captured = capsys.readouterr()
    assert captured.out == ""
    facts = r"loss \d\.\d{4}  validation \d+\.\d\d%  training \d+\.\d\d%  [\d,]+ images/s  \d+:\d\d left"
    assert re.fullmatch(rf"epoch 1/2  {facts}\nepoch 2/2  {facts}\n", captured.err)


def test_a_run_is_not_overwritten(whole: TrainingResult) -> None:
    folder = re.escape(str(whole.model.parent))
    rule = rf"^Output folder '{folder}' must be without 'checkpoint\.ckpt', or resumed \(--resume\)$"
    with pytest.raises(InputError, match=rule):
        train(TINY, out=whole.model.parent, progress=False)


def test_another_recipe_does_not_resume_a_run(whole: TrainingResult) -> None:
    folder = re.escape(str(whole.model.parent))
    rule = rf"^epochs of the run to resume in '{folder}' must be 4 as before, not 5$"
    with pytest.raises(InputError, match=rule):
        train(TINY, out=whole.model.parent, epochs=5, resume=True, progress=False)


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"", r"must be a complete zip file, not a truncated or another file"),
        (b"PK\x03\x04nothing", r"must be a complete zip file, not a truncated or another file"),
        (b"text", r"must be a complete zip file, not a truncated or another file"),
        (b"PK\x05\x06" + bytes(18), r"must hold tensors and plain values, nothing else"),
        (None, r"must be one that xnorflow has written, not another program's"),
    ],
)
def test_bad_checkpoints_are_refused(raw: bytes | None, rule: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.ckpt"
    if raw is None:
        torch.save({"state_dict": {}}, path)
    else:
        path.write_bytes(raw)
    text = rf"^Checkpoint '{re.escape(str(path))}' {rule}$"
    with pytest.raises(InputError, match=text):
        load_checkpoint(path)
    with pytest.raises(InputError, match=text):
        train(TINY, out=tmp_path, resume=True, progress=False)


def test_a_cut_checkpoint_is_refused(whole: TrainingResult, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.ckpt"
    path.write_bytes(whole.checkpoint.read_bytes()[:-500])
    with pytest.raises(
        InputError, match=r"^Checkpoint '.*' must be a complete zip file, not a truncated or another file$"
    ):
        load_checkpoint(path)
    path.unlink()
    with pytest.raises(InputError, match=r"^Checkpoint '.*checkpoint\.ckpt' must exist$"):
        load_checkpoint(path)


class Payload:
    """Runs code if a pickle is loaded carelessly."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("loaded",))


def test_a_checkpoint_runs_no_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "checkpoint.ckpt"
    torch.save({STATE: Payload()}, path)
    with pytest.raises(InputError, match=r"^Checkpoint '.*' must hold tensors and plain values, nothing else$"):
        load_checkpoint(path)
    assert capsys.readouterr().out == ""


def test_holding_out_everything_is_refused(tmp_path: Path) -> None:
    rule = r"^validation of recipe 'tiny' must leave 2 or more of the 2000 training images, not be 1999$"
    with pytest.raises(InputError, match=rule):
        train(replace(TINY, validation=1999), out=tmp_path, progress=False)


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of files there")
def test_a_full_disk_loses_nothing(tmp_path: Path, whole: TrainingResult) -> None:
    def stop(metrics: dict[str, Any]) -> None:
        if len(metrics["history"]) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TINY, out=tmp_path, progress=False, watch=stop)
    checkpoint = tmp_path / "checkpoint.ckpt"
    before = checkpoint.read_bytes()
    hint = r"File too large; --resume continues after the last complete epoch$"
    for size, what in ((len(before) // 2, f"Checkpoint file '{checkpoint}'"), (1, f"Output folder '{tmp_path}'")):
        with largest_file(size), pytest.raises(InputError, match=f"^{what} must be writable, not: {hint}"):
            train(TINY, out=tmp_path, progress=False, resume=True)
        assert checkpoint.read_bytes() == before
        assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
    assert_same(train(TINY, out=tmp_path, progress=False, resume=True), whole)


def test_a_file_is_no_output_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"^Output folder '.*file' must be a folder, not a file$"):
        train(TINY, out=tmp_path / "file", progress=False)


def test_a_training_starts_with_the_weights_of_another(whole: TrainingResult, tmp_path: Path) -> None:
    wider = replace(TINY, hidden=(24, 32), epochs=1)
    result = train(wider, out=tmp_path / "wider", init=whole.checkpoint.parent, progress=False)
    left = result.metrics["init"]["left"]
    assert left
    assert not any(name.startswith("fc0.") for name in left)  # as large as in the other network
    again = train(replace(TINY, epochs=1), out=tmp_path / "again", init=whole.checkpoint, progress=False)
    assert again.metrics["init"]["left"] == []
    plain_start = train(replace(TINY, epochs=1), out=tmp_path / "plain", progress=False)
    assert again.metrics["history"][0]["loss"] < plain_start.metrics["history"][0]["loss"]


@pytest.mark.parametrize(
    ("init", "rule"),
    [
        (
            "model.onnx",
            r"Initial weights must be a checkpoint, or the folder of a training, not '.*model.onnx': a",
        ),
        ("none", r"Checkpoint '.*none' must exist"),
        ("metrics.json", r"Checkpoint '.*metrics.json' must be a complete zip file"),
    ],
)
def test_other_initial_weights_are_refused(init: str, rule: str, whole: TrainingResult, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"^{rule}"):
        train(TINY, out=tmp_path / "out", init=whole.model.parent / init, progress=False)
    assert not (tmp_path / "out").exists()


def test_weights_of_another_network_are_refused(whole: TrainingResult, tmp_path: Path) -> None:
    other = replace(recipes.load("cnv-mnist-small"), dataset="mnist-sample", epochs=1)
    with pytest.raises(InputError, match=r"^Initial weights '.*' must have weights of the network, not of other names"):
        train(other, out=tmp_path / "out", init=whole.checkpoint, progress=False)
