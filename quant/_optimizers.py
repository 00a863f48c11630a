"""The optimizer of a recipe, and its learning rate over the stages of a method."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from quant.methods import Method
from quant.recipes import Recipe

__all__ = ["CLASSIFIER_RATE", "optimizer_of", "rate_factors", "set_decay", "stage_of"]

#: Learning rate of a classifier that layers share, and the parts of a training after which a tenth of it is left; in
#: BBC's code, epochs 70, 90, 100 and 110 of 120.
CLASSIFIER_RATE, _CLASSIFIER_STEPS = 1e-3, (70 / 120, 90 / 120, 100 / 120, 110 / 120)


class _Together(torch.optim.Optimizer):
    """Two optimizers as one, with the groups of both in their order, and one state for checkpoints."""

    def __init__(self, first: torch.optim.Optimizer, second: torch.optim.Optimizer) -> None:
        self._parts = first, second
        super().__init__([*first.param_groups, *second.param_groups], {})

    def step(self, closure: Any = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        groups = iter(self.param_groups)
        for part in self._parts:
            # Loading a checkpoint replaces groups and state of this optimizer, so the parts get them at each step.
            part.param_groups = [next(groups) for _ in part.param_groups]
            part.state = self.state
            part.step()
        return loss


def optimizer_of(recipe: Recipe, network: nn.Module, classifier: nn.Module | None) -> torch.optim.Optimizer:
    """Return the optimizer, with a group for weights of layers, which decay, and one for all other parameters.

    A method's classifier is a third group, which Adam trains with a rate of its own, whatever the recipe's optimizer.
    """
    layers = {id(p) for p in network.parameters() if p.ndim > 1}
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if id(p) in layers], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if id(p) not in layers], "weight_decay": 0.0},
    ]
    main = _main_optimizer(recipe, groups)
    if classifier is None:
        return main
    return _Together(main, torch.optim.Adam(classifier.parameters(), lr=CLASSIFIER_RATE))


def _main_optimizer(recipe: Recipe, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    if recipe.optimizer == "sgd":
        momentum = recipe.momentum
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=momentum, nesterov=momentum > 0)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=recipe.learning_rate)


def stage_of(recipe: Recipe, method: Method, epoch: int) -> int:
    """Return the index of a method's stage in an epoch, from 0; without an epoch, a stage is left out."""
    return max(index for index, first in enumerate(method.first_epochs(recipe.epochs)) if first <= epoch)


def set_decay(optimizer: torch.optim.Optimizer, recipe: Recipe, method: Method, stage: int) -> None:
    """Give the weights of layers the decay of a stage."""
    optimizer.param_groups[0]["weight_decay"] = recipe.weight_decay * method.stages()[stage].decay


def rate_factors(recipe: Recipe, method: Method, batches: int) -> list[Callable[[int], float]]:
    """Return the functions from a step, from 0, to the factors of the groups' learning rates.

    Parameters
    ----------
    batches : steps of an epoch
    """
    steps = recipe.epochs * batches

    def classifier(step: int) -> float:
        return 0.1 ** sum(step >= part * steps for part in _CLASSIFIER_STEPS)

    main = _rate_factor(recipe, method, batches)
    return [main, main, classifier] if method.classifier() is not None else [main, main]


def _rate_factor(recipe: Recipe, method: Method, batches: int) -> Callable[[int], float]:
    starts, stages = method.first_epochs(recipe.epochs), method.stages()
    ends = [*starts[1:], recipe.epochs]

    def factor(step: int) -> float:
        index = stage_of(recipe, method, min(step // batches, recipe.epochs - 1))
        first, last = starts[index] * batches, ends[index] * batches
        warm = recipe.warm_up * batches if first == 0 else 0.0
        if step < first + warm:
            return stages[index].rate * (step + 1) / (warm + 1)
        done = min(1.0, (step - first) / (last - first))
        falling = {"cosine": (1 + math.cos(math.pi * done)) / 2, "linear": 1 - done, "constant": 1.0}
        return stages[index].rate * falling[recipe.schedule]

    return factor
