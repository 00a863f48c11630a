"""Optimizers of recipes, and their learning rates over the stages of methods."""

import copy
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from dataflow import InputError
from quant._optimizers import CLASSIFIER_RATE, optimizer_of, rate_factors, set_decay, stage_of
from quant.methods import Method, load
from quant.models import build
from quant.recipes import DenseRecipe, Recipe

pytestmark = pytest.mark.train

RECIPE = DenseRecipe(name="some", dataset="mnist-sample", hidden=(6,), epochs=10, learning_rate=0.5, weight_decay=0.01)
BATCHES = 4


def rates(recipe: Recipe, method: Method) -> list[float]:
    """Return the factor of each step."""
    optimizer = optimizer_of(recipe, nn.Linear(3, 2), None)
    factor = rate_factors(recipe, method, optimizer, BATCHES)[0]
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


def test_steps_fall_to_a_tenth_at_each_milestone() -> None:
    found = rates(replace(RECIPE, schedule="step", milestones=(0.25, 0.5)), load("bnn"))
    assert found == pytest.approx([1.0] * 10 + [0.1] * 10 + [0.01] * 21)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "step", "constant"])
def test_each_cycle_is_a_training_of_its_own(schedule: str) -> None:
    once = rates(replace(RECIPE, schedule=schedule, epochs=5), load("bnn"))[:-1]
    found = rates(replace(RECIPE, schedule=schedule, cycles=2, cycle_rate=0.5), load("bnn"))
    assert found[:20] == once
    assert found[20:40] == pytest.approx([0.5 * rate for rate in once])
    assert found[40] == pytest.approx({"cosine": 0.0, "linear": 0.0, "step": 0.005, "constant": 0.5}[schedule])


def test_stages_have_cycles_each() -> None:
    method = load("biper")
    starts = method.first_epochs(RECIPE.epochs)
    assert len(starts) == 2
    found = rates(replace(RECIPE, cycles=2), method)
    tops = [step for step in range(1, 40) if found[step] > found[step - 1]]
    ends = [*starts, RECIPE.epochs]
    middles = [BATCHES * (first + last) // 2 for first, last in pairwise(ends)]
    assert set(middles) <= set(tops)


def test_parameters_have_factors_of_the_rate_by_name() -> None:
    network = build(RECIPE, (1, 4, 4), 3)
    recipe = replace(RECIPE, rates={"fc1*": 0.1, "fc*": 0.5, "norm0.bias": 0.0})
    optimizer = optimizer_of(recipe, network, None)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found = {names[id(each)]: group["lr"] for group in optimizer.param_groups for each in group["params"]}
    assert found == {
        **dict.fromkeys(names.values(), 0.5),
        **{"fc0.weight": 0.25, "fc1.weight": pytest.approx(0.05), "norm0.bias": 0.0},
    }
    factors = rate_factors(recipe, load("bnn"), optimizer, BATCHES)
    assert {factor(0) for factor in factors} == {1.0}
    with pytest.raises(InputError, match=r"^Pattern of rates of recipe 'some' must fit a parameter, not 'conv\*'$"):
        optimizer_of(replace(RECIPE, rates={"conv*": 0.1}), network, None)


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
        set_decay(optimizer, method, stage)
        decays.append((layers["weight_decay"], others["weight_decay"]))
    assert decays == [(0.01, 0.0), (pytest.approx(0.001), 0.0)]


def test_a_shared_classifier_has_a_rate_of_its_own() -> None:
    method = load("bbc")
    classifier: Any = method.classifier()
    optimizer = optimizer_of(RECIPE, nn.Linear(3, 2), classifier)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5, CLASSIFIER_RATE]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.0, 0.0]
    factor = rate_factors(RECIPE, method, optimizer, 100)[2]
    assert [factor(step) for step in (0, 583, 584, 750, 834, 917)] == pytest.approx([1, 1, 0.1, 0.01, 1e-3, 1e-4])


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_adam_trains_a_shared_classifier_beside_any_optimizer(kind: str) -> None:
    """Each part moves as it does alone, also after the state was stored and loaded."""
    recipe = replace(RECIPE, optimizer=kind)
    torch.manual_seed(0)
    layer, classifier = nn.Linear(3, 2), nn.Linear(2, 2, bias=False)
    alone = copy.deepcopy(layer), copy.deepcopy(classifier)
    together = optimizer_of(recipe, layer, classifier)
    main, adam = optimizer_of(recipe, alone[0], None), torch.optim.Adam(alone[1].parameters(), lr=CLASSIFIER_RATE)
    for step in range(6):
        if step == 3:
            stored = copy.deepcopy(together.state_dict())
            together = optimizer_of(recipe, layer, classifier)
            together.load_state_dict(stored)
        for group in (together.param_groups[0], main.param_groups[0]):
            group["lr"] = 0.5 / (step + 1)
        for group in (together.param_groups[2], adam.param_groups[0]):
            group["lr"] = CLASSIFIER_RATE / (step + 1)
        torch.manual_seed(step)
        for parameter, other in zip(_parameters(layer, classifier), _parameters(*alone), strict=True):
            parameter.grad = torch.randn(parameter.shape)
            other.grad = parameter.grad.clone()
        for optimizer in (together, main, adam):
            optimizer.step()
    for parameter, other in zip(_parameters(layer, classifier), _parameters(*alone), strict=True):
        assert torch.equal(parameter, other)


def _parameters(*modules: nn.Module) -> list[nn.Parameter]:
    return [parameter for module in modules for parameter in module.parameters()]


def test_the_last_stage_of_reactnet_has_no_decay() -> None:
    method = load("react")
    optimizer = optimizer_of(RECIPE, nn.Linear(3, 2), None)
    decays = []
    for stage in (0, 1, 0):
        set_decay(optimizer, method, stage)
        decays.append(optimizer.param_groups[0]["weight_decay"])
    assert decays == [0.01, 0.0, 0.01]
