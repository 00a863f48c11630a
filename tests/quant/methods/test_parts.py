"""Parts of single methods: thresholds, factors, penalties, classifiers, schedules, and what follows a layer."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
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
    deployed,
    load,
)
from quant.methods._apart import Apart
from quant.methods._by_frame import by_frame
from quant.methods.bbc import LinearClassifier, PerceptronClassifier
from quant.methods.biper import BiPer, quantization_error
from quant.methods.nam import Attention
from tests.quant.methods import oracles
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
    for wiring in ("mixed", "gradient", "balanced"):
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


def test_flw_twice_adds_the_losses_of_both_runs_and_their_divergence() -> None:
    """One layer and its normalization, by formulas: each run has statistics and parameters of its own."""
    method = load("flw", {"wiring": "twice", "divergence": 0.75})
    shared = Shared(method)
    layer = with_borders(BinaryLinear(12, 5, shared=shared))
    network = nn.Sequential(layer, nn.BatchNorm1d(5).double()).train()
    method.prepare(network)
    apart = network[1]
    assert isinstance(apart, Apart)
    random = np.random.default_rng(1)
    with torch.no_grad():
        for parameter in apart.parameters():
            parameter.copy_(torch.from_numpy(random.normal(size=5)))
    inputs, labels = random.choice([-1.0, 1.0], (8, 12)), random.integers(0, 5, 8)
    loss = method.loss(network, torch.from_numpy(inputs), torch.from_numpy(labels), F.cross_entropy)
    loss.backward()

    w = layer.weight.detach().numpy()
    norms = [[each.detach().numpy() for each in norm.parameters()] for norm in (apart.first, apart.second)]
    weights = oracles.mean_size(w) * oracles.s(w), w
    runs = [oracles.batch_norm(inputs @ each.T, *norm) for each, norm in zip(weights, norms, strict=True)]
    logs = [scores - np.log(np.exp(scores).sum(1, keepdims=True)) for scores, _ in runs]
    chances, targets = [np.exp(each) for each in logs], np.eye(5)[labels]
    entropies = [-(targets * each).sum() / 8 for each in logs]
    divergence = (chances[1] * (logs[1] - logs[0])).sum() / 8
    assert loss.item() == pytest.approx(sum(entropies) + 0.75 * divergence)
    of_scores = (chances[0] - targets + 0.75 * (chances[0] - chances[1])) / 8, (chances[1] - targets) / 8
    (binary, *of_first), (real, *of_second) = (
        back(gradient) for (_, back), gradient in zip(runs, of_scores, strict=True)
    )
    wanted = (binary.T @ inputs) * oracles.inside(w) + real.T @ inputs
    for found, expected in ((layer, [wanted]), (apart.first, of_first), (apart.second, of_second)):
        for parameter, gradient in zip(found.parameters(), expected, strict=True):
            assert parameter.grad is not None
            np.testing.assert_allclose(parameter.grad.numpy(), gradient, atol=1e-12)
    for norm, each in ((apart.first, weights[0]), (apart.second, weights[1])):
        np.testing.assert_allclose(norm.running_mean, 0.1 * (inputs @ each.T).mean(0))
    assert shared.clock.run == 0
    assert torch.equal(network.eval()(torch.from_numpy(inputs)), apart.first(layer(torch.from_numpy(inputs))))
    assert isinstance(deployed(network)[1], nn.BatchNorm1d)


def test_flw_twice_is_one_run_again_after_an_error() -> None:
    method = load("flw", {"wiring": "twice"})
    layer = BinaryLinear(4, 3, shared=Shared(method))

    class Failing(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            assert layer.shared.clock.run == 0
            return inputs

    network = nn.Sequential(layer, Failing())
    with pytest.raises(AssertionError):
        method.loss(network, torch.ones(2, 4), torch.zeros(2, dtype=torch.int64), F.cross_entropy)
    assert layer.shared.clock.run == 0


@pytest.mark.parametrize("shape", [(6, 4), (3, 4, 5), (2, 4, 3, 3)])
def test_attention_by_the_channels_normalization(shape: tuple[int, ...]) -> None:
    """Values and gradients by formulas; a gate is at its bounds where the share times the normalized number is 2."""
    attention = Attention(4).double().train()
    random = np.random.default_rng(2)
    scale, offset = np.array([0.5, -1.5, 0.0, 2.0]), np.array([0.25, 6.0, -8.0, 0.0])
    with torch.no_grad():
        attention.norm.weight.copy_(torch.from_numpy(scale))
        attention.norm.bias.copy_(torch.from_numpy(offset))
    x, g = random.normal(size=shape), random.normal(size=shape)
    x.reshape(-1)[:2] = 0.0, -0.0
    inputs = torch.from_numpy(x).requires_grad_()
    outputs = attention(inputs)
    outputs.backward(torch.from_numpy(g))

    def wide(numbers: np.ndarray) -> np.ndarray:
        return numbers.reshape(-1, *[1] * (len(shape) - 2))

    axes, total = tuple(axis for axis in range(len(shape)) if axis != 1), np.abs(scale).sum()
    share = np.abs(scale) / total
    n, back = oracles.batch_norm(x, scale, offset)
    straight = wide(share) * n / 4 + 0.5
    gate = np.clip(straight, 0, 1)
    assert (gate == 1).any()
    assert (gate[:, 2] == 0.5).all()  # a share of 0
    np.testing.assert_allclose(outputs.detach().numpy(), x * gate, atol=1e-12)
    arriving = g * x * (np.abs(straight - 0.5) <= 0.5) / 4
    of_inputs, of_scale, of_offset = back(arriving * wide(share))
    of_share = (arriving * n).sum(axes)
    of_scale = of_scale + np.sign(scale) * (of_share / total - (of_share * np.abs(scale)).sum() / total**2)
    for parameter, gradient in (
        (inputs, g * gate + of_inputs),
        (attention.norm.weight, of_scale),
        (attention.norm.bias, of_offset),
    ):
        assert parameter.grad is not None
        np.testing.assert_allclose(parameter.grad.numpy(), gradient, atol=1e-12)
    final = attention.eval().at_inference()
    assert torch.equal(final(inputs), attention(inputs))


def test_the_gate_is_the_tangent_of_a_sigmoid() -> None:
    attention = Attention(64).double().eval()
    with torch.no_grad():
        attention.norm.weight.copy_(torch.rand(64, dtype=torch.float64) + 0.5)
    inputs = 3 * torch.randn(100, 64, dtype=torch.float64)
    arguments = 4 * attention.slope() * attention.norm(inputs)
    differences = (attention(inputs) - inputs * torch.sigmoid(arguments)).abs() - 1e-15
    assert (differences <= inputs.abs() * arguments.abs() ** 3 / 48).all()
    with torch.no_grad():
        attention.norm.weight.zero_()
    assert torch.equal(attention(inputs), inputs / 2)


def test_fdas_noise_is_of_training_and_fades() -> None:
    method = load("fda", {"noise": 0.1})
    layers = []
    for progress in (0.0, 0.5, 0.95, 1.0):
        torch.manual_seed(0)
        shared = shared_at(method, progress)
        layers.append(torch.nn.Sequential(BinarySign(12, shared=shared), BinaryLinear(12, 5, shared=shared)))
    inputs = torch.randn(4, 12)
    plain = layers[-1].eval()(inputs)
    assert all(torch.equal(each.eval()(inputs), plain) for each in layers)
    distances = [(each.train()(inputs) - plain).norm().item() for each in layers]
    assert distances[0] > distances[1] > 0
    assert distances[2:] == [0, 0]
    shared = shared_at(load("fda"), 0.0)
    assert [name for name, _ in BinaryLinear(12, 5, shared=shared).named_parameters()] == ["weight"]
    assert list(BinarySign(12, shared=shared).parameters()) == []
    assert list(BinarySign(shared=layers[0][0].shared).parameters()) == []


def test_a_frame_of_one_number_is_not_divided() -> None:
    inputs = torch.tensor([[0.5], [-0.25]])
    assert torch.equal(by_frame(inputs), inputs)


@pytest.mark.parametrize("normalization", ["none", "shift", "batch", "frame"])
def test_repairs_leave_a_threshold_per_channel(normalization: str) -> None:
    shared = shared_at(load("repairs", {"feature_normalization": normalization}), 1.0)
    sign = BinarySign(3, shared=shared)
    with torch.no_grad():
        for parameter in sign.parameters():
            parameter.copy_(torch.tensor([0.5, 0.0, -0.5]))
    sign.train()(torch.randn(50, 3, 4, 4))
    sign.eval()
    inputs = torch.linspace(-3, 3, 601)[:, None].expand(601, 3)
    outputs = sign(inputs)
    assert ((outputs.diff(dim=0) != 0).sum(0) <= 1).all()
    assert torch.equal(deployed(torch.nn.Sequential(sign))(inputs), outputs)
    first = {"shift": 1.0, "batch": 1.0}.get(normalization, -1.0)
    assert outputs[int((3 - 0.25) * 100)].tolist()[0] == first


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
