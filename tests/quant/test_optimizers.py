"""Optimizers of recipes, and their learning rates over the stages of methods."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from quant._optimizers import CLASSIFIER_RATE, optimizer_of, rate_factors, set_decay, stage_of
from quant.methods import Method, load
from quant.models import build
from quant.recipes import Recipe

pytestmark = pytest.mark.train

RECIPE = Recipe("some", "mnist-sample", (6,), epochs=10, learning_rate=0.5, weight_decay=0.01)
BATCHES = 4


def rates(recipe: Recipe, method: Method) -> list[float]:
    """Return the factor of each step."""
    factor = rate_factors(recipe, method, BATCHES)[0]
    return [factor(step) for step in range(recipe.epochs * BATCHES + 1)]


def test_a_cosine_falls_to_0() -> None:
    found = rates(RECIPE, load("bnn"))
    assert (found[0], found[20], found[40]) == pytest.approx((1.0, 0.5, 0.0))
    assert found == sorted(found, reverse=True)


def test_other_schedules_and_the_warm_up() -> None:
    assert rates(replace(RECIPE, schedule="constant"), load("bnn")) == [1.0] * 41
    linear = rates(replace(RECIPE, schedule="linear", warm_up=2.0), load("bnn"))
    assert linear[:9] == pytest.approx([(step + 1) / 9 for step in range(8)] + [0.8])
    assert linear[40] == 0


def test_each_stage_starts_again() -> None:
    method = load("biper", {"first_share": 0.6})
    assert [stage_of(RECIPE, method, epoch) for epoch in (0, 5, 6, 9)] == [0, 0, 1, 1]
    found = rates(RECIPE, method)
    assert (found[0], found[24]) == (1.0, 0.2)
    assert found[23] < 0.01
    assert method.first_epochs(1) == [0, 0]
    assert stage_of(replace(RECIPE, epochs=1), method, 0) == 1


def test_only_weights_of_layers_decay() -> None:
    recipe = replace(RECIPE, method="biper", optimizer="sgd")
    network, method = build(recipe, (1, 4, 4), 3), load("biper")
    optimizer = optimizer_of(recipe, network, None)
    assert isinstance(optimizer, torch.optim.SGD)
    layers, others = optimizer.param_groups
    assert [tuple(each.shape) for each in layers["params"]] == [(6, 16), (3, 6)]
    assert len(layers["params"]) + len(others["params"]) == len(list(network.parameters()))
    decays = []
    for stage in range(2):
        set_decay(optimizer, recipe, method, stage)
        decays.append((layers["weight_decay"], others["weight_decay"]))
    assert decays == [(0.01, 0.0), (pytest.approx(0.001), 0.0)]


def test_a_shared_classifier_has_a_rate_of_its_own() -> None:
    method = load("bbc")
    classifier: Any = method.classifier()
    optimizer = optimizer_of(RECIPE, nn.Linear(3, 2), classifier)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5, CLASSIFIER_RATE]
    factor = rate_factors(RECIPE, method, 100)[2]
    assert [factor(step) for step in (0, 579, 580, 750, 830, 920)] == pytest.approx([1, 1, 0.1, 0.01, 1e-3, 1e-4])
