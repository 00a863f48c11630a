"""Nodes are called after the modules of the exported network, where the file has them."""

from typing import Any

import numpy as np
import onnx
import pytest

from quant.lowering import lower
from quant.lowering.reading.module_names import module_of, names_by_module
from tests.quant.lowering.oracle import Builder

#: The modules of each node below: those of a Brevitas network that torch's exporter has written.
SCOPES: dict[str, list[Any]] = {
    "node_sub": ["", "front", "sub"],
    "node__symbolic": ["", "front", "front.act_quant", "front.act_quant.export_handler", "_symbolic"],
    "node_Gemm_76": ["", "body", "body.0", "body.0.fc", "linear"],
    "node__symbolic_1": ["", "body", "body.1", "body.1.act_quant", "body.1.act_quant.export_handler", "_symbolic"],
    "node_Gemm_77": ["", "head", "linear"],
}


def model(scopes: dict[str, str]) -> onnx.ModelProto:
    rng = np.random.default_rng(3)
    net = Builder((1, 6))
    x = net("BipolarQuant", net("Sub", net.input, 0.5, name="node_sub"), 1.0, name="node__symbolic")
    x = net("Gemm", x, rng.choice([-1.0, 1.0], (5, 6)), name="node_Gemm_76", transB=1)
    x = net("BipolarQuant", x, 1.0, name="node__symbolic_1")
    whole = net.model(net("Gemm", x, rng.choice([-1.0, 1.0], (3, 5)), name="node_Gemm_77", transB=1))
    for node in whole.graph.node:
        if node.name in scopes:
            node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=scopes[node.name])
    return whole


def names(scopes: dict[str, str]) -> list[str]:
    return [node.name for node in lower(model(scopes)).nodes]


def test_nodes_have_the_names_of_their_modules() -> None:
    assert names({}) == ["symbolic", "Gemm_76", "Gemm_77", "arg_max"]
    assert names({name: repr(scopes) for name, scopes in SCOPES.items()}) == [
        "front_bipolarquant",
        "body_0_fc",
        "head",
        "arg_max",
    ]


def test_nodes_without_a_module_keep_their_names() -> None:
    assert names({"node_Gemm_76": repr(["", "fc", "linear"]), "node_Gemm_77": repr(["", "linear"])}) == [
        "symbolic",
        "fc",
        "Gemm_77",
        "arg_max",
    ]


@pytest.mark.parametrize(
    "text", ["", "[", "3", "[3, 4]", "['only one']", "[" * 5000, "'" * 20_000, "open('x')", "\x00", "['', 3, 'x']"]
)
def test_other_notes_change_nothing(text: str) -> None:
    node = model({"node_Gemm_76": text}).graph.node[2]
    assert module_of(node) == ""
    assert names({"node_Gemm_76": text}) == names({})


def test_calls_of_one_module_are_numbered() -> None:
    scopes = {name: repr(["", "fc", "linear"]) for name in ("node_Gemm_76", "node_Gemm_77")}
    found = dict(zip(SCOPES, names_by_module(model(scopes).graph.node), strict=True))
    assert [found["node_Gemm_76"], found["node_Gemm_77"]] == ["fc.gemm0", "fc.gemm1"]
    assert names(scopes) == ["symbolic", "fc_gemm0", "fc_gemm1", "arg_max"]
