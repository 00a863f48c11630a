"""Models with a recipe beside them: their padding must be the recipe's."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import zoo
from dataflow import InputError, SlidingWindow
from xnorflow.networks import lowered_network, open_network


def model_of(pads: int, *, number: float = 0.0) -> onnx.ModelProto:
    """Return a network of two convolutions of 3 x 3, on signs, padded with a number."""
    rng = np.random.default_rng(1)
    sizes = {"a": (4, 2, 3, 3), "b": (3, 4, 3, 3)}
    constants = {name: rng.choice([-1.0, 1.0], size).astype(np.float32) for name, size in sizes.items()}
    side = 6 - 4 * (1 - pads)
    constants["fc"] = rng.choice([-1.0, 1.0], (3 * side * side, 4)).astype(np.float32)
    constants |= {"half": np.float32(0.5), "one": np.float32(1), "number": np.float32(number)}
    constants["sides"] = np.array([0, 0, pads, pads] * 2, np.int64)
    nodes, x = [helper.make_node("Sub", ["image", "half"], ["centred"])], "centred"
    for name in sizes:
        nodes.append(helper.make_node("BipolarQuant", [x, "one"], [f"{name}_s"], domain="qonnx.custom_op.general"))
        inside = f"{name}_s"
        if number:
            nodes.append(helper.make_node("Pad", [inside, "sides", "number"], [f"{name}_p"], name=f"{name}_pad"))
            inside = f"{name}_p"
        own = [0 if number else pads] * 4
        nodes.append(helper.make_node("Conv", [inside, name], [f"{name}_t"], name=f"conv_{name}", pads=own))
        x = f"{name}_t"
    nodes.append(helper.make_node("BipolarQuant", [x, "one"], ["last"], domain="qonnx.custom_op.general"))
    nodes.append(helper.make_node("Flatten", ["last"], ["row"]))
    nodes.append(helper.make_node("MatMul", ["row", "fc"], ["out"], name="fc"))
    entry = helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 2, 6, 6))
    ends = [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)]
    arrays = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "images", [entry], ends, arrays)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("qonnx.custom_op.general", 2)]
    return helper.make_model(graph, opset_imports=opsets)


def folder_of(tmp_path: Path, padding: str, pads: int, *, number: float = 0.0) -> Path:
    onnx.save(model_of(pads, number=number), tmp_path / "model.onnx")
    recipe = {"dataset": "cifar10", "convolutions": [4, 3], "kernel": 3, "padding": padding}
    (tmp_path / "metrics.json").write_text(json.dumps({"accuracy": 0.5, "recipe": recipe}), "utf-8")
    return tmp_path


@pytest.mark.parametrize(("padding", "pads"), [("valid", 0), ("zero", 1)])
def test_a_model_that_pads_as_its_recipe_says(padding: str, pads: int, tmp_path: Path) -> None:
    network = open_network(folder_of(tmp_path, padding, pads))
    windows = [node for node in network.nodes if isinstance(node, SlidingWindow)]
    assert [window.padding for window in windows] == [(pads,) * 4] * 2


@pytest.mark.parametrize(
    ("padding", "pads", "number", "message"),
    [
        ("valid", 1, 0.0, "'valid' as the recipe beside the model has it, 0 on each side, not (1, 1, 1, 1) of zeros"),
        ("zero", 0, 0.0, "'zero' as the recipe beside the model has it, 1 on each side, not (0, 0, 0, 0)"),
        (
            "zero",
            1,
            -1.0,
            "'zero' as the recipe beside the model has it, 1 on each side, not (1, 1, 1, 1) of another number",
        ),
    ],
)
def test_a_model_that_pads_otherwise_is_refused(
    padding: str, pads: int, number: float, message: str, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, padding, pads, number=number)
    sentence = f"Padding of node 'conv_a' must be {message}: the model is not the one that was trained"
    for named in (folder, folder / "model.onnx"):
        with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
            lowered_network(named)
    (folder / "model.onnx").rename(folder / "other.onnx")  # to which the recipe does not apply
    lowered_network(folder / "other.onnx")


def test_a_card_that_contradicts_the_models_pads_is_refused(tmp_path: Path) -> None:
    for name in ("model.onnx", "card.toml"):
        shutil.copy(zoo.path("cnv-mnist-small") / name, tmp_path / name)
    own, of_zoo = (lowered_network(each) for each in (tmp_path, "cnv-mnist-small"))
    assert [node.name for node in own.nodes] == [node.name for node in of_zoo.nodes]
    card = (tmp_path / "card.toml").read_text("utf-8")
    (tmp_path / "card.toml").write_text(card.replace('padding = "valid"', 'padding = "zero"'), "utf-8")
    with pytest.raises(InputError, match=r"^Padding of node 'conv0' must be 'zero' as the recipe beside the model has"):
        lowered_network(tmp_path)


@pytest.mark.parametrize("kernel", ["3", [3], {"a": 3}, True, 1.5])
def test_a_kernel_that_is_no_integer_is_refused(kernel: object, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "zero", 1)
    record = {"recipe": {"padding": "zero", "kernel": kernel}}
    (folder / "metrics.json").write_text(json.dumps(record), "utf-8")
    with pytest.raises(InputError, match=r"^kernel of the recipe beside the model must be an integer, not "):
        lowered_network(folder)


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_file_that_is_no_record_is_refused(text: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "zero", 1)
    (folder / "metrics.json").write_text(text, "utf-8")
    with pytest.raises(
        InputError, match=r"^File '.*metrics\.json' must contain the recipe of the model beside it, not: .+$"
    ):
        lowered_network(folder)
