"""The optimizer of a recipe, and its learning rate over the stages of a method."""

import math
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn

from dataflow import InputError
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

    There are such two for each factor of the recipe's `rates`. A method's classifier is a last group, which Adam trains
    with a rate of its own, whatever the recipe's optimizer.

    Raises
    ------
    InputError
        A pattern of `rates` fits no parameter.
    """
    main = _main_optimizer(recipe, _groups(recipe, network))
    if classifier is None:
        return main
    return _Together(main, torch.optim.Adam(classifier.parameters(), lr=CLASSIFIER_RATE))


def _groups(recipe: Recipe, network: nn.Module) -> list[dict[str, Any]]:
    named = dict(network.named_parameters())
    for pattern in recipe.rates:
        if not any(fnmatchcase(name, pattern) for name in named):
            raise InputError(f"Pattern of rates of recipe {recipe.name!r} must fit a parameter, not {pattern!r}")

    def factor(name: str) -> float:
        return next((rate for pattern, rate in recipe.rates.items() if fnmatchcase(name, pattern)), 1.0)

    groups = []
    for rate in dict.fromkeys([1.0, *recipe.rates.values()]):
        of_rate = [parameter for name, parameter in named.items() if factor(name) == rate]
        for decay, layers in ((recipe.weight_decay, True), (0.0, False)):
            chosen = [parameter for parameter in of_rate if (parameter.ndim > 1) == layers]
            groups.append(
                {"params": chosen, "lr": recipe.learning_rate * rate, "weight_decay": decay, "full_decay": decay}
            )
    return [group for index, group in enumerate(groups) if group["params"] or index < 2]


def _main_optimizer(recipe: Recipe, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    if recipe.optimizer == "sgd":
        momentum = recipe.momentum
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=momentum, nesterov=momentum > 0)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=recipe.learning_rate)


def stage_of(recipe: Recipe, method: Method, epoch: int) -> int:
    """Return the index of a method's stage in an epoch, from 0; without an epoch, a stage is left out."""
    return max(index for index, first in enumerate(method.first_epochs(recipe.epochs)) if first <= epoch)


def set_decay(optimizer: torch.optim.Optimizer, method: Method, stage: int) -> None:
    """Give the weights of layers the decay of a stage."""
    for group in optimizer.param_groups:
        if "full_decay" in group:
            group["weight_decay"] = group["full_decay"] * method.stages()[stage].decay


def rate_factors(
    recipe: Recipe, method: Method, optimizer: torch.optim.Optimizer, batches: int
) -> list[Callable[[int], float]]:
    """Return the functions from a step, from 0, to the factors of the groups' learning rates.

    Parameters
    ----------
    batches : steps of an epoch
    """
    steps = recipe.epochs * batches

    def classifier(step: int) -> float:
        return 0.1 ** sum(step >= part * steps for part in _CLASSIFIER_STEPS)

    main = _rate_factor(recipe, method, batches)
    return [main if "full_decay" in group else classifier for group in optimizer.param_groups]


def _rate_factor(recipe: Recipe, method: Method, batches: int) -> Callable[[int], float]:
    starts, stages = method.first_epochs(recipe.epochs), method.stages()
    ends = [*starts[1:], recipe.epochs]

    def factor(step: int) -> float:
        index = stage_of(recipe, method, min(step // batches, recipe.epochs - 1))
        first, last = starts[index] * batches, ends[index] * batches
        warm = recipe.warm_up * batches if first == 0 else 0.0
        if step < first + warm:
            return stages[index].rate * (step + 1) / (warm + 1)
        cycles = recipe.cycles * min(1.0, (step - first) / (last - first))
        cycle = min(int(cycles), recipe.cycles - 1)
        done = cycles - cycle
        falling = {
            "cosine": (1 + math.cos(math.pi * done)) / 2,
            "linear": 1 - done,
            "step": 0.1 ** sum(done >= milestone for milestone in recipe.milestones),
            "constant": 1.0,
        }
        return stages[index].rate * recipe.cycle_rate**cycle * falling[recipe.schedule]

    return factor
