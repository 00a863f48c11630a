"""Outputs and gradients of every method are those of the written-out formulas, in double precision.

Weights and inputs contain exact zeros and the exact borders of windows.
"""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from quant.methods import METHODS, BinaryConv1d, BinaryConv2d, BinaryLinear, BinarySign, Method, Shared
from quant.methods import load as load_method
from tests.quant.methods.oracles import ORACLES, Array, At, Geometry, Pulled

pytestmark = pytest.mark.train

#: All methods, and constants beside the defaults.
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in METHODS),
    ("xnor", {"centred": True}),
    ("xnor", {"full_gradient": True}),
    ("xnor", {"centred": True, "full_gradient": True}),
    ("irnet", {"first": 0.1, "last": 2.0}),
    ("react", {"first_share": 0.0}),
    ("fda", {"omega": 0.7, "terms": 3}),
    ("biper", {"phase": 0.0, "frequency": 3.0}),
    ("bbc", {"hidden": 5}),
    ("flw", {"wiring": "gradient", "first": 1.0}),
    ("flw", {"wiring": "balanced"}),
    ("flw", {"wiring": "twice"}),
    ("fda", {"noise": 0.1}),
    ("fda", {"noise": 0.5, "bottleneck": 4}),
    ("repairs", {"feature_binarizer": "steeper", "feature_normalization": "shift"}),
    ("repairs", {"feature_binarizer": "clipped", "feature_normalization": "none"}),
    ("repairs", {"feature_normalization": "frame"}),
    ("ctmq", {"bits": 2, "cycles": 1}),
]

#: The layer, the shape of its inputs, and the same for the oracle.
LAYERS: dict[str, tuple[Any, tuple[int, ...], Geometry]] = {
    "dense": (
        lambda shared: BinaryLinear(20, 4, shared=shared),
        (3, 20),
        Geometry((3, 20, 1, 1), 4),
    ),
    "signal": (
        lambda shared: BinaryConv1d(4, 4, 3, padding=2, dilation=2, groups=2, shared=shared),
        (2, 4, 7),
        Geometry((2, 4, 1, 7), 4, (1, 3), padding=(0, 2), dilation=2, groups=2),
    ),
    "plain": (
        lambda shared: BinaryConv2d(3, 4, 3, padding=1, stride=2, shared=shared),
        (2, 3, 5, 6),
        Geometry((2, 3, 5, 6), 4, (3, 3), stride=2, padding=(1, 1)),
    ),
    "groups": (
        lambda shared: BinaryConv2d(4, 6, (3, 2), groups=2, shared=shared),
        (2, 4, 4, 3),
        Geometry((2, 4, 4, 3), 6, (3, 2), groups=2),
    ),
    "dilated": (
        lambda shared: BinaryConv2d(2, 3, 3, padding=2, dilation=2, shared=shared),
        (2, 2, 5, 5),
        Geometry((2, 2, 5, 5), 3, (3, 3), padding=(2, 2), dilation=2),
    ),
}

#: Zeros and borders; their mean is 0, so centred weights of a filter that begins with them are the same.
BORDERS = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 4.0, -4.0)


def with_borders(shape: tuple[int, ...], seed: int) -> Array:
    """Return random numbers; the first row has borders and zeros, and the last the numbers just beyond borders."""
    values = np.random.default_rng(seed).normal(0, 0.7, shape)
    rows = values.reshape(shape[0], -1)
    rows[0] = 0
    rows[0, : len(BORDERS)] = BORDERS[: rows.shape[1] // 2 * 2]
    rows[-1, :4] = np.nextafter([1.0, -1.0, 0.5, -0.5], [2.0, -2.0, 1.0, -1.0])
    return values


def at_place(method: Method, make: Any, channels: int, place: tuple[float, int]) -> nn.Sequential:
    """Return signs and a layer in double precision, at a progress and a stage of the training."""
    shared = Shared(method)
    network = nn.Sequential(BinarySign(channels, shared=shared), make(shared)).double()
    random = np.random.default_rng(5)
    with torch.no_grad():
        network[1].weight.copy_(torch.from_numpy(with_borders(tuple(network[1].weight.shape), 1)))
        if network[0].threshold is not None:
            network[0].threshold.copy_(torch.from_numpy(random.choice([0.0, 0.25, -0.5], channels)))
        for parameter in () if network[0].before is None else network[0].before.parameters():
            parameter.copy_(torch.from_numpy(random.choice([0.5, 0.25, -0.5], channels)))
        if hasattr(network[1], "factors"):
            network[1].factors.copy_(torch.from_numpy(random.normal(0, 1, network[1].neurons)))
        if shared.classifier is not None:
            shared.classifier.double()
            if not getattr(method, "hidden", 0):  # windows that end at 2 and 4
                shared.classifier.weight.copy_(torch.tensor([0.5, 0.25]))
    shared.clock.set(method, *place)
    for name, value in method.schedule(place[0]).items():
        shared.clock.values[name] = torch.tensor(value, dtype=torch.float64)
    return network.train()


def facts_of(network: nn.Sequential, place: tuple[float, int]) -> At:
    """Return what the oracle needs to know of a network."""
    sign, layer = network
    at = At(layer.shared.method, *place)
    if hasattr(layer, "factors"):
        at.factors = layer.factors.detach().numpy()
    if hasattr(layer, "frequency"):
        at.frequency = layer.frequency.item()
    if layer.shared.classifier is not None:
        at.classifier = tuple(each.detach().numpy() for each in layer.shared.classifier.parameters())
    if sign.threshold is not None:
        at.threshold = sign.threshold.detach().numpy()
    if sign.before is not None:
        at.before = tuple(each.detach().numpy() for each in sign.before.parameters())
    if hasattr(sign, "noise_first"):
        at.noise = tuple(
            (each.noise_first.detach().numpy(), each.noise_second.detach().numpy()) for each in (layer, sign)
        )
    return at


def expected(name: str, at: At, geometry: Geometry, weight: Array, inputs: Array, gradient: Array) -> Pulled:
    """Return outputs and all gradients by the oracle."""
    of_weights, of_activations = ORACLES[name]
    weights, activations = of_weights(weight.reshape(len(weight), -1), at), of_activations(inputs, at)
    passed = geometry.of_inputs(weights.forward, gradient)
    if weights.backward is not None:
        passed = weights.joined(passed, geometry.of_inputs(weights.backward, gradient))
    return {
        "outputs": geometry.outputs(activations.forward, weights.forward),
        **weights.pull(geometry.of_weights(activations.forward, gradient)),
        **activations.pull(passed),
    }


def found(network: nn.Sequential, inputs: Array, gradient: Array) -> Pulled:
    """Return outputs and all gradients by our layers."""
    sign, layer = network
    given = torch.from_numpy(inputs).requires_grad_()
    outputs = network(given)
    outputs.backward(torch.from_numpy(gradient).reshape(outputs.shape))
    named = {"inputs": given, **dict(layer.named_parameters())}
    named |= {f"sign {name}": each for name, each in sign.named_parameters()}
    if layer.shared.classifier is not None:
        named |= {f"classifier {index}": each for index, each in enumerate(layer.shared.classifier.parameters())}
    gradients = {key: each.grad.numpy() for key, each in named.items()}
    return {"outputs": outputs.detach().numpy(), **gradients}


def places(method: Method) -> list[tuple[float, int]]:
    """Return start, three tenths and end of a training of one stage, or the start of each stage and the end."""
    stages = method.stages()
    if len(stages) == 1:
        return [(progress, 0) for progress in (0.0, 0.3, 1.0)]
    starts = np.cumsum([0.0, *(stage.share for stage in stages)])
    return [(float(starts[index]), index) for index in range(len(stages))] + [(1.0, len(stages) - 1)]


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=[f"{name}{options or ''}" for name, options in VARIANTS])
def test_outputs_and_gradients_are_those_of_the_formulas(name: str, options: dict[str, Any], kind: str) -> None:
    method = load_method(name, options)
    make, shape, geometry = LAYERS[kind]
    inputs = with_borders(geometry.shape, 2)
    pixels = geometry.places.shape[2]
    gradient = np.random.default_rng(3).normal(size=(len(inputs), geometry.filters, pixels))
    runs = [(place, run) for place in places(method) for run in range(2 if options.get("wiring") == "twice" else 1)]
    for place, run in runs:
        network = at_place(method, make, shape[1], place)
        network[1].shared.clock.run = run
        weight = network[1].weight.detach().numpy().copy()
        at = replace(facts_of(network, place), run=run)
        wanted = expected(name, at, geometry, weight, inputs, gradient)
        got = found(network, inputs.reshape(shape), gradient)
        assert got.keys() == wanted.keys()
        for key, values in wanted.items():
            np.testing.assert_allclose(
                got[key].reshape(values.shape), values, rtol=1e-10, atol=1e-10, err_msg=f"{key} at {place}, run {run}"
            )


def test_every_method_has_an_oracle() -> None:
    assert ORACLES.keys() == METHODS.keys()


def test_recu_passes_the_gradient_at_the_border_of_its_clamp() -> None:
    """With weights of one size and a quantile of 1, all of them are exactly at the border."""
    shared = Shared(load_method("recu"))
    layer = BinaryLinear(8, 2, shared=shared).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.5, -0.5]).repeat(2, 4))
    shared.clock.values["quantile"].fill_(1.0)
    values = shared.method.latent(layer)
    assert torch.equal(values.abs(), values.abs().mean().expand(2, 8))
    values.backward(torch.tensor([[1.0, 0, 0, 0, 0, 0, 0, 0]] * 2, dtype=torch.float64))
    at_border = layer.weight.grad
    shared.clock.values["quantile"].fill_(10.0)
    layer.weight.grad = None
    shared.method.latent(layer).backward(torch.tensor([[1.0, 0, 0, 0, 0, 0, 0, 0]] * 2, dtype=torch.float64))
    assert at_border is not None
    assert torch.equal(at_border, layer.weight.grad)


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=[f"{name}{options or ''}" for name, options in VARIANTS])
def test_a_filter_of_equal_weights_has_finite_numbers(name: str, options: dict[str, Any]) -> None:
    """A whole layer of such filters, and one of them among others."""
    method = load_method(name, options)
    for value in (0.0, -0.3, 1e-30):
        for others, place in product((torch.full((2, 3, 3, 3), value), torch.randn(2, 3, 3, 3)), places(method)):
            torch.manual_seed(0)
            shared = Shared(method)
            shared.clock.set(method, *place)
            layer = BinaryConv2d(3, 3, 3, shared=shared)
            with torch.no_grad():
                layer.weight.copy_(torch.cat((torch.full((1, 3, 3, 3), value), others)))
            outputs = layer(torch.randn(2, 3, 4, 4).sign())
            outputs.backward(torch.randn(outputs.shape))
            weights, factors = layer.final()
            assert layer.weight.grad is not None
            for numbers in (outputs, layer.weight.grad, weights, torch.ones(()) if factors is None else factors):
                assert numbers.isfinite().all()


@pytest.mark.parametrize("name", ["irnet", "recu"])
def test_a_filter_of_equal_weights_can_become_another(name: str) -> None:
    """Its standardized weights are 0, so their signs +1, and it has the gradient of a filter with a deviation of 1."""
    shared = Shared(load_method(name))
    shared.clock.set(shared.method, 1.0, 0)
    layer = BinaryLinear(6, 2, shared=shared).double()
    with torch.no_grad():
        layer.weight[0] = 0.3
    values = shared.method.latent(layer)
    assert values[0].tolist() == [0.0] * 6
    weights, factors = layer.final()
    assert weights[0].tolist() == [1.0] * 6
    assert factors is not None
    assert name == "recu" or factors[0] == 1
    arriving = torch.arange(6.0, dtype=torch.float64)
    values.backward(torch.stack((arriving, torch.zeros(6))))
    assert layer.weight.grad is not None
    size = 2 * 2**0.5 if name == "recu" else 1.0
    torch.testing.assert_close(layer.weight.grad[0], (arriving - arriving.mean()) * size)


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=[f"{name}{options or ''}" for name, options in VARIANTS])
def test_bfloat16_for_products_changes_no_sign(name: str, options: dict[str, Any]) -> None:
    """Signs and their sums up to 256 are exact in bfloat16; gradients stay close, and have the weights' type."""
    results = []
    for mixed in (False, True):
        torch.manual_seed(1)
        method = load_method(name, options)
        shared = Shared(method)
        network = nn.Sequential(BinarySign(20, shared=shared), BinaryLinear(20, 4, shared=shared)).train()
        shared.clock.set(method, 1.0, len(method.stages()) - 1)
        inputs = torch.randn(6, 20).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            outputs = network(inputs)
        (outputs.float() * torch.randn(6, 4)).sum().backward()
        results.append((outputs.detach().float(), inputs.grad, network[1].weight.grad))
    (outputs, *gradients), (mixed_outputs, *mixed_gradients) = results
    assert torch.equal(outputs, mixed_outputs)
    for plain, other in zip(gradients, mixed_gradients, strict=True):
        assert other.dtype == torch.float32
        assert float((plain - other).norm() / plain.norm()) < 0.02
