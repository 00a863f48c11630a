"""Float stems, shortcuts and classifiers get Quant nodes, and what they make of a network is lowered exactly."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xnorflow
from dataflow import BIPOLAR, InputError, MatrixVector
from hwsim import predict
from quant import datasets
from quant.lowering import NotLowerableError, lower
from quant.lowering.reading.model_file import load_model
from quant.oracle import scores_of_qonnx
from quant.quantizing import Inserted, Settings, normalized, quantize
from quant.quantizing.calibration import Range, range_of, scales_of_weights
from quant.quantizing.comparison import middles_of, outputs_of
from tests.quant.lowering.assertions import assert_exact
from tests.quant.lowering.oracle import Builder
from tests.quant.lowering.random_graphs import make
from tests.quant.lowering.test_heads import named
from tests.xnorflow.command_line import run
from xnorflow.networks import model_path

rng = np.random.default_rng(5)


@pytest.fixture(scope="module", params=["BiReal", "ReAct"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shortly trained network with float parts, as torch exports it."""
    torch = pytest.importorskip("torch")
    from tests.quant.quantizing import float_models

    torch.manual_seed(0)
    training = datasets.load("mnist-sample", "train")
    network = getattr(float_models, request.param)(1, 4, 1)
    network = float_models.trained(network, training.images, training.labels, epochs=2, rate=0.01)
    return float_models.export(network, (1, 28, 28), tmp_path_factory.mktemp("float") / f"{request.param}.onnx")


@pytest.mark.train
def test_a_network_with_float_parts_is_lowered_to_what_its_file_says(model: Path, tmp_path: Path) -> None:
    with pytest.raises(NotLowerableError):
        lower(model)
    images = datasets.load("mnist-sample", "train").images[:64]
    found = quantize(load_model(model), images)
    onnx.save(found.model, tmp_path / "q.onnx")
    network = lower(tmp_path / "q.onnx")
    test = datasets.load("mnist-sample", "test").images[:100]
    scores = predict(network, test).scores
    assert scores is not None
    np.testing.assert_allclose(scores, scores_of_qonnx(tmp_path / "q.onnx", test), rtol=0, atol=1e-9)
    drift = np.abs(scores - scores_of_qonnx(model, test)).mean() / np.abs(scores).mean()
    assert 0 < drift < 1
    weights = {each.tensor for each in found.inserted if "weights" in each.reason}
    assert len(weights) == 3  # stem, shortcut, classifier; binary ones stay as they are
    assert all(each.bits == 8 and each.signal_to_noise > 25 for each in found.inserted)
    assert any("Where" not in each.tensor for each in found.inserted)


@pytest.mark.train
def test_what_is_added_has_one_scale(model: Path) -> None:
    images = datasets.load("mnist-sample", "train").images[:16]
    found = quantize(load_model(model), images, Settings(stream_bits=6))
    by_add: dict[str, set[float]] = {}
    for each in found.inserted:
        if "is added" in each.reason:
            assert each.bits == 6
            by_add.setdefault(each.reason, set()).add(each.scale)
    assert by_add
    assert all(len(scales) == 1 for scales in by_add.values())


@pytest.mark.train
def test_the_command_tells_what_changed(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("quantize", model, "--dataset", "mnist-sample", "-o", tmp_path / "q.onnx", "--frames", 64)
    assert run(*command, "--test-frames", 100, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["frames"] == 100
    assert 0 <= result["changed"] < 50
    assert abs(result["accuracy_before"] - result["accuracy_after"]) <= result["changed"] / 100
    assert run("lower", tmp_path / "q.onnx", "--check") == 0
    again = xnorflow.quantize(model, tmp_path / "again.onnx", dataset="mnist-sample", frames=64, test_frames=100)
    assert again.to_json() == result
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "q.onnx").read_bytes()


def test_a_network_that_is_exact_stays_as_it_is() -> None:
    path = model_path("tfc-w1a1")
    images = datasets.load("mnist-sample", "train").images[:32]
    found = quantize(load_model(path), images)
    assert found.inserted == ()
    assert [node.op_type for node in found.model.graph.node] == [node.op_type for node in onnx.load(path).graph.node]


def float_classifier(features: int = 12, mean: float = 0.0, size: float = 1.0) -> onnx.ModelProto:
    """A dense network of two float layers, a ReLU between them."""
    net = Builder((1, features, 1, 1))
    x = net("Flatten", net.input)
    x = net("Relu", net("Gemm", x, size * np.abs(rng.normal(size=(6, features))), rng.normal(size=6) + mean, transB=1))
    return net.model(net("Gemm", x, rng.normal(size=(3, 6)), rng.normal(size=3), transB=1))


def signed(form: Callable[[Builder, str], str], *, scale: float = 1.0, noise: float = 0.0) -> onnx.ModelProto:
    """A dense network with a sign between a float and a binary layer, whose weights are float32 next to one size."""
    net = Builder((1, 12, 1, 1))
    x = net("Gemm", net("Flatten", net.input), rng.normal(size=(8, 12)), transB=1)
    weights = rng.choice([-scale, scale], (3, 8)).astype(np.float32)
    return net.model(net("Gemm", form(net, x), weights * (1 + noise * rng.integers(0, 2, (3, 8))), transB=1))


def decided(net: Builder, x: str) -> str:
    sign = net("Sign", x)
    return net("Where", net("Equal", sign, 0.0), 1.0, sign)


def test_a_sign_of_0_is_decided_and_that_is_said() -> None:
    model = signed(lambda net, x: net("Sign", net("Mul", net("Floor", net("Mul", x, 2.0)), 0.5), name="sign"))
    found = quantize(model, frames_of(64, 12))
    (row,) = [each for each in found.inserted if "sign" in each.reason]
    assert row.reason == "is a sign that is 0 at 0, and now +1 (sign)"
    assert row.bits == 1
    assert 0.05 < row.clipped < 0.5  # of the numbers that are 0 in the float model too
    assert row.signal_to_noise == pytest.approx(10 * np.log10((1 - row.clipped) / row.clipped))
    assert_exact(found.model)


@pytest.mark.parametrize(
    "form",
    [
        decided,
        lambda net, x: net("Sign", net("Add", net("Sign", x), 0.1)),
        lambda net, x: net("Sub", net("Mul", net("Cast", net("GreaterOrEqual", x, 0.0), to=1), 2.0), 1.0),
    ],
)
def test_a_sign_that_decides_for_0_stays_as_it_is(form: Callable[[Builder, str], str]) -> None:
    model = signed(form)
    found = quantize(model, frames_of(64, 12))
    assert [each.reason.split(" (")[0] for each in found.inserted] == ["are weights of a layer"]
    assert_exact(found.model)


def test_weights_next_to_multiples_of_one_number_become_these() -> None:
    """As float32 arithmetic leaves ``(sign(w) - w) + w``; lowering alone asks for a tolerance."""
    model = signed(decided, scale=0.3, noise=2e-7)
    found = quantize(model, frames_of(64, 12))
    stem, weights = found.inserted
    assert stem.bits == 8
    assert weights.reason.startswith("are multiples of one number but for rounding")
    assert weights.bits == 2
    assert weights.signal_to_noise > 120
    assert weights.scale == pytest.approx(0.3, rel=1e-6)
    network = assert_exact(found.model)
    assert isinstance(network.nodes[-2], MatrixVector)
    assert network.nodes[-2].weight_element == BIPOLAR


def test_nothing_is_put_in_where_nobody_reads_it() -> None:
    """Authors' gradients leave nodes in the file that cancel each other out."""

    def form(net: Builder, x: str) -> str:
        sign = net("Sign", x)
        curve = net("Add", net("Mul", x, x), net("Clip", x, -1.0, 1.0))
        return net("Add", net("Sub", sign, curve), net("Identity", curve))

    found = quantize(signed(form), frames_of(64, 12))
    assert [each.reason.split(" (")[0] for each in found.inserted] == [
        "are weights of a layer",
        "is a sign that is 0 at 0, and now +1",
    ]
    assert_exact(found.model)


def frames_of(count: int, channels: int) -> np.ndarray:
    return rng.integers(0, 256, (count, 1, 1, channels)).astype(np.uint8)


def test_inputs_of_layers_and_weights_get_codes(tmp_path: Path) -> None:
    model = float_classifier()
    found = quantize(model, frames_of(64, 12), Settings(bits=5, weight_bits=4))
    assert [(each.bits, each.signed) for each in found.inserted] == [(4, True), (5, False), (4, True)]
    onnx.save(found.model, tmp_path / "q.onnx")
    network = lower(tmp_path / "q.onnx")
    test = frames_of(200, 12)
    np.testing.assert_array_equal(
        predict(network, test.reshape(-1, *network.frame_shape)).predictions,
        scores_of_qonnx(tmp_path / "q.onnx", test).argmax(1),
    )


def test_a_normalization_of_pixels_is_put_in(tmp_path: Path) -> None:
    """A network that was trained on (pixel / 255 - mean) / deviation takes pixel / 255 afterwards."""
    model = float_classifier()
    mean, deviation = [0.1 * place for place in range(12)], [0.5] * 12
    both = normalized(model, mean, deviation)
    onnx.save(both, tmp_path / "both.onnx")
    onnx.save(model, tmp_path / "model.onnx")
    frames = frames_of(20, 12)
    pixels = frames.reshape(20, 12) / 255
    evaluator = onnx.reference.ReferenceEvaluator(model)
    (expected,) = evaluator.run(
        None, {model.graph.input[0].name: ((pixels - mean) / deviation).reshape(20, 12, 1, 1).astype(np.float32)}
    )
    np.testing.assert_allclose(scores_of_qonnx(tmp_path / "both.onnx", frames), expected, atol=1e-4)
    found = quantize(both, frames_of(64, 12))
    assert found.inserted[0].reason.startswith("is read by a layer")
    lower(found.model)


def conditional() -> onnx.ModelProto:
    model = float_classifier()
    model.graph.node[0].op_type = "Loop"
    return model


def unknown() -> onnx.ModelProto:
    model = float_classifier()
    model.graph.node[2].domain = "com.example"
    return model


def huge_constant() -> onnx.ModelProto:
    model = float_classifier()
    shape = onnx.numpy_helper.from_array(np.array([1 << 20, 1 << 20]), "huge_shape")
    model.graph.initializer.append(shape)
    model.graph.node.insert(0, onnx.helper.make_node("ConstantOfShape", ["huge_shape"], ["huge"], name="huge"))
    gemm = next(node for node in model.graph.node if node.op_type == "Gemm")
    gemm.input[1] = "huge"
    return model


def two_inputs() -> onnx.ModelProto:
    model = float_classifier()
    model.graph.input.append(onnx.helper.make_tensor_value_info("mask", onnx.TensorProto.FLOAT, (1, 12)))
    return model


def no_output() -> onnx.ModelProto:
    model = float_classifier()
    del model.graph.output[:]
    return model


@pytest.mark.parametrize(
    ("make", "frames", "settings", "rule"),
    [
        (float_classifier, frames_of(8, 12), {}, "Calibration frames must be at least 16, not 8"),
        (float_classifier, frames_of(32, 11), {}, "Calibration frames must have the 12 numbers of the model's input"),
        (float_classifier, np.zeros((32, 12), np.uint8), {}, "Calibration frames must be .frames, height, width"),
        (lambda: float_classifier(mean=-1e6), frames_of(32, 12), {}, "Numbers of '.*' must vary on the calibration"),
        (lambda: float_classifier(size=1e38), frames_of(32, 12), {}, "Numbers of '.*' must be finite, not infinite"),
        (unknown, frames_of(32, 12), {}, "Model must be one that onnx can evaluate, not one with: "),
        (huge_constant, frames_of(32, 12), {}, "Output of node 'huge' must "),
        (conditional, frames_of(32, 12), {}, "Node '.*' must be an operator on tensors, not Loop, control flow"),
        (two_inputs, frames_of(32, 12), {}, "Model must have one input, not 2"),
        (no_output, frames_of(32, 12), {}, "Model must have an output"),
        (float_classifier, frames_of(32, 12), {"bits": 1}, "bits must be 2 to 16, not 1"),
        (float_classifier, frames_of(32, 12), {"weight_bits": 9}, "weight_bits must be 2 to 8, not 9"),
        (float_classifier, frames_of(32, 12), {"how": "mx"}, "Range must be one of max, percentile, error, not 'mx'"),
    ],
)
def test_what_cannot_be_quantized_is_one_sentence(
    make: Callable[[], onnx.ModelProto], frames: np.ndarray, settings: dict[str, object], rule: str
) -> None:
    with pytest.raises(InputError, match=f"^{rule}"):
        quantize(make(), frames, Settings(**settings))  # type: ignore[arg-type]


def several_outputs(*, kinds: tuple[str, ...] = ("logits", "peaks", "heat", "box", "flags")) -> onnx.ModelProto:
    """A float stem, a binary convolution on a float shortcut, and float heads, one for each kind of output."""
    net, random = Builder((1, 1, 28, 28)), np.random.default_rng(3)
    stem = net("Conv", net.input, random.normal(size=(4, 1, 3, 3)), strides=[4, 4], name="stem")
    sign = net("Where", net("GreaterOrEqual", stem, 0.3), 1.0, -1.0)
    conv = net.conv(sign, random.normal(size=(4, 4, 3, 3)), pads=[1, 1, 1, 1], name="binary")
    trunk = net("Relu", net("Add", net("Mul", conv, 0.1), stem))
    flat = net("Flatten", net("GlobalAveragePool", trunk))
    heat = net("Conv", trunk, random.normal(size=(2, 4, 1, 1)), [0.1, -0.2], name="heat_head")
    heads = {
        "logits": lambda: net("Gemm", flat, random.normal(size=(10, 4)), random.normal(size=10), transB=1),
        "peaks": lambda: net("ArgMax", net.reshape(heat, 1, 2, -1), axis=2),
        "heat": lambda: net("Mul", heat, 0.5),
        "box": lambda: net("Gemm", flat, random.normal(size=(4, 4)), transB=1),
        "flags": lambda: net("GreaterOrEqual", net("Gemm", flat, random.normal(size=(3, 4)), transB=1), 0.1),
    }
    return named(net.model(*(heads[kind]() for kind in kinds)), kinds)


def images_of(split: str, count: int) -> np.ndarray:
    return datasets.load("mnist-sample", split).images[:count]


@pytest.mark.parametrize(
    ("outputs", "ends"),
    [
        ("auto", ["logits_scores", "peaks_positions", "heat_scores", "box_scores", "flags_bits"]),
        (
            "logits=both,heat=positions",
            ["logits_scores", "logits_class", "peaks_positions", "heat_positions", "box_scores", "flags_bits"],
        ),
    ],
)
def test_several_outputs_are_lowered_to_what_the_file_says(outputs: str, ends: list[str]) -> None:
    model = several_outputs()
    with pytest.raises(NotLowerableError):
        lower(model, outputs=outputs)
    found = quantize(model, images_of("train", 32), outputs=outputs)
    assert {each.tensor for each in found.inserted if "weights" in each.reason} == {
        name
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm") and node.name != "binary"
        for name in node.input[1:2]
    }
    network = assert_exact(found.model, outputs=outputs)
    assert [end.name for end in network.outputs] == ends
    assert quantize(found.model, images_of("train", 32), outputs=outputs).inserted == ()


def test_the_numbers_from_which_outputs_are_bits() -> None:
    net = Builder((1, 12, 1, 1))
    x = net("Gemm", net("Flatten", net.input), rng.normal(size=(6, 12)), transB=1)
    model = net.model(
        x,
        net("Sigmoid", x),
        net("Neg", net("Quant", x, 0.5, 0.0, 1.0, signed=0, narrow=0)),
        net("Quant", x, 0.5, 0.0, 4.0, signed=1, narrow=0),
        net("Cast", net("Less", x, 0.5), to=onnx.TensorProto.FLOAT),
        net("MultiThreshold", x, np.zeros((1, 1))),
        net("Add", net("BipolarQuant", x, 1.0), x),
    )
    assert list(middles_of(model).values()) == [0.0, 0.5, None, 0.0, None, None, 0.0]


def test_the_command_says_what_changed_in_each_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(several_outputs(), tmp_path / "m.onnx")
    outputs = ("--outputs", "logits=class,heat=positions")
    command = ("quantize", tmp_path / "m.onnx", "-o", tmp_path / "q.onnx", "--dataset", "mnist-sample", *outputs)
    assert run(*command, "--frames", 32, "--test-frames", 50, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    found = {each["name"]: each for each in result["outputs"]}
    assert {name: each["kind"] for name, each in found.items()} == {
        "logits": "class",
        "peaks": "positions",
        "heat": "positions",
        "box": "scores",
        "flags": "bits",
    }
    network = lower(tmp_path / "q.onnx", outputs=outputs[1])
    test = datasets.load("mnist-sample", "test")
    heads = predict(network, test.images[:50]).heads
    before = outputs_of(several_outputs(), test.images[:50])
    classes = before["logits"].argmax(1)
    heat = before["heat"].reshape(50, 2, -1).argmax(2)
    assert found["logits"]["changed"] == result["changed"] == (classes != heads["logits"].predictions).sum()
    assert found["logits"]["accuracy_before"] == result["accuracy_before"] == (classes == test.labels[:50]).mean()
    assert found["logits"]["accuracy_after"] == (heads["logits"].predictions == test.labels[:50]).mean()
    assert found["peaks"]["changed"] == (before["peaks"] != heads["peaks"].predictions).any(1).sum()
    assert found["heat"]["changed"] == (heat != heads["heat"].predictions).any(1).sum()
    assert found["flags"]["changed"] == (before["flags"] != heads["flags"].predictions).any(1).sum()
    assert found["box"]["changed"] is None
    assert {name for name, each in found.items() if each["so_far"] is not None} == {"logits", "heat", "box"}
    assert all(each["accuracy_before"] is each["accuracy_after"] is None for each in [*found.values()][1:])
    assert run("lower", tmp_path / "q.onnx", "--check", *outputs) == 0


@pytest.mark.parametrize(
    ("kinds", "text"),
    [
        (("logits", "box"), "images of mnist-sample, whose labels are taken for those of output 'logits', the first; "),
        (("peaks", "logits"), "no accuracy: the labels of mnist-sample are no answers of output 'peaks', the first"),
        (("peaks",), "no accuracy: the labels of mnist-sample are no answers of the model"),
    ],
)
def test_of_which_output_labels_are(
    kinds: tuple[str, ...], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx.save(several_outputs(kinds=kinds), tmp_path / "m.onnx")
    command = ("quantize", tmp_path / "m.onnx", "-o", tmp_path / "q.onnx", "--dataset", "mnist-sample")
    assert run(*command, "--frames", 16, "--test-frames", 20) == 0
    assert text in " ".join(capsys.readouterr().out.split())


def test_a_refused_command_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(float_classifier(), tmp_path / "m.onnx")
    command = ("quantize", tmp_path / "m.onnx", "-o", tmp_path / "q.onnx", "--dataset", "mnist-sample")
    for more, rule in (
        ((), "Calibration frames must have the 12 numbers"),
        (("--frames", 4000), "Frames must be at most the 2,000 training images"),
        (("--test-frames", 0), "Test frames must be at least 1, not 0"),
        (("--outputs", "boxes=class"), "Outputs must be of one of the model (t3), not of 'boxes'"),
        (("--std", "0"), "std must be numbers above 0, not '0'"),
        (("--mean", "a,b"), "mean must be numbers separated by commas, not 'a,b'"),
        (("--range", "mx"), "Range must be one of max, percentile, error, not 'mx'"),
    ):
        assert run(*command, *more) == 2
        assert f"error: {rule}" in capsys.readouterr().err
    assert not (tmp_path / "q.onnx").exists()


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=50), st.integers(2, 8))
def test_ranges_hold_what_they_are_for(numbers: list[float], bits: int) -> None:
    values = np.array(numbers)
    if values.min() == values.max():
        return
    largest = range_of("x", values, bits, "max")
    assert np.abs(largest.rounded(values) - values).max() <= largest.scale * (0.5 + 1e-6)
    errors = [np.square(range_of("x", values, bits, how).rounded(values) - values).mean() for how in ("error", "max")]
    assert errors[0] <= errors[1] * (1 + 1e-9)
    assert largest.signed == bool(values.min() < 0)


def test_scales_are_those_of_the_least_error() -> None:
    weights = rng.normal(size=(3, 200))
    scales = scales_of_weights(weights, 0, 3)
    for row, scale in zip(weights, scales, strict=True):
        own = np.square(np.clip(np.round(row / scale), -3, 3) * scale - row).mean()
        for other in np.linspace(0.3, 1.0, 20) * np.abs(row).max() / 3:
            assert own <= np.square(np.clip(np.round(row / other), -3, 3) * other - row).mean() * 1.02


def test_what_was_inserted_is_plain_values() -> None:
    each = Inserted("x", "is averaged (pool)", 8, True, 0.1, 0.0, float("inf"))
    assert json.loads(json.dumps(each.to_json()))["signal_to_noise"] == 999.0
    assert (Range(0.5, 4, True).least, Range(0.5, 4, False).greatest) == (-8, 15)


def with_float_weights(model: onnx.ModelProto, random: np.random.Generator) -> None:
    """Make a layer's binary weights float ones."""
    given = {tensor.name: tensor for tensor in model.graph.initializer if len(tensor.dims) > 1}
    signs = [node for node in model.graph.node if node.op_type == "BipolarQuant" and node.input[0] in given]
    for node in signs[:1]:
        tensor = given[node.input[0]]
        values = random.normal(size=tuple(tensor.dims)).astype(np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        node.op_type, node.domain = "Identity", ""
        del node.input[1:]


@pytest.mark.slow
def test_random_graphs_are_quantized_or_one_sentence() -> None:
    """Any other exception is a fault. What gets Quant nodes and can be lowered then has the classes of its file."""
    rounded = [0, 0]  # outputs of models with one, with several
    for seed in range(7000, 7150):
        model = make(seed)
        random = np.random.default_rng(seed)
        with_float_weights(model, random)
        given = {tensor.name for tensor in model.graph.initializer}
        inputs = [value for value in model.graph.input if value.name not in given]
        sizes = [size.dim_value for value in inputs[:1] for size in value.type.tensor_type.shape.dim[1:]]
        channels, height, width = (sizes[0], *[1, 1, *sizes[1:]][-2:]) if sizes else (1, 1, 1)
        frames = random.integers(0, 256, (32, max(1, height), max(1, width), max(1, channels))).astype(np.uint8)
        try:
            found = quantize(model, frames)
            network = lower(found.model)
            outputs = outputs_of(found.model, frames)
        except InputError:  # also of types that do not fit each other, which lowering does not mind
            continue
        if not found.inserted or "dropped" in network.metadata or network.metadata["input"] != "uint8/255":
            continue
        predicted = predict(network, frames.reshape(32, *network.frame_shape))
        for head, expected in zip(network.every_head, outputs.values(), strict=True):
            scores = predicted.heads.get(head.name, predicted).scores
            if head.scores is not None and scores is not None:
                rounded[len(outputs) > 1] += 1
                close = np.isclose(scores, expected.reshape(scores.shape), rtol=1e-3, atol=1e-3).reshape(32, -1).all(1)
                assert close.mean() > 0.9, seed  # float32 meets ties otherwise, now and then
    assert min(rounded) > 0


def test_what_is_subtracted_and_added_again_is_left_alone() -> None:
    """The straight-through estimator of a sign, whose parts are no streams."""
    net = Builder((1, 12, 1, 1))
    x = net("Gemm", net("Flatten", net.input), rng.normal(size=(6, 12)), transB=1)
    curve = net("Clip", x, -1.0, 1.0)
    sign = net("Where", net("GreaterOrEqual", x, 0.0), 1.0, -1.0)
    x = net("Add", net("Sub", net("Identity", sign), net("Identity", curve)), curve)
    model = net.model(net("Gemm", x, rng.choice([-1.0, 1.0], (3, 6)), transB=1))
    found = quantize(model, frames_of(64, 12))
    assert [each.reason.split(" (")[0] for each in found.inserted] == ["are weights of a layer"]
    lower(found.model)
