"""Parts of single methods: thresholds, factors, penalties, classifiers, schedules, and what follows a layer."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from quant.methods import (
    METHODS,
    BinaryConv2d,
    BinaryLayer,
    BinaryLinear,
    BinarySign,
    Method,
    Shared,
    binary_layers,
    load,
)
from quant.methods._by_frame import by_frame
from quant.methods.bbc import LinearClassifier, PerceptronClassifier
from quant.methods.biper import BiPer, quantization_error
from tests.quant.methods.oracles import poly

pytestmark = pytest.mark.train


def shared_at(method: Method, progress: float) -> Shared:
    """Return what layers share, at a part of a training of 300 epochs."""
    shared = Shared(method)
    starts = method.first_epochs(300)
    stage = max(index for index, first in enumerate(starts) if first <= min(progress * 300, 299))
    shared.clock.set(method, progress, stage)
    return shared


def with_borders(layer: BinaryLayer) -> BinaryLayer:
    """Give a layer random weights of float64, some of them 0, 1 and -1, and factors of 1."""
    layer = layer.double()
    with torch.no_grad():
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(2)).mul(0.7))
        for index, value in enumerate((0.0, 1.0, -1.0, -0.0)):
            layer.weight[:, index % layer.weight.shape[1]].flatten()[0] = value
            layer.weight.flatten()[index] = value
        if "factors" in dict(layer.named_parameters()):
            layer.get_parameter("factors").fill_(1.0)
    return layer


@pytest.mark.parametrize("name", ["recu", "biper"])
def test_activations_by_the_deviation_of_their_frame(name: str) -> None:
    """The deviation only moves the window of the slope, and only in training."""
    sign = BinarySign(shared=shared_at(load(name), 0.3)).double().train()
    inputs = (3 * torch.randn(4, 3, 5, 5, dtype=torch.float64)).requires_grad_()
    outputs = sign(inputs)
    arriving = torch.randn(outputs.shape, dtype=torch.float64)
    outputs.backward(arriving)
    again = inputs.detach().clone().requires_grad_()
    divided = by_frame(again)
    slope = torch.from_numpy(poly(divided.detach().numpy()))
    divided.backward(arriving * slope)
    torch.testing.assert_close(inputs.grad, again.grad)
    frame = inputs.detach().numpy()[1]
    np.testing.assert_allclose(divided[1].detach().numpy(), frame / np.sqrt(frame.var(ddof=1) + 1e-5))
    assert torch.equal(sign.eval()(inputs), outputs)


def test_thresholds_are_learned() -> None:
    sign = BinarySign(3, shared=shared_at(load("react"), 1.0))
    assert sign.threshold is not None
    with torch.no_grad():
        sign.threshold.copy_(torch.tensor([0.5, 0.0, -0.5]))
    inputs = torch.tensor([[-0.5, -0.25, 0.25]]).requires_grad_()
    outputs = sign(inputs)
    outputs.backward(torch.ones_like(outputs))
    assert outputs.tolist() == [[1.0, -1.0, -1.0]]
    assert sign.threshold.grad is not None
    assert sign.threshold.grad.tolist() == [2.0, 1.5, 1.5]


@pytest.mark.parametrize("name", ["recu", "biper", "xnorplusplus"])
def test_learned_factors_get_the_sum_over_their_channel(name: str) -> None:
    layer = with_borders(BinaryLinear(12, 5, shared=shared_at(load(name), 1.0)))
    inputs = torch.randn(4, 12, dtype=torch.float64)
    outputs = layer(inputs)
    outputs.backward(torch.ones_like(outputs))
    torch.testing.assert_close(layer.get_parameter("factors").grad, outputs.detach().sum(0))


def test_bbcs_classifier_learns_from_all_layers() -> None:
    shared = shared_at(load("bbc"), 0.0)
    layers = [with_borders(BinaryLinear(12, 5, shared=shared)) for _ in range(2)]
    assert isinstance(shared.classifier, LinearClassifier)
    expected = np.zeros(2)
    for layer in layers:
        inputs = torch.randn(4, 12, dtype=torch.float64)
        outputs = layer(inputs)
        outputs.backward(torch.ones_like(outputs))
        w = layer.weight.detach().numpy()
        v = w - w.mean(1, keepdims=True)
        arriving = np.broadcast_to(inputs.numpy().sum(0), v.shape) * np.abs(v).mean(1, keepdims=True)
        expected += [(arriving * v * (np.abs(u * v) < 1)).sum() for u in (0.4, 0.6)]
    assert shared.classifier.weight.grad is not None
    np.testing.assert_allclose(shared.classifier.weight.grad.numpy(), expected, rtol=1e-5)


def test_bbcs_classifiers_start_with_a_positive_slope() -> None:
    values = torch.linspace(-0.1, 0.1, 21)
    for seed in range(50):
        torch.manual_seed(seed)
        for classifier in (LinearClassifier(), PerceptronClassifier(100)):
            outputs = classifier(values)
            assert outputs.shape == (21, 2)
            assert (outputs.diff(dim=0) > 0).all()


def test_bipers_error_has_the_papers_maximum() -> None:
    phases = np.linspace(0.05, 4, 4000)
    errors = [quantization_error(phase) for phase in phases]
    assert max(errors) == pytest.approx(0.102835, abs=5e-7)
    assert phases[int(np.argmax(errors))] == pytest.approx(0.954882, abs=2e-3)
    weights = np.random.default_rng(0).laplace(size=1_000_000)
    for phase in (0.3, 0.954882, 2.0):
        sine = np.sin(phase * weights)
        best = np.abs(sine).mean()
        assert quantization_error(phase) == pytest.approx(((best * sign_of(sine) - sine) ** 2).mean(), abs=1e-3)


def sign_of(values: np.ndarray) -> np.ndarray:
    return np.where(values >= 0, 1.0, -1.0)


@pytest.mark.parametrize("channels", [16, 32, 64])
def test_bipers_frequency_fits_narrow_layers(channels: int) -> None:
    layer = BinaryConv2d(channels, channels, 3, shared=Shared(BiPer()))
    phases = layer.get_buffer("frequency") * layer.weight
    assert float(phases.detach().std()) == pytest.approx(0.5, rel=1e-3)
    assert float((phases.abs() < np.pi / 2).float().mean()) > 0.99


def test_bipers_penalty() -> None:
    method = BiPer(phase=0.0, regularization=0.5)
    layers = [with_borders(BinaryLinear(12, 5, shared=shared_at(method, 0.0))) for _ in range(2)]
    penalty = method.penalty(layers)
    assert penalty is not None
    penalty.backward()
    w = layers[0].weight.detach().numpy()
    assert penalty.item() == pytest.approx(2 * 0.5 * (np.sin(20 * w) ** 2).mean())
    assert layers[0].weight.grad is not None
    np.testing.assert_allclose(layers[0].weight.grad.numpy(), 0.5 * 20 * np.sin(40 * w) / w.size, rtol=1e-6)
    assert BiPer().penalty(layers) is None


@pytest.mark.parametrize("progress", [0.9, 0.99, 1.0])
def test_flw_ends_as_bi_real(progress: float) -> None:
    """It is Bi-Real Net from nine tenths of the training on, so in its last steps too."""
    inputs = torch.randn(4, 12, dtype=torch.float64)
    for wiring in ("mixed", "gradient"):
        results = []
        for method in (load("flw", {"wiring": wiring}), load("bireal")):
            layer = with_borders(BinaryLinear(12, 5, shared=shared_at(method, progress)))
            outputs = layer(inputs)
            outputs.backward(torch.ones_like(outputs))
            results.append((outputs, layer.weight.grad))
        assert all(torch.equal(*pair) for pair in zip(*results, strict=True))


def test_flw_has_the_real_weights_gradient_in_part() -> None:
    """With m = 1/2 at the start: outputs are mixed, or only gradients are."""
    inputs = torch.randn(4, 12, dtype=torch.float64)
    for wiring in ("mixed", "gradient"):
        layer = with_borders(BinaryLinear(12, 5, shared=shared_at(load("flw", {"wiring": wiring}), 0.0)))
        outputs = layer(inputs)
        outputs.backward(torch.ones_like(outputs))
        w = layer.weight.detach()
        binary = F.linear(inputs, sign_of_tensor(w) * w.abs().mean(1, keepdim=True))
        real = F.linear(inputs, w)
        torch.testing.assert_close(outputs, (binary + real) / 2 if wiring == "mixed" else binary)
        arriving = inputs.sum(0).expand_as(w)
        inside = arriving * (w.abs() <= 1)
        wanted = (inside + arriving) / 2 if wiring == "mixed" else inside + arriving / 2
        torch.testing.assert_close(layer.weight.grad, wanted)


def sign_of_tensor(values: Tensor) -> Tensor:
    return torch.where(values >= 0, 1.0, -1.0).to(values.dtype)


def test_ctmq_has_fewer_levels_from_stage_to_stage() -> None:
    method = load("ctmq", {"bits": 3, "cycles": 2})
    assert [stage.name for stage in method.stages()] == ["3 bits", "2 bits", "1 bits"] * 2
    for stage, levels in enumerate([8, 4, 2] * 2):
        shared = Shared(method)
        shared.clock.set(method, 0.0, stage)
        values = BinarySign(shared=shared).train()(torch.linspace(-1, 2, 1001))
        assert len(values.unique()) == levels
        assert (values.min(), values.max()) == (0, 1)
        layer = BinaryLinear(200, 3, shared=shared)
        weights = layer.shared.method.binary_weight(layer.train(), layer.weight)
        assert len(weights.unique()) == levels
        assert len(layer.eval().shared.method.binary_weight(layer, layer.weight).unique()) == 2


def test_bnn_clips_after_a_step() -> None:
    layer = BinaryLinear(12, 5, shared=Shared(load("bnn")))
    with torch.no_grad():
        layer.weight.mul_(3)
    layer.shared.method.after_step(layer)
    assert layer.weight.abs().max() == 1


@pytest.mark.parametrize("name", METHODS)
def test_a_channel_depends_on_no_other(name: str) -> None:
    """In evaluation another frame or filter moves nothing, and what follows a layer is a function of one number."""
    method = load(name)
    layer = BinaryConv2d(4, 6, 3, shared=shared_at(method, 1.0)).eval()
    after = method.after(6)
    inputs = torch.randn(3, 4, 7, 7)

    def outputs() -> Tensor:
        results: Tensor = layer(BinarySign(4, shared=layer.shared).eval()(inputs))
        return results if after is None else after.eval()(results)

    with torch.no_grad():
        before = outputs()
        inputs[2] *= -1
        if name not in ("dorefa", "ctmq", "recu"):  # one mean of sizes for the layer, which is a constant at the end
            layer.weight[5] *= -3
        changed = outputs()
    assert torch.equal(before[:2, :5], changed[:2, :5])
    assert not torch.equal(before[2], changed[2])


def test_layers_of_a_copy_share_too() -> None:
    shared = Shared(load("bbc"))
    network = torch.nn.Sequential(BinaryLinear(4, 3, shared=shared), BinaryLinear(3, 2, shared=shared))
    copied = binary_layers(copy.deepcopy(network))
    assert copied[0].shared is copied[1].shared
    assert copied[0].shared is not shared


@pytest.mark.parametrize("name", METHODS)
def test_a_state_is_loaded_as_it_was_stored(name: str) -> None:
    """The state has all that a layer needs in evaluation, such as BiPer's frequency."""
    method = load(name)
    networks = []
    for _ in range(2):
        shared = shared_at(method, 1.0)
        networks.append(torch.nn.Sequential(BinarySign(4, shared=shared), BinaryLinear(4, 3, shared=shared)).eval())
    networks[1].load_state_dict(networks[0].state_dict())
    inputs = torch.randn(6, 4)
    assert torch.equal(networks[0](inputs), networks[1](inputs))
