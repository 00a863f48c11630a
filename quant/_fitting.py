"""The training loop, run by Lightning: steps, learning rate, checkpoints, logs, interruption."""

import io
import signal
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.plugins import TorchCheckpointIO
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from dataflow import InputError, atomic_write
from quant._batches import EpochBatches
from quant._optimizers import optimizer_of, rate_factors, set_decay, stage_of
from quant._progress import TrainingProgress
from quant._surroundings import compiler, compiler_sentences, memory_kept, quiet, quiet_log_writer, threads
from quant.checkpoints import STATE
from quant.evaluation import figure_of_network
from quant.machine import Machine
from quant.methods import binary_layers, shared_of
from quant.monitoring import Monitor, log_entries, new_warnings, require_finite
from quant.recipes import Recipe
from quant.tasks import Task
from quant.teachers import distillation_loss

__all__ = ["TrainingRun", "fit"]

#: How to go on after a full disk.
_RESUME = "--resume continues after the last complete epoch"

#: Steps over which the loss of a running epoch is averaged.
_RECENT = 50

#: Part of a GPU's free memory that the images may take, so that batches are made there.
_IMAGES_SHARE = 0.5


class TrainingRun(LightningModule):
    """A network in training: the training step, the optimizer, and the figures of each epoch.

    Parameters
    ----------
    network : maps (n, channels, height, width) float32 in 0 to 1 to what the task wants
    task : what is learned
    images : (n, height, width, channels) uint8; the last of them are held out, as many as the recipe says
    labels : the task's targets
    facts : plain values that a checkpoint stores in addition to the recipe
    teacher : a network whose scores are learned too
    """

    def __init__(
        self,
        recipe: Recipe,
        network: nn.Module,
        task: Task,
        images: Tensor,
        labels: Tensor,
        facts: dict[str, Any],
        teacher: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)  # faster convolutions; dense layers stay
        self.average: AveragedModel | None = None
        if recipe.average:
            average = get_ema_multi_avg_fn(recipe.average)
            self.average = AveragedModel(network, multi_avg_fn=average, use_buffers=True)
        self.shared = shared_of(network)
        self.classifier = self.shared.classifier  # as a module of this one, so that checkpoints have it once
        self._binary = binary_layers(network)
        self._teacher = [] if teacher is None else [teacher]  # in a list, so that checkpoints are without it
        self._stepped = [self.network]  # what steps run; in a list, because it has the same parameters
        self.history: list[dict[str, Any]] = []
        self.warnings: list[dict[str, Any]] = []
        self.seconds = 0.0
        self.recipe = recipe
        self.task = task
        self.facts = facts
        trained = len(labels) - recipe.held_out(len(labels))
        self._images, self._labels = images[:trained], labels[:trained]
        self._held_out = images[trained:].numpy(), labels[trained:].numpy()
        self._monitor = Monitor(network, task, self.rows, trained, recipe.batch_size)

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def result(self) -> nn.Module:
        """The network that the training is for: the averaged one, if there is one."""
        return self.network if self.average is None else self.average.module

    def rows(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return training images as the network gets them, without augmentation, and their labels."""
        rows = rows.to(self._images.device)
        images = self._images[rows].permute(0, 3, 1, 2).float() / 255
        return images.contiguous(memory_format=torch.channels_last), self._labels[rows]

    def on_fit_start(self) -> None:
        self.shared.clock.move(self.device)
        for teacher in self._teacher:
            teacher.to(self.device)
        if self.recipe.compiled:
            # A graph of its own for each size of a batch, and for each stage of a method.
            mode = "reduce-overhead" if self.device.type == "cuda" else None
            self._stepped = [torch.compile(self.network, fullgraph=True, dynamic=False, mode=mode)]
        if self.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.device)
            if self._images.nbytes <= _IMAGES_SHARE * free:
                self._images, self._labels = self._images.to(self.device), self._labels.to(self.device)

    def data_facts(self) -> dict[str, Any]:
        """Return the numbers of images, and what a network gets and returns."""
        held_out = len(self._held_out[1])
        counts = {"name": self.recipe.dataset, "training": len(self._labels), "validation": held_out}
        return {**counts, "frame_shape": list(self.facts["frame_shape"]), "classes": self.facts["classes"]}

    def train_dataloader(self) -> EpochBatches:
        return EpochBatches(
            self._images,
            self._labels,
            self.recipe,
            self.current_epoch,
            task=self.task,
            part=self.trainer.global_rank,
            parts=self.trainer.world_size,
        )

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = optimizer_of(self.recipe, self.network, self.classifier)
        factors = rate_factors(self.recipe, self.shared.method, optimizer, len(self.train_dataloader()))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factors)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        self._started = time.monotonic()
        self._losses: list[Tensor] = []
        self._rates: list[float] = []
        self._stage = stage_of(self.recipe, self.shared.method, self.current_epoch)
        set_decay(self.trainer.optimizers[0], self.shared.method, self._stage)
        if self.current_epoch in self.shared.method.first_epochs(self.recipe.epochs)[1:]:
            self.trainer.optimizers[0].state.clear()  # moments of the stage before do not count

    def on_train_batch_start(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        done = self.current_epoch + batch_idx / len(self.train_dataloader())
        self.shared.clock.set(self.shared.method, done / self.recipe.epochs, self._stage)
        self._rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        if batch_idx == 0:
            self._monitor.start()

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        images, labels = batch

        def criterion(scores: Tensor, labels: Tensor) -> Tensor:
            loss = self.task.loss(scores, labels, smoothing=self.recipe.label_smoothing)
            for teacher in self._teacher:
                with torch.no_grad():
                    taught = teacher(images)
                share = self.recipe.distillation
                loss = (1 - share) * loss + share * distillation_loss(scores, taught, self.recipe.temperature)
            return loss

        if self.recipe.compiled:
            torch.compiler.cudagraph_mark_step_begin()  # results of the step before may be overwritten
        with compiler_sentences():
            loss = self.shared.method.loss(self._stepped[0], images, labels, criterion)
        penalty = self.shared.method.penalty(self._binary)
        if penalty is not None:
            loss = loss + penalty
        self._losses.append(loss.detach())
        return loss

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        super().optimizer_step(*arguments, **options)
        for layer in self._binary:
            self.shared.method.after_step(layer)
        if self.average is not None:
            self.average.update_parameters(self.network)

    def recent_loss(self) -> float:
        """Return the mean loss of the last steps, which must be finite."""
        first = max(0, len(self._losses) - _RECENT)
        require_finite(self._losses[first:], self.recipe, self.current_epoch + 1, first=first)
        return torch.stack(self._losses[first:]).mean().item()

    def on_train_epoch_end(self) -> None:
        images_per_second = len(self._labels) / (time.monotonic() - self._started)
        require_finite(self._losses, self.recipe, self.current_epoch + 1)
        loss = self.trainer.strategy.reduce(torch.stack(self._losses).mean(), reduce_op="mean")
        facts: dict[str, Any] = {"loss": loss.item()}
        images, labels = self._held_out
        if len(labels):
            figure = figure_of_network(self.result, images, labels, self.task, double=False)
            facts[f"validation_{self.task.figure.key}"] = figure
        stage = self.shared.method.stages()[self._stage].name
        facts |= {"learning_rate": mean(self._rates), "stage": stage, **self._monitor.figures()}
        self.history.append({"epoch": self.current_epoch + 1, **facts})
        penalty = self.shared.method.penalty(self._binary)
        added = 0.0 if penalty is None else penalty.item()
        self.warnings += new_warnings(self.history, self.recipe, self.task, self.warnings, penalty=added)
        self._log(facts, images_per_second)
        self.seconds += time.monotonic() - self._started

    def _log(self, facts: dict[str, Any], images_per_second: float) -> None:
        numbers = {"stage": self._stage, "images_per_second": images_per_second}
        entries = {"epoch": self.current_epoch, **log_entries(facts), **numbers}
        for logger in self.loggers:
            logger.log_metrics(entries, self.global_step - 1)
            logger.save()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        kept = {"history": self.history, "warnings": self.warnings, "seconds": self.seconds}
        state = {"recipe": self.recipe.to_dict(), **kept}
        checkpoint[STATE] = {**self.facts, **state}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history = list(checkpoint[STATE]["history"])
        self.warnings = list(checkpoint[STATE].get("warnings", []))
        self.seconds = checkpoint[STATE]["seconds"]


class _WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint completely or not at all.

    It is made in memory: on a full disk, torch ends with an error of its own that does not name the system's reason,
    and it writes the name of a file into that file.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with atomic_write(path, "Checkpoint") as part:
            part.write_bytes(content.getbuffer())


class _EachEpoch(Checkpoint):
    """Shows steps; saves a checkpoint after each complete epoch, and reports the epoch.

    Lightning calls a `Checkpoint` after the module's own hooks, so it saves what they changed.
    """

    def __init__(self, path: Path, progress: TrainingProgress, watch: Callable[[], None]) -> None:
        self._path = path
        self._progress = progress
        self._watch = watch

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._progress.start_epoch(trainer.current_epoch + 1, trainer.num_training_batches)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *step: Any) -> None:
        _, (images, _), _ = step
        if self._progress.step(len(images)):
            self._progress.show_loss(pl_module.recent_loss())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.save_checkpoint(self._path)
        epoch = pl_module.history[-1]
        self._progress.show(epoch)
        for warning in pl_module.warnings:
            if warning["epoch"] == epoch["epoch"]:
                self._progress.note(f"warning: {warning['text']}")
        self._watch()


def fit(
    run: TrainingRun,
    checkpoint: Path,
    *,
    machine: Machine,
    until: int | None = None,
    progress: bool,
    watch: Callable[[], None],
) -> None:
    """Train a run up to its recipe's epochs, starting from `checkpoint` if it exists, and keep that up to date.

    Parameters
    ----------
    until : the epoch after which it stops, of the recipe's; not before the checkpoint's
    watch : called after each epoch

    Raises
    ------
    KeyboardInterrupt
        The user interrupted; the checkpoint is that of the last complete epoch.
    InputError
        The loss is no finite number; or a file cannot be written, and the checkpoint is that of an earlier epoch.
    """
    recipe = run.recipe
    interrupt_handler = signal.getsignal(signal.SIGINT)
    with (
        quiet(),
        quiet_log_writer(),
        threads(recipe.threads),
        compiler(recipe),
        memory_kept(),
        TrainingProgress(recipe.name, recipe.epochs, figure=run.task.figure, shown=progress) as shown,
    ):
        for note in (*run.facts["layers"], *(f"left out: {each}" for each in run.facts["broken"])):
            shown.note(note)
        trainer = Trainer(
            max_epochs=recipe.epochs if until is None else min(until, recipe.epochs),
            accelerator="gpu" if machine.has_gpu else "cpu",
            devices=machine.devices,
            num_nodes=machine.nodes,
            strategy=_strategy(run, machine),
            precision=recipe.precision,
            gradient_clip_val=recipe.clip_gradient or None,
            deterministic="warn" if machine.has_gpu else True,  # a few operations of torch have no such form on a GPU
            reload_dataloaders_every_n_epochs=1,
            logger=_loggers(checkpoint.parent),
            log_every_n_steps=1,
            callbacks=[_EachEpoch(checkpoint, shown, watch)],
            plugins=[_WholeFiles()],
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        run.train()  # networks may share constants, which an evaluation elsewhere may have put into evaluation mode
        try:
            trainer.fit(run, ckpt_path=checkpoint if checkpoint.exists() else None, weights_only=True)
        except SystemExit as error:  # Lightning raises it after Ctrl-C, and ignores further interrupts from then on
            signal.signal(signal.SIGINT, interrupt_handler)
            raise KeyboardInterrupt from error
        except OSError as error:
            folder = str(checkpoint.parent)
            raise InputError(f"Output folder {folder!r} must be writable, not: {error.strerror}; {_RESUME}") from error
        except InputError as error:
            if isinstance(error.__cause__, OSError):
                raise InputError(f"{error}; {_RESUME}") from error
            raise


def _strategy(run: TrainingRun, machine: Machine) -> DDPStrategy | str:
    """Return how several processes train together; in some stages of a method no loss depends on some parameters."""
    if machine.processes == 1:
        return "auto"
    return DDPStrategy(find_unused_parameters=len(run.shared.method.stages()) > 1)


def _loggers(folder: Path) -> list[Logger]:
    """Return a CSV log and one for TensorBoard. Each start and resume has a version."""
    import_module("tensorboard")  # where it is missing, the error has its name; Lightning's has none
    csv = CSVLogger(folder, name="log")
    return [csv, TensorBoardLogger(folder, name="log", version=csv.version)]
