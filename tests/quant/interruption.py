"""Trainings that are interrupted."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from quant._fitting import TrainingRun

__all__ = ["interrupted"]


@contextmanager
def interrupted(epoch: int, step: int) -> Iterator[None]:
    """Interrupt the training inside at a step of an epoch, both from 0, as Ctrl-C does."""
    training_step = TrainingRun.training_step

    def stops(run: TrainingRun, batch: tuple[torch.Tensor, torch.Tensor], index: int) -> torch.Tensor:
        if (run.current_epoch, index) == (epoch, step):
            raise KeyboardInterrupt
        return training_step(run, batch, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingRun, "training_step", stops)
        with pytest.raises(KeyboardInterrupt):
            yield
