"""Models with several outputs: each equals exact evaluation, each with a meaning of its own."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from dataflow import Network, load, save_network
from quant.lowering import lower
from tests.quant.lowering.assertions import assert_exact, assert_refused
from tests.quant.lowering.oracle import Builder
from tests.quant.lowering.test_maps import signs


def trunk() -> tuple[Builder, str]:
    net = Builder((1, 2, 4, 5))
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0)
    return net, net("BipolarQuant", net("Add", net.conv(x, signs(4, 2, 2, 2), name="conv"), 0.5), 1.0)


def dense(net: Builder, x: str, classes: int, *, seed: int, name: str) -> str:
    return net.dense(net("Flatten", x), signs(classes, 48, seed=seed), name=name)


def two_heads() -> onnx.ModelProto:
    net, x = trunk()
    return named(net.model(dense(net, x, 3, seed=1, name="main"), dense(net, x, 2, seed=2, name="side")))


def named(model: onnx.ModelProto, names: tuple[str, ...] = ("logits", "aux.logits")) -> onnx.ModelProto:
    """Return a model whose outputs have names as people give them."""
    for end, name in zip(model.graph.output, names, strict=True):
        (node,) = (node for node in model.graph.node if end.name in node.output)
        node.output[list(node.output).index(end.name)] = name
        for reader in model.graph.node:
            for index, read in enumerate(reader.input):
                if read == end.name:
                    reader.input[index] = name
        end.name = name
    return model


def ends(network: Network) -> dict[str, tuple[int, ...]]:
    return {end.name: end.stream.shape for end in network.outputs}


def test_two_classifiers() -> None:
    network = assert_exact(two_heads())
    assert ends(network) == {"logits_scores": (3,), "aux_logits_scores": (2,)}
    assert [(head.name, head.outputs) for head in network.heads] == [
        ("logits", ("logits_scores",)),
        ("aux_logits", ("aux_logits_scores",)),
    ]
    assert network.scores is None


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ("class", {"logits_class": (1,), "aux_logits_class": (1,)}),
        ("bits", {"logits_bits": (3,), "aux_logits_bits": (2,)}),
        (
            "both",
            {"logits_scores": (3,), "logits_class": (1,), "aux_logits_scores": (2,), "aux_logits_class": (1,)},
        ),
        ("logits=class", {"logits_class": (1,), "aux_logits_scores": (2,)}),
        (
            "logits=both,aux.logits=bits",
            {"logits_scores": (3,), "logits_class": (1,), "aux_logits_bits": (2,)},
        ),
    ],
)
def test_what_each_output_becomes(outputs: str, expected: dict[str, tuple[int, ...]]) -> None:
    assert ends(assert_exact(two_heads(), outputs=outputs)) == expected


def test_the_meaning_of_each_output(tmp_path: Path) -> None:
    net, x = trunk()
    first = net("Add", net("Mul", dense(net, x, 3, seed=1, name="main"), -0.5), [1.0, 2.0, 3.0])
    second = net("Mul", net.conv(x, signs(2, 4, 1, 1, seed=2), name="heat"), 0.25)
    network = assert_exact(named(net.model(first, second), ("logits", "heat")))
    assert ends(network) == {"logits_scores": (3,), "heat_scores": (3, 4, 2)}
    save_network(network, tmp_path / "net.xnf")
    for head, scale, bias in zip(load(tmp_path / "net.xnf").heads, (0.5, 0.25), ([1, 2, 3], [0, 0]), strict=True):
        assert head.scores is not None
        np.testing.assert_array_equal(head.scores.scale, [scale] * len(bias))
        np.testing.assert_array_equal(head.scores.bias, bias)


def test_outputs_that_end_in_an_operator_of_their_own() -> None:
    net, x = trunk()
    heat = net.conv(x, signs(2, 4, 1, 1, seed=2), name="heat")
    model = net.model(
        net("Softmax", dense(net, x, 3, seed=1, name="main"), axis=1, name="soft"),
        net("ArgMax", net.reshape(heat, 1, 2, -1), axis=2, name="peak"),
        net("ArgMax", heat, axis=1, name="segments"),
        net("BipolarQuant", dense(net, x, 2, seed=3, name="flags"), 1.0),
    )
    network = assert_exact(named(model, ("probabilities", "peaks", "segments", "flags")))
    assert ends(network) == {
        "probabilities_scores": (3,),
        "peaks_positions": (2,),
        "segments_class": (3, 4, 1),
        "flags_bits": (2,),
    }
    assert network.metadata["dropped"] == (
        "probabilities: Softmax 'soft'; peaks: ArgMax 'peak'; segments: ArgMax 'segments'"
    )


def test_an_output_that_others_read() -> None:
    """Sums of a layer in the middle go out, and the layers after it take their signs."""
    net, x = trunk()
    middle = net("Mul", net.conv(x, signs(4, 4, 2, 2, seed=4), name="middle"), -1.0)
    last = net.dense(net("Flatten", net("BipolarQuant", middle, 1.0)), signs(3, 24, seed=5), name="last")
    network = assert_exact(named(net.model(middle, last), ("middle", "last")))
    assert ends(network) == {"middle_scores": (2, 3, 4), "last_scores": (3,)}
    same = assert_exact(named(net.model(last, net("Softmax", last, axis=1)), ("again", "soft")))
    assert ends(same) == {"again_scores": (3,), "soft_scores": (3,)}
    assert len({head.scores.node for head in same.heads if head.scores}) == 1


def test_names_that_are_alike() -> None:
    network = assert_exact(named(two_heads(), ("a.b", "a/b")))
    assert ends(network) == {"a_b_scores": (3,), "a_b__scores": (2,)}


def test_refusals() -> None:
    assert_refused(
        two_heads(), "Outputs must be of one of the model (logits, aux.logits), not of 'boxes'", outputs="boxes=class"
    )
    kinds = "Outputs must be one of auto, class, positions, scores, both, bits, not 'logits'"
    assert_refused(two_heads(), kinds, outputs="logits=logits")
    net, x = trunk()
    y = dense(net, x, 3, seed=1, name="main")
    assert_refused(net.model(y, y), f"Output {y!r} of the model must be there once, not 2 times")
    assert_refused(net.model(y, net.input), "Output 'image' of the model must be made by a node, not missing")
    model = named(net.model(y, net("Relu", dense(net, x, 2, seed=2, name="side"), name="relu")))
    assert_refused(
        model,
        "Node 'relu' (Relu) must be affine over the scores after the last layer, not bend them: leave it out of the "
        "exported model",
    )


def test_an_output_that_is_the_input() -> None:
    net, x = trunk()
    y = dense(net, x, 3, seed=1, name="main")
    model = named(net.model(y, net("Mul", net.input, 2.0)), ("logits", "input"))
    assert_refused(model, "Output 'input' of the model must be made by a layer, not be its input")


def test_one_output_keeps_its_names() -> None:
    model = two_heads()
    del model.graph.output[1:]
    network = lower(model)
    assert ends(network) == {"class": (1,)}
    assert not network.heads
    assert lower(model, outputs="logits=scores").outputs[0].name == "scores"
