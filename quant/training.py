"""Training: a recipe and a data set become a QONNX file, a checkpoint and metrics.

A resumed run gives the same result as an uninterrupted one, bit for bit: weights, optimizer and learning rate
come from the checkpoint of the last complete epoch, order and augmentation from seed and epoch. Checkpoints are
Lightning's. They are written completely or not at all, and read as tensors and plain values only, which runs no code of
theirs; a method of one's own is run from the file that the recipe names.
"""

import json
import os
import pickle
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np
import torch
from torch import nn

from dataflow import InputError
from dataflow.writing import locked
from quant import datasets, recipes
from quant._fitting import STATE, TrainingRun, fit
from quant.evaluation import predictions, scores_of_network
from quant.export import export
from quant.models import build
from quant.recipes import Recipe

__all__ = ["TrainingResult", "load_checkpoint", "train"]

_MODEL, _CHECKPOINT, _METRICS = "model.onnx", "checkpoint.ckpt", "metrics.json"
_PACKAGES = ("xnorflow", "torch", "brevitas", "lightning", "onnx", "numpy")


@dataclass(frozen=True)
class TrainingResult:
    """The results of a training.

    Parameters
    ----------
    model : the QONNX file
    checkpoint : the state after the last epoch
    metrics_file : `metrics` as JSON
    accuracy : fraction of the test images that the network classifies correctly, 0 to 1
    metrics : accuracy, epochs, seed, recipe, versions, date, seconds, and `history`, one entry per epoch
    """

    model: Path
    checkpoint: Path
    metrics_file: Path
    accuracy: float
    metrics: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the metrics and the paths of the files as JSON values."""
        paths = {"model": self.model, "checkpoint": self.checkpoint, "metrics_file": self.metrics_file}
        return {**self.metrics, **{name: str(path) for name, path in paths.items()}}


def train(
    recipe: Recipe,
    *,
    data: str | os.PathLike[str] | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    out: str | os.PathLike[str],
    resume: bool = False,
    download: bool = False,
    progress: bool = True,
) -> TrainingResult:
    """Train a network and write ``model.onnx``, ``checkpoint.ckpt``, ``metrics.json`` and ``log/`` into a folder.

    The result is the network after the last epoch. The test images are evaluated once, after that epoch.

    Parameters
    ----------
    recipe : what to train, and how
    data : folder of data sets; the default is $XNORFLOW_DATA
    epochs, seed : replace those of the recipe
    out : the folder, created if missing
    resume : continue the run in `out` after its last complete epoch, or start it if there is none
    download : download missing data files
    progress : show the progress on standard error

    Raises
    ------
    InputError
        A value or a data file is invalid, or `out` contains a run that would be overwritten, another recipe's run, or
        one that still runs.
    """
    recipe = replace(
        recipe,
        epochs=recipe.epochs if epochs is None else epochs,
        seed=recipe.seed if seed is None else seed,
    )
    training, test = (datasets.load(recipe.dataset, split, data=data, download=download) for split in datasets.SPLITS)
    if recipe.validation > len(training) - 2:
        raise InputError(
            f"validation of recipe {recipe.name!r} must leave 2 or more of the {len(training)} training images, "
            f"not be {recipe.validation}"
        )
    run = _run(recipe, training)
    checkpoint = _prepare(Path(out), recipe, resume=resume)
    with locked(checkpoint.parent, "training"):
        fit(run, checkpoint, progress=progress, watch=lambda: None)
        return _finish(run, recipe, test, checkpoint)


def load_checkpoint(path: str | os.PathLike[str]) -> tuple[Recipe, nn.Sequential]:
    """Return the recipe and the network of a checkpoint, in the state after its last epoch.

    Raises
    ------
    InputError
        The file is missing or damaged, or another program wrote it.
    """
    checkpoint = _read_checkpoint(Path(path))
    state = checkpoint[STATE]
    recipe = recipes.from_dict(state["recipe"])
    network = _network(recipe, state["frame_shape"], state["classes"])
    prefix = "network."
    # A classifier that layers share in training is beside the network, and not needed after it.
    tensors = checkpoint["state_dict"].items()
    weights = {name.removeprefix(prefix): tensor for name, tensor in tensors if name.startswith(prefix)}
    network.load_state_dict(weights)
    return recipe, network.eval()


def _prepare(folder: Path, recipe: Recipe, *, resume: bool) -> Path:
    """Create the folder; refuse to overwrite a run, or to continue one of another recipe."""
    present = [name for name in (_CHECKPOINT, _MODEL, _METRICS) if (folder / name).exists()]
    if present and not resume:
        raise InputError(f"Output folder {str(folder)!r} must be without {present[0]!r}, or resumed (--resume)")
    checkpoint = folder / _CHECKPOINT
    if checkpoint.exists():
        stored = recipes.from_dict(_read_checkpoint(checkpoint)[STATE]["recipe"]).to_dict()
        wanted = recipe.to_dict()
        if stored.keys() != wanted.keys():
            kinds = [recipes.kind_of(entries) for entries in (stored, wanted)]
            raise InputError(
                f"Network of the run to resume in {str(folder)!r} must be {kinds[0]} as before, not {kinds[1]}"
            )
        for name, value in wanted.items():
            if stored[name] != value and name != "name":
                raise InputError(
                    f"{name} of the run to resume in {str(folder)!r} must be {stored[name]!r} as before, not {value!r}"
                )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Output folder {str(folder)!r} must be a folder, not {error.strerror!r}") from error
    return checkpoint


def _run(recipe: Recipe, training: datasets.Dataset) -> TrainingRun:
    images = np.array(training.images.transpose(0, 3, 1, 2), order="C")  # a copy, which torch may write to
    _, channels, height, width = images.shape
    frame_shape, classes = (channels, height, width), int(training.labels.max()) + 1
    network = _network(recipe, frame_shape, classes)
    facts = {"frame_shape": frame_shape, "classes": classes}
    return TrainingRun(recipe, network, torch.from_numpy(images), torch.from_numpy(training.labels), facts)


def _network(recipe: Recipe, frame_shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return build(recipe, frame_shape, classes)


def _finish(run: TrainingRun, recipe: Recipe, test: datasets.Dataset, checkpoint: Path) -> TrainingResult:
    """Measure on the test images and write model and metrics."""
    accuracy = float((predictions(scores_of_network(run.network, test.images)) == test.labels).mean())
    metrics = {
        "accuracy": accuracy,
        "test_frames": len(test),
        "epochs": recipe.epochs,
        "seed": recipe.seed,
        "recipe": recipe.to_dict(),
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": round(run.seconds, 1),
        "versions": {package: version(package) for package in _PACKAGES},
        "warnings": run.warnings,
        "history": run.history,
    }
    folder = checkpoint.parent
    height, width, channels = test.images.shape[1:]
    export(run.network, (channels, height, width), folder / _MODEL)
    part = folder / (_METRICS + ".part")
    part.write_text(json.dumps(metrics, indent=1) + "\n", "utf-8")
    part.replace(folder / _METRICS)
    return TrainingResult(folder / _MODEL, checkpoint, folder / _METRICS, accuracy, metrics)


def _read_checkpoint(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"Checkpoint {str(path)!r} must exist")
    if not is_zipfile(path):
        raise InputError(f"Checkpoint {str(path)!r} must be a complete zip file, not a truncated or another file")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, OSError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"Checkpoint {str(path)!r} must hold tensors and plain values, nothing else") from error
    if not isinstance(checkpoint, dict) or STATE not in checkpoint:
        raise InputError(f"Checkpoint {str(path)!r} must be one that xnorflow has written, not another program's")
    return checkpoint
