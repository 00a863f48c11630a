"""QONNX to the description, exactly."""

import os
from pathlib import Path

import onnx

from dataflow import InputError, Network, expose_scores, fold
from quant.lowering.describing.describe import describe
from quant.lowering.graph.checks import check
from quant.lowering.passes import PASSES
from quant.lowering.reading.model_file import load_model, read_graph

__all__ = ["lower"]

_INPUT_KINDS = ("auto", "uint8/255", "quant")
_OUTPUTS = ("class", "scores", "both")


def lower(
    model: str | os.PathLike[str] | onnx.ModelProto,
    *,
    input_kind: str = "auto",
    outputs: str = "class",
    name: str | None = None,
) -> Network:
    """Return the network that a QONNX model stands for, unfolded.

    Every bit and every class is that of the model in exact arithmetic, for every frame. What lies between two integers
    is evaluated over their whole range, so no threshold is off by a rounding.

    Parameters
    ----------
    model : a QONNX file, or what `onnx.load` gives
    input_kind : what a frame holds. "uint8/255": pixels of 8 bits, of which the model takes ``pixel / 255``.
        "quant": the codes of the model's own input Quant, or the integers that the model takes as they are.
        "auto": pixels where the first layer can take them exactly, else codes; the metadata then have the code of
        each pixel
    outputs : "class", "scores" or "both"
    name : what the network is called; without one as the file, or its folder if that is called model.onnx

    Raises
    ------
    InputError
        The file is missing or damaged, or the model has something that cannot be lowered: names the node, the cause
        and the remedy.
    """
    if input_kind not in _INPUT_KINDS:
        raise InputError(f"Input kind must be one of {', '.join(_INPUT_KINDS)}, not {input_kind!r}")
    if outputs not in _OUTPUTS:
        raise InputError(f"Outputs must be one of {', '.join(_OUTPUTS)}, not {outputs!r}")
    if isinstance(model, onnx.ModelProto):
        proto, source = model, ""
        called = name or model.graph.name or "network"
    else:
        path = Path(model)
        proto, source = load_model(path), path.name
        called = name or (path.resolve().parent.name if path.stem == "model" else path.stem)
    graph = read_graph(proto, name=called, input_kind=input_kind, source=source)
    for run in PASSES:
        graph = check(run(graph), run.__name__)
    network = describe(graph, with_class=outputs != "scores")
    return fold(expose_scores(network) if outputs == "both" else network, {})
