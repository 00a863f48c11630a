"""Tasks other than classes of images: losses and figures compared with numpy, targets that move, trainings."""

import html
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dataflow import InputError
from quant import datasets, recipes
from quant._batches import EpochBatches
from quant.evaluation import figure_of_network
from quant.figures import FIGURES
from quant.recipes import DenseRecipe, OwnRecipe
from quant.tasks import task_of
from quant.tasks.keypoints import heat_maps, places
from quant.training import load_checkpoint, train
from tests.quant.tasks import my_tasks
from xnorflow.report import write_training_report

pytestmark = pytest.mark.train

FILE = Path(my_tasks.__file__)
RNG = np.random.default_rng(4)
CASES = {
    "segment": ("segments", "each", "mean_iou", 0.6),
    "keypoints": ("points", "each", "average_precision", 0.2),
    "restore": ("doubled", "larger", "psnr", 18.0),
}


def recipe_of(task: str, /, **changes: Any) -> OwnRecipe:
    data, network, _, _ = CASES[task]
    entries: dict[str, Any] = {
        "name": task,
        "task": task,
        "dataset": f"{FILE}:{data}",
        "network": f"{FILE}:{network}",
        "keep": ("*stem", "*head"),
        "epochs": 8,
        "batch_size": 20,
        "learning_rate": 0.02,
        "validation": 0.1,
    }
    return OwnRecipe(**entries | changes)


@pytest.mark.parametrize(
    "task", [pytest.param(task, marks=[] if task == "segment" else [pytest.mark.slow]) for task in CASES]
)
def test_a_network_is_trained(task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = recipe_of(task)
    _, _, key, least = CASES[task]
    result = train(recipe, out=tmp_path, lower_check=False)
    assert result.metrics[key] == result.accuracy > least
    assert "accuracy" not in result.metrics or key == "accuracy"
    history = result.metrics["history"]
    assert history[-1]["loss"] < history[0]["loss"]
    assert {f"validation_{key}", f"training_{key}"} <= history[-1].keys()
    assert f"validation {result.figure.text(history[-1][f'validation_{key}'])}" in capsys.readouterr().err
    stored, network = load_checkpoint(result.checkpoint)
    assert stored == recipe
    test = datasets.load(recipe.dataset, "test", task=task)
    job = task_of(task, datasets.outputs_of(task, test.labels), (test.images.shape[1], test.images.shape[2]))
    assert figure_of_network(network, test.images, test.labels, job) == result.accuracy
    page = tmp_path / "page.html"
    write_training_report(result.metrics, page)
    text = html.unescape(page.read_text("utf-8"))
    assert result.figure.about in text
    assert result.figure.title[1:] in text


def test_mean_iou_is_that_of_counts() -> None:
    scores, labels = RNG.normal(size=(5, 3, 6, 4)), RNG.integers(0, 3, (5, 6, 4))
    labels[0, 0] = datasets.IGNORED
    job = task_of("segment", 3, (6, 4))
    metric = job.metric()
    for part in (slice(0, 2), slice(2, 5)):
        metric.update(torch.from_numpy(scores[part]), torch.from_numpy(labels[part].astype(np.uint8)))
    found, counted = scores.argmax(1), labels != datasets.IGNORED
    ious = [
        ((found == label) & (labels == label) & counted).sum()
        / (((found == label) | (labels == label)) & counted).sum()
        for label in range(3)
    ]
    assert float(metric.compute()) == pytest.approx(np.mean(ious), rel=1e-6)
    powers = np.exp(scores)
    right = np.take_along_axis(np.log(powers / powers.sum(1, keepdims=True)), np.minimum(labels, 2)[:, None], 1)[:, 0]
    loss = job.loss(torch.from_numpy(scores), torch.from_numpy(labels.astype(np.uint8)))
    assert float(loss) == pytest.approx(-right[counted].mean(), rel=1e-6)


def test_psnr_is_the_mean_of_the_images() -> None:
    outputs, targets = RNG.random((3, 2, 4, 6)), RNG.integers(0, 256, (3, 4, 6, 2)).astype(np.uint8)
    job = task_of("restore", 2, (2, 3))
    metric = job.metric()
    metric.update(torch.from_numpy(outputs), torch.from_numpy(targets))
    wanted = targets.transpose(0, 3, 1, 2) / 255
    errors = ((outputs - wanted) ** 2).mean((1, 2, 3))
    assert float(metric.compute()) == pytest.approx((-10 * np.log10(errors)).mean(), rel=1e-5)
    loss = job.loss(torch.from_numpy(outputs), torch.from_numpy(targets))
    assert float(loss) == pytest.approx(abs(outputs - wanted).mean(), rel=1e-5)


def test_heat_maps_have_their_peaks_at_the_points() -> None:
    points = np.array([[[3.0, 5.0, 1.0], [20.5, 10.0, 0.0]]], np.float32)
    maps = heat_maps(torch.from_numpy(points), (24, 48), (12, 24)).numpy()
    deviation = max(1.0, (12 * 24) ** 0.5 / 28)
    for index, (x, y, _) in enumerate(points[0]):
        rows, columns = np.mgrid[:12, :24]
        distance = (columns - ((x + 0.5) / 2 - 0.5)) ** 2 + (rows - ((y + 0.5) / 2 - 0.5)) ** 2
        np.testing.assert_allclose(maps[0, index], np.exp(-distance / (2 * deviation**2)), atol=1e-6)
    found = places(torch.from_numpy(maps), (24, 48)).numpy()
    assert abs(found[0, :, :2] - points[0, :, :2]).max() < 0.51
    job = task_of("keypoints", 2, (24, 48))
    outputs = RNG.normal(size=(1, 2, 12, 24)).astype(np.float32)
    expected = ((outputs[0, 0] - maps[0, 0]) ** 2).sum() / 2  # the second point is hidden
    assert float(job.loss(torch.from_numpy(outputs), torch.from_numpy(points))) == pytest.approx(expected, rel=1e-4)


def test_average_precision_counts_similar_points() -> None:
    """OKS is the mean of exp(-d**2 / (8 * area * spread**2)) of the visible points, as COCO defines it."""
    area, spread, count = 24 * 48, 0.07, 60
    points = np.concatenate((RNG.uniform(8, 16, (count, 2, 2)), np.ones((count, 2, 1))), 2).astype(np.float32)
    maps = torch.zeros(count, 2, 24, 48)
    found = np.rint(points[..., :2] + RNG.normal(0, 3, (count, 2, 2))).astype(int).clip(0, 23)
    for index in range(count):
        for point in range(2):
            x, y = found[index, point]
            maps[index, point, y, x] = 1.0  # all peaks alike: precision is that of all answers
    job = task_of("keypoints", 2, (24, 48))
    metric = job.metric()
    metric.update(maps, torch.from_numpy(points))
    squares = ((found - points[..., :2]) ** 2).sum(2)
    similar = np.exp(-squares / (8 * (area + np.spacing(1)) * spread**2)).mean(1)
    precisions = []
    for least in np.linspace(0.5, 0.95, 10):
        hits = np.cumsum(similar >= least)
        precision, recall = hits / np.arange(1, count + 1), hits / count
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        at = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
        precisions.append(np.mean([precision[index] if index < count else 0.0 for index in at]))
    assert float(metric.compute()) == pytest.approx(np.mean(precisions), abs=1e-6)
    perfect = job.metric()
    perfect.update(heat_maps(torch.from_numpy(points), (24, 48), (24, 48)), torch.from_numpy(points))
    assert float(perfect.compute()) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("task", ["segment", "restore"])
def test_targets_move_with_their_images(task: str) -> None:
    factor = 2 if task == "restore" else 1
    images = RNG.integers(1, 255, (30, 6, 5, 1)).astype(np.uint8)
    labels = images.repeat(factor, 1).repeat(factor, 2)
    if task == "segment":
        labels = labels[..., 0]
    recipe = recipe_of(task, shift=2, flip=True, batch_size=10, network="", keep=())
    job = task_of(task, 255, (6, 5))
    outside = datasets.IGNORED if task == "segment" else 0
    seen = 0
    for frames, targets in EpochBatches(torch.from_numpy(images), torch.from_numpy(labels), recipe, 1, task=job):
        pixels = (frames * 255).round().to(torch.uint8)
        wanted = F.interpolate(pixels.float(), scale_factor=factor).to(torch.uint8)
        moved = targets[:, None] if task == "segment" else targets.permute(0, 3, 1, 2)
        assert bool(((moved == wanted) | ((wanted == 0) & (moved == outside))).all())
        seen += int((wanted == 0).sum())
    assert seen


@pytest.mark.parametrize(
    ("task", "network", "rule"),
    [
        ("segment", "vector", r"2 scores at each of 16 x 16 positions, not \(2,\)"),
        ("keypoints", "vector", r"2 heat maps whose height and width are 16 and 16 divided by one integer, not \(2,\)"),
        ("restore", "each", r"1 channels of 16 x 16 pixels, not \(1, 8, 8\)"),
    ],
)
def test_networks_of_another_shape_are_refused(task: str, network: str, rule: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^Network '.*:{network}' must return {rule}$"):
        train(recipe_of(task, network=f"{FILE}:{network}", keep=()), out=tmp_path, progress=False)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"task": "segmentation"}, r"task of recipe 'segment' must be one of .*, not .*\(did you mean 'segment'\?\)"),
        ({"mixup": 0.2}, "mixup of recipe 'segment' must be 0 unless the task is classify, not 0.2"),
        ({"augment": "rand"}, "augment of recipe 'segment' must be 'none' unless the task is classify, not 'rand'"),
        (
            {"task": "keypoints", "flip": True},
            "flip of recipe 'segment' must be False unless the task is classify or segment or restore, not True",
        ),
    ],
)
def test_what_a_task_does_not_have_is_refused(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(InputError, match=rf"^{rule}$"):
        recipe_of("segment", **changes)


def test_each_task_has_targets_a_figure_and_a_loss() -> None:
    assert set(datasets.TASKS) == set(FIGURES)
    for name, figure in FIGURES.items():
        task = task_of(name, 3, (8, 8))
        assert task.figure is figure


def test_networks_of_the_package_only_classify() -> None:
    rule = "task of recipe 'd' must be \"classify\"; other tasks have networks of your own, not 'segment'"
    with pytest.raises(InputError, match=rf"^{re.escape(rule)}$"):
        DenseRecipe(name="d", dataset="mnist", task="segment", hidden=(4,), epochs=1)
    assert recipes.load("tfc-w1a1").task == "classify"


IMAGES = np.zeros((3, 6, 4, 1), np.uint8)
NAN = np.full((3, 2, 3), np.nan)


@pytest.mark.parametrize(
    ("task", "targets", "rule"),
    [
        ("segment", np.zeros((3, 6, 5), int), r"\(3, 6, 4\) integers, not \(3, 6, 5\) int64"),
        ("segment", np.full((3, 6, 4), 256), "from 0 to 255, which is ignored, not from 256 to 256"),
        ("segment", np.full((3, 6, 4), 255), "from 0 to 255, which is ignored, not only 255"),
        ("keypoints", np.zeros((3, 2, 2)), r"\(3, points, 3\) numbers: .*, not \(3, 2, 2\) float64"),
        ("keypoints", np.zeros((3, 2, 3)), "have visible points, not none"),
        ("keypoints", NAN, "be finite, not nan or inf"),
        (
            "restore",
            np.zeros((3, 12, 6, 1), np.uint8),
            r"\(3, f \* 6, f \* 4, channels\) uint8 .*, not \(3, 12, 6, 1\).*",
        ),
        ("restore", np.zeros((3, 12, 8, 1)), r"\(3, f \* 6, .* uint8 .*, not \(3, 12, 8, 1\) float64"),
    ],
)
def test_bad_targets_are_refused(task: str, targets: np.ndarray, rule: str) -> None:
    with pytest.raises(InputError, match=rf"^Labels of 'x' must (be )?{rule}$"):
        datasets.checked_targets(task, IMAGES, targets, "x")


def test_sets_of_classes_are_of_no_other_task(tmp_path: Path) -> None:
    for name in ("mnist", "mnist-sample"):
        with pytest.raises(InputError, match=rf"^Task of data set '{name}' must be 'classify', not 'segment'$"):
            datasets.load(name, "train", data=tmp_path, task="segment")
    with pytest.raises(InputError, match=r"^Data of task 'restore' must be an .npz file or FILE.py:FUNCTION, not .*$"):
        datasets.load(f"{tmp_path}/", "train", task="restore")
    np.savez(tmp_path / "a.npz", train_images=IMAGES, train_labels=np.zeros((3, 6, 4, 1), int))
    assert datasets.load("a.npz", "train", data=tmp_path, task="segment").labels.shape == (3, 6, 4)
