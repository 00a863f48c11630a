"""A loss that is no number stops the training."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dataflow import InputError
from quant.recipes import Recipe

__all__ = ["require_finite"]


def require_finite(losses: Sequence[Tensor], recipe: Recipe, epoch: int, *, first: int = 0) -> None:
    """Check the losses of an epoch so far. On a GPU this waits for the last step, so it is not done in each.

    Parameters
    ----------
    losses : scalars, one for each step
    epoch : from 1
    first : number of the first of these steps in the epoch, from 0

    Raises
    ------
    InputError
        A loss is infinite or no number.
    """
    values = torch.stack(list(losses))
    if bool(values.isfinite().all()):
        return
    index = int((~values.isfinite()).nonzero()[0])
    kept = f" in another folder (--out); the checkpoint of epoch {epoch - 1} is kept" if epoch > 1 else ""
    raise InputError(
        f"Loss of step {first + index + 1} in epoch {epoch} must be a finite number, not {values[index].item()}: "
        f"{_remedies(recipe)}{kept}"
    )


def _remedies(recipe: Recipe) -> str:
    """Return what to try, by what the recipe has."""
    remedies = [f"a learning_rate below {recipe.learning_rate:g}"]
    if not recipe.clip_gradient:
        remedies.append("clip_gradient=1.0")
    if recipe.precision != "32-true":
        remedies.append("precision=32-true")
    if not recipe.warm_up:
        remedies.append("warm_up=1.0")
    *others, last = remedies
    return f"try {', '.join(others)}{' or ' if others else ''}{last} (--set)"
