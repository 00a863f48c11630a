"""Training: a recipe and a data set become a QONNX file, a checkpoint and metrics.

A resumed run gives the same result as an uninterrupted one, bit for bit: weights, optimizer and learning rate
come from the checkpoint of the last complete epoch, order and augmentation from seed and epoch. Checkpoints are written
completely or not at all.
"""

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_only
from torch import nn

from dataflow import InputError
from dataflow.writing import atomic_write, locked, output_folder
from quant import datasets, teachers
from quant._fitting import TrainingRun, fit
from quant.binarize import Change
from quant.checkpoints import (
    STATE,
    initialize,
    load_checkpoint,
    new_network,
    own_recipe,
    read_checkpoint,
    stored_recipe,
)
from quant.datasets import Dataset
from quant.evaluation import figure_of_network
from quant.export import export
from quant.figures import FIGURES, Figure
from quant.machine import Machine
from quant.models import adopt, own
from quant.monitoring import machine_facts
from quant.readiness import require_lowerable, require_trainable
from quant.recipes import OwnRecipe, Recipe
from quant.tasks import task_of

__all__ = ["Machine", "TrainingResult", "load_checkpoint", "train"]

_MODEL, _CHECKPOINT, _METRICS = "model.onnx", "checkpoint.ckpt", "metrics.json"
_PACKAGES = ("xnorflow", "torch", "brevitas", "lightning", "onnx", "numpy")

#: Images with which a network is tried before the training.
_TRIED = 64


@dataclass(frozen=True)
class TrainingResult:
    """The results of a training.

    Parameters
    ----------
    model : the QONNX file
    checkpoint : the state after the last epoch
    metrics_file : `metrics` as JSON
    accuracy : fraction of the test images that the network classifies correctly, 0 to 1; of another task, its figure.
        Of the held-out images if the run stopped before its last epoch
    metrics : accuracy (or the task's figure), epochs, seed, recipe, versions, date, seconds, `history`, one entry per
        epoch, `layers` of a network of one's own, as sentences, `broken`, images that were left out, and `init`, from
        which training the first weights are and which of the tensors kept their own
    """

    model: Path
    checkpoint: Path
    metrics_file: Path
    accuracy: float
    metrics: dict[str, Any] = field(repr=False)

    @property
    def figure(self) -> Figure:
        """What `accuracy` is."""
        return FIGURES[self.metrics["recipe"]["task"]]

    def to_json(self) -> dict[str, Any]:
        """Return the metrics and the paths of the files as JSON values."""
        paths = {"model": self.model, "checkpoint": self.checkpoint, "metrics_file": self.metrics_file}
        return {**self.metrics, **{name: str(path) for name, path in paths.items()}}


def train(
    recipe: Recipe,
    *,
    network: nn.Module | None = None,
    data: str | os.PathLike[str] | tuple[Dataset, Dataset] | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    out: str | os.PathLike[str],
    resume: bool = False,
    download: bool = False,
    lower_check: bool = True,
    machine: Machine | None = None,
    until: int | None = None,
    init: str | os.PathLike[str] | None = None,
    progress: bool = True,
    watch: Callable[[dict[str, Any]], None] | None = None,
) -> TrainingResult:
    """Train a network and write ``model.onnx``, ``checkpoint.ckpt``, ``metrics.json`` and ``log/`` into a folder.

    The result is the network after the last epoch. The test images are evaluated once, after that epoch. A network or a
    method of one's own is lowered before the training.

    Parameters
    ----------
    recipe : what to train, and how
    network : the network to train, if the recipe has none; its layers become binary in place, and are trained
    data : folder of data sets, the default is $XNORFLOW_DATA; or training and test images
    epochs, seed : replace those of the recipe
    out : the folder, created if missing
    resume : continue the run in `out` after its last complete epoch, or start it if there is none
    download : download missing data files
    lower_check : whether networks and methods of one's own are lowered first
    machine : on what the training runs
    until : the epoch after which the run stops without a model, for an early look at its `history`; ``resume`` goes on
        as if it had not stopped
    init : checkpoint or folder of another training, whose weights the network starts with where names and shapes fit
    progress : show the progress on standard error
    watch : called with the metrics so far after each epoch, and with the reason as `stopped` if the training stops

    Raises
    ------
    InputError
        A value or a data file is invalid, a network cannot be lowered, the loss is no finite number, or `out` contains
        a run that would be overwritten, another recipe's run, or one that still runs.
    """
    machine = machine or Machine()
    recipe = replace(
        recipe,
        epochs=recipe.epochs if epochs is None else epochs,
        seed=recipe.seed if seed is None else seed,
    )
    training, test = _data(recipe, data, download=download)
    _require_batches(recipe, len(training), machine)
    run = _run(recipe, training, network)
    folder = Path(out)
    if init is not None:
        left = initialize(run.network, init)
        run.facts["init"] = {"from": os.fspath(init), "left": list(left)}
    if rank_zero_only.rank:  # one of several processes that train together, of which the first has the folder
        fit(run, folder / _CHECKPOINT, machine=machine, until=until, progress=False, watch=lambda: None)
        return TrainingResult(folder / _MODEL, folder / _CHECKPOINT, folder / _METRICS, float("nan"), {})
    output_folder(folder)
    with locked(folder, "training"):
        checkpoint = _prepare(folder, recipe, resume=resume, until=until)
        if not checkpoint.exists():
            _check_own(run, recipe, lower_check=lower_check)
        try:
            so_far = (lambda: watch(_so_far(run, recipe))) if watch else lambda: None
            fit(run, checkpoint, machine=machine, until=until, progress=progress, watch=so_far)
        except (InputError, KeyboardInterrupt) as error:
            if watch:
                with suppress(InputError):  # on a full disk this fails as well, and says less
                    watch(_so_far(run, recipe) | {"stopped": str(error) or "The training was interrupted"})
            raise
        if until is not None and until < recipe.epochs:
            figure = run.history[-1].get(f"validation_{run.task.figure.key}", float("nan"))
            return TrainingResult(folder / _MODEL, checkpoint, folder / _METRICS, figure, _so_far(run, recipe))
        return _finish(run, recipe, test, checkpoint)


def _data(
    recipe: Recipe, data: str | os.PathLike[str] | tuple[Dataset, Dataset] | None, *, download: bool
) -> tuple[Dataset, Dataset]:
    """Return training and test images, which fit each other and the recipe."""
    if isinstance(data, tuple):
        training, test = data
    else:
        options: dict[str, Any] = {
            "image_size": recipe.image_size,
            "skip_broken": recipe.skip_broken,
            "task": recipe.task,
        }
        training, test = (
            datasets.load(recipe.dataset, split, data=data, download=download, **options) for split in datasets.SPLITS
        )
    held_out = recipe.held_out(len(training))
    if held_out > len(training) - 2:
        raise InputError(
            f"validation of recipe {recipe.name!r} must leave 2 or more of the {len(training)} training images, "
            f"not be {recipe.validation}"
        )
    if training.images.shape[1:] != test.images.shape[1:]:
        shapes = [" x ".join(map(str, part.images.shape[1:])) for part in (training, test)]
        raise InputError(
            f"Test images of {training.name!r} must be {shapes[0]} as those of the training, not {shapes[1]}"
        )
    most, found = (datasets.outputs_of(recipe.task, part.labels) for part in (training, test))
    if recipe.task in ("classify", "segment") and found > most:
        raise InputError(
            f"Labels of the test images of {training.name!r} must be at most {most - 1} as those of the training, "
            f"not {found - 1}"
        )
    if training.labels.shape[1:] != test.labels.shape[1:]:
        shapes = [" x ".join(map(str, part.labels.shape[1:])) for part in (training, test)]
        raise InputError(
            f"Labels of the test images of {training.name!r} must be {shapes[0]} as those of the training, "
            f"not {shapes[1]}"
        )
    return training, test


def _require_batches(recipe: Recipe, images: int, machine: Machine) -> None:
    """Check that each process has two images of each batch, which normalizations need."""
    trained = images - recipe.held_out(images)
    smallest = trained // -(-trained // recipe.batch_size)
    if smallest < 2 * machine.processes:
        raise InputError(
            f"batch_size of recipe {recipe.name!r} must leave 2 or more of {trained} images in each batch of "
            f"{machine.processes} processes, not be {recipe.batch_size}"
        )


def _prepare(folder: Path, recipe: Recipe, *, resume: bool, until: int | None) -> Path:
    """Return the path of the checkpoint; refuse to overwrite a run, or to continue one of another recipe."""
    done = 0
    present = [name for name in (_CHECKPOINT, _MODEL, _METRICS) if (folder / name).exists()]
    if present and not resume:
        raise InputError(f"Output folder {str(folder)!r} must be without {present[0]!r}, or resumed (--resume)")
    checkpoint = folder / _CHECKPOINT
    if checkpoint.exists():
        content = read_checkpoint(checkpoint)
        stored, done = stored_recipe(checkpoint, content), len(content[STATE]["history"])
        if type(stored) is not type(recipe):
            raise InputError(
                f"Network of the run to resume in {str(folder)!r} must be {stored.kind} as before, not {recipe.kind}"
            )
        before = stored.to_dict()
        for name, value in recipe.to_dict().items():
            if before[name] != value and name != "name":
                raise InputError(
                    f"{name} of the run to resume in {str(folder)!r} must be {before[name]!r} as before, not {value!r}"
                )
    if until is not None and until <= done:
        raise InputError(f"until must be an epoch after the {done} of the run in {str(folder)!r}, not {until}")
    return checkpoint


def _run(recipe: Recipe, training: Dataset, network: nn.Module | None) -> TrainingRun:
    _, height, width, channels = training.images.shape
    frame_shape, classes = (channels, height, width), datasets.outputs_of(recipe.task, training.labels)
    task = task_of(recipe.task, classes, (height, width))
    changes: list[Change] = []
    if network is not None:
        network, changes = adopt(network, own_recipe(recipe))
    elif isinstance(recipe, OwnRecipe):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            network, changes = own(recipe, frame_shape, classes)
    else:
        network = new_network(recipe, frame_shape, classes)
    layers = [str(change) for change in changes]
    teacher = teachers.load(recipe.teacher, frame_shape, classes) if recipe.teacher else None
    facts = {"frame_shape": frame_shape, "classes": classes, "layers": layers, "broken": list(training.broken)}
    images = torch.from_numpy(np.require(training.images, requirements=("C", "W")))  # torch may write to them
    labels = torch.from_numpy(np.require(training.labels, requirements=("C", "W")))
    return TrainingRun(recipe, network, task, images, labels, facts, teacher)


def _check_own(run: TrainingRun, recipe: Recipe, *, lower_check: bool) -> None:
    """Check a network or a method of one's own before it is trained."""
    if not isinstance(recipe, OwnRecipe) and ":" not in recipe.method:
        return
    name = recipe.network if isinstance(recipe, OwnRecipe) and recipe.network else recipe.name
    require_trainable(run.network, name, *run.rows(torch.arange(min(_TRIED, len(run)))), run.task)
    if lower_check:
        require_lowerable(run.network, name, run.facts["frame_shape"])


def _so_far(run: TrainingRun, recipe: Recipe) -> dict[str, Any]:
    """Return the metrics but those of the test images."""
    return {
        "epochs": recipe.epochs,
        "seed": recipe.seed,
        "recipe": recipe.to_dict(),
        "data": run.data_facts(),
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": round(run.seconds, 1),
        "versions": {package: version(package) for package in _PACKAGES},
        "machine": machine_facts(next(run.parameters()).device, recipe.threads),
        "warnings": run.warnings,
        "layers": run.facts["layers"],
        "broken": list(run.facts["broken"]),
        "init": run.facts.get("init"),
        "history": run.history,
    }


def _finish(run: TrainingRun, recipe: Recipe, test: Dataset, checkpoint: Path) -> TrainingResult:
    """Measure on the test images and write model and metrics."""
    accuracy = figure_of_network(run.result, test.images, test.labels, run.task)
    metrics = {run.task.figure.key: accuracy, "test_frames": len(test), **_so_far(run, recipe)}
    metrics["broken"] += test.broken
    folder = checkpoint.parent
    export(run.result.cpu(), run.facts["frame_shape"], folder / _MODEL)
    metrics["sha256"] = hashlib.sha256((folder / _MODEL).read_bytes()).hexdigest()
    with atomic_write(folder / _METRICS, "Metrics") as part:
        part.write_text(json.dumps(metrics, indent=1) + "\n", "utf-8")
    return TrainingResult(folder / _MODEL, checkpoint, folder / _METRICS, accuracy, metrics)
