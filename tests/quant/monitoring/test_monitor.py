"""The figures of an epoch, compared with their definitions written out, and with networks of which they are known."""

import copy
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from quant.estimators import signs
from quant.methods import METHODS, BinaryLinear, BinarySign, Shared, load, shared_of
from quant.models import build
from quant.monitoring import Monitor, log_entries
from quant.monitoring._observer import Observer, smoothed
from quant.recipes import ConvolutionalRecipe, DenseRecipe
from quant.tasks import task_of

pytestmark = pytest.mark.train

IMAGES = torch.from_numpy(np.random.default_rng(1).random((300, 1, 4, 4), np.float32))
LABELS = torch.arange(300) % 3
TASK = task_of("classify", 3, (4, 4))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Use one thread, as a training does: threads that wait for each other cost more than such small layers."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rows(chosen: Tensor) -> tuple[Tensor, Tensor]:
    return IMAGES[chosen], LABELS[chosen]


def network(method: str = "bnn", **options: Any) -> nn.Module:
    torch.manual_seed(5)
    recipe = DenseRecipe(name="dense", dataset="mnist", hidden=(8, 6), epochs=1, method=method, options=options)
    return build(recipe, (1, 4, 4), 3)


def monitor(module: nn.Module) -> Monitor:
    return Monitor(module, TASK, rows, len(IMAGES), 64)


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("method", METHODS)
def test_watching_changes_nothing(method: str) -> None:
    module = network(method).train()
    before, drawn = state(module), torch.get_rng_state()
    watching = monitor(module)
    watching.start()
    figures = watching.figures()
    assert module.training
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert "binary_activation" not in vars(shared_of(module).method)
    assert figures == watching.figures()  # and they are the same again
    assert set(figures["flips"]) == set(figures["positive"]) == {"fc0", "fc1", "fc2"}
    assert set(figures["flips"].values()) == {0.0}


def test_flips_and_saturation_of_weights_are_counted() -> None:
    module = network()
    layer = module.get_submodule("fc1")
    assert isinstance(layer, BinaryLinear)
    watching = monitor(module)
    with torch.no_grad():
        layer.weight.fill_(0.25)
        layer.weight[0] = 0.0  # sign(0) is +1
    watching.start()
    with torch.no_grad():
        layer.weight[:2, :3] = -1.0
        layer.weight[2, 0] = 1.0
        layer.weight[3, 0] = -0.0
    figures = watching.figures()
    assert figures["flips"] == {"fc0": 0.0, "fc1": 6 / 48, "fc2": 0.0}
    assert figures["positive"]["fc1"] == 42 / 48
    assert figures["weights_saturated"]["fc1"] == 7 / 48
    assert figures["weights_saturated"]["fc0"] == 0.0  # one weight is the largest, and at no bound


def test_weights_without_a_gradient_are_saturated() -> None:
    module = network("bireal")
    layer = module.get_submodule("fc1")
    assert isinstance(layer, BinaryLinear)
    with torch.no_grad():
        layer.weight.fill_(0.5)
        layer.weight[0, :4] = torch.tensor([1.5, -2.5, 1.25, -1.75])
    watching = monitor(module)
    watching.start()
    assert watching.figures()["weights_saturated"]["fc1"] == 4 / 48


def test_saturation_of_activations_is_that_of_the_values_before_the_sign() -> None:
    module = network().train()
    expected = copy.deepcopy(module)
    taken = torch.linspace(0, 299, 300).round().long()[::5]  # 60 of 300, for steps of 64
    values = {}
    with torch.no_grad():
        outputs, _ = rows(taken)
        for name, child in expected.named_children():
            if name.startswith("sign"):
                values[name] = float((outputs.abs() > 1).float().mean())
            outputs = child(outputs)
    watching = monitor(module)
    watching.start()
    found = watching.figures()["activations_saturated"]
    assert set(found) == {"sign0", "sign1"}
    assert found == pytest.approx(values)


def test_a_channel_that_never_changes_is_dead() -> None:
    module = network()
    norm = module.get_submodule("norm0")
    with torch.no_grad():
        norm.bias[:3] = torch.tensor([100.0, -100.0, 100.0])
        norm.weight[3], norm.bias[3] = 0.0, 0.0  # sign(0) is +1 everywhere
    watching = monitor(module)
    watching.start()
    dead = watching.figures()["dead"]
    assert dead["sign0"] == 4 / 8
    assert set(dead) == {"sign0", "sign1"}  # pixels are no channels that learn


def test_training_accuracy_is_that_of_evaluation() -> None:
    module = network()
    with torch.no_grad():
        hits = module.eval()(IMAGES).argmax(1) == LABELS
    module.train()
    watching = monitor(module)
    watching.start()
    assert watching.figures()["training_accuracy"] == int(hits.sum()) / 300


def test_mismatch_is_one_minus_the_cosine_with_the_gradient_of_a_hard_tanh() -> None:
    module = network().train()
    taken = torch.arange(0, 300, 5)
    gradients = []
    for smooth in (False, True):
        copied = copy.deepcopy(module)
        if smooth:
            for name in ("sign0", "sign1"):
                setattr(copied, name, nn.Hardtanh())
        images, labels = rows(taken)
        nn.functional.cross_entropy(copied(images), labels).backward()
        gradients.append(
            {name: p.grad.double().flatten() for name, p in copied.named_parameters() if p.grad is not None}
        )
    watching = monitor(module)
    watching.start()
    found = watching.figures()["mismatch"]
    for name in ("fc0", "fc1", "fc2"):
        left, right = (gradient[f"{name}.weight"] for gradient in gradients)
        cosine = float(left @ right / left.norm() / right.norm())
        assert found[name] == pytest.approx(1 - cosine, abs=2e-3)  # the table has 256 points in 1
        assert 0.001 < found[name] < 1


def test_without_signs_between_layers_there_is_no_mismatch() -> None:
    shared = Shared(load("bnn", {}))
    layers = OrderedDict(flat=nn.Flatten(), binarize=BinarySign(shared=shared), fc0=BinaryLinear(16, 3, shared=shared))
    watching = monitor(nn.Sequential(layers))
    watching.start()
    assert set(watching.figures()) == {"flips", "positive", "weights_saturated", "training_accuracy"}


def test_weights_of_several_bits_have_no_signs() -> None:
    recipe = ConvolutionalRecipe(
        name="c", dataset="mnist", hidden=(), epochs=1, convolutions=(4,), weight_bits=2, activation_bits=2
    )
    watching = monitor(build(recipe, (1, 4, 4), 3))
    watching.start()
    assert set(watching.figures()) == {"training_accuracy"}


FUNCTIONS = {
    "bnn": lambda x: x.clamp(-1, 1),
    "bireal": lambda x: torch.where(x.abs() < 1, 2 * x - x * x.abs(), x.sign()),
    "dorefa": lambda x: (2 * x).clamp(-1, 1),
}


@pytest.mark.parametrize("method", FUNCTIONS)
def test_the_smooth_function_has_the_slope_of_the_estimator(method: str) -> None:
    chosen = load(method, {})
    values = torch.cat((torch.linspace(-20, 20, 1001), torch.tensor([0.0, -0.0, 1.0, -1.0, 8.0, -8.0])))
    found = smoothed(chosen.binary_activation, Shared(chosen).clock, values)
    torch.testing.assert_close(found, FUNCTIONS[method](values), rtol=0, atol=5e-3)
    assert found[values == 0].tolist() == [0.0] * int((values == 0).sum())


def test_an_observed_network_computes_the_same() -> None:
    module = network("react", first_share=0.0).train()
    expected = copy.deepcopy(module)(IMAGES)
    observer = Observer(module)
    assert torch.equal(observer.network(IMAGES), expected)
    observer.smooth = True
    assert not torch.equal(observer.network(IMAGES), expected)
    assert signs(expected).shape == expected.shape


def test_a_stage_with_several_bits_has_no_mismatch() -> None:
    module = network("ctmq").train()
    watching = monitor(module)
    watching.start()
    assert {"mismatch", "activations_saturated", "dead"}.isdisjoint(watching.figures())
    clock = shared_of(module).clock
    clock.stage = 3  # one bit
    assert set(watching.figures()["mismatch"]) == {"fc0", "fc1", "fc2"}


def test_the_clock_is_recorded() -> None:
    module = network("recu")
    shared = shared_of(module)
    shared.clock.set(shared.method, 0.5, 0)
    watching = monitor(module)
    watching.start()
    assert watching.figures()["clock"] == {"quantile": pytest.approx(shared.method.schedule(0.5)["quantile"])}


def test_numbers_of_layers_are_logged_by_name() -> None:
    figures = {"loss": 1.5, "stage": "train", "flips": {"fc0": 0.25, "block0.conv": 0.5}, "clock": {}}
    assert log_entries(figures) == {"loss": 1.5, "flips/fc0": 0.25, "flips/block0.conv": 0.5}


def test_a_stage_with_real_weights_has_no_dead_channels() -> None:
    module = network("react").train()
    watching = monitor(module)
    watching.start()
    assert "dead" not in watching.figures()
    shared_of(module).clock.stage = 1
    assert set(watching.figures()["dead"]) == {"sign0", "sign1"}
