"""Compiled steps: torch captures each network and method as one graph, and its values and gradients are the same."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dataflow import InputError
from quant.methods import METHODS, load, shared_of
from quant.models import build
from quant.recipes import DenseRecipe, OwnRecipe, Recipe, ResidualRecipe
from quant.training import train

pytestmark = [
    pytest.mark.train,
    # torch's compiler does both itself.
    pytest.mark.filterwarnings("ignore:.*Function'> should not be instantiated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"),
]

RESIDUAL = ResidualRecipe(name="tiny", dataset="cifar10", epochs=8, widths=(4,), depth=1)
DENSE = DenseRecipe(
    name="tiny", dataset="mnist-sample", hidden=(8,), epochs=2, batch_size=100, validation=300, shift=1, seed=3
)


def gradients(network: nn.Module, stage: int, *, captured: bool) -> tuple[Tensor, dict[str, Tensor | None]]:
    """Return the loss of a batch in a stage of the network's method, and the gradients of all parameters."""
    network = copy.deepcopy(network)
    shared = shared_of(network)
    shared.clock.set(shared.method, (stage + 0.5) / len(shared.method.stages()), stage)
    torch.manual_seed(1)
    images, labels = torch.rand(3, 3, 8, 8).to(memory_format=torch.channels_last), torch.tensor([0, 3, 1])
    step = torch.compile(network, backend="aot_eager", fullgraph=True, dynamic=False) if captured else network
    torch.manual_seed(1)
    loss = shared.method.loss(step, images, labels, F.cross_entropy)
    loss.backward()
    return loss.detach(), {name: parameter.grad for name, parameter in network.named_parameters()}


def assert_captured(recipe: Recipe, stage: int) -> None:
    torch.manual_seed(0)
    network = build(recipe, (3, 8, 8), 4).to(memory_format=torch.channels_last).train()
    torch.compiler.reset()
    (loss, expected), (captured, found) = (gradients(network, stage, captured=each) for each in (False, True))
    assert torch.equal(captured, loss)
    for name, gradient in expected.items():
        if gradient is None:
            assert found[name] is None, name
        else:
            torch.testing.assert_close(found[name], gradient, rtol=1e-6, atol=1e-7, msg=name)


@pytest.mark.long
@pytest.mark.parametrize(
    ("method", "stage"), [(name, stage) for name in METHODS for stage in range(min(2, len(load(name).stages())))]
)
def test_each_method_and_stage_is_one_graph(method: str, stage: int) -> None:
    assert_captured(replace(RESIDUAL, method=method), stage)


@pytest.mark.parametrize(
    "recipe",
    [
        replace(RESIDUAL, after="prelu"),
        DenseRecipe(name="tiny", dataset="cifar10", hidden=(6,), epochs=1, weight_bits=2, activation_bits=2),
        DenseRecipe(name="tiny", dataset="cifar10", hidden=(6,), epochs=1, activation_bits=2, input_bits=8),
    ],
    ids=["streams", "2 bits", "2-bit activations"],
)
def test_layers_of_several_bits_are_one_graph(recipe: Recipe) -> None:
    assert_captured(recipe, 0)


@pytest.mark.long
def test_a_compiled_training_learns_the_same(tmp_path: Path) -> None:
    """Sums may be rounded otherwise, so the losses are equal only to a tolerance."""
    results = [
        train(replace(DENSE, compiled=compiled), out=tmp_path / str(compiled), progress=False)
        for compiled in (False, True)
    ]
    losses = [[epoch["loss"] for epoch in result.metrics["history"]] for result in results]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
    assert losses[1][1] < losses[1][0]
    assert json.loads(results[1].metrics_file.read_text())["recipe"]["compiled"] is True
    assert results[1].model.is_file()


class _Breaks(nn.Module):
    """A network whose way depends on a value."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(784, 10, bias=False)
        self.norm = nn.BatchNorm1d(10)

    def forward(self, images: Tensor) -> Tensor:
        flat = 2 * images.flatten(1) - 1
        scores: Tensor = self.norm(self.layer(-flat if flat.sum().item() < 0 else flat))
        return scores


def test_a_network_that_is_not_one_graph_is_refused(tmp_path: Path) -> None:
    recipe = OwnRecipe(name="mine", dataset="mnist-sample", epochs=1, batch_size=100, compiled=True)
    with pytest.raises(InputError, match=r"^Network must be one that torch compiles with compiled=true, not: \S.*"):
        train(recipe, network=_Breaks(), out=tmp_path / "run", lower_check=False, progress=False)
