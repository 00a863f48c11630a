"""QONNX to the description, exactly."""

import os
from pathlib import Path

import onnx

from dataflow import InputError, Network, fold
from quant.lowering.describing.describe import describe
from quant.lowering.graph.checks import check
from quant.lowering.graph.ends import kinds_of
from quant.lowering.passes import PASSES, absorb_streams
from quant.lowering.reading.model_file import load_model, read_graph
from quant.lowering.refusals import NotLowerableError

__all__ = ["lower"]

_INPUT_KINDS = ("auto", "uint8/255", "uint8", "quant")


def lower(
    model: str | os.PathLike[str] | onnx.ModelProto,
    *,
    input_kind: str = "auto",
    outputs: str = "auto",
    name: str | None = None,
    weight_tolerance: float = 0.0,
) -> Network:
    """Return the network that a QONNX model stands for, unfolded.

    Every bit and every class is that of the model in exact arithmetic, for every frame. What lies between two integers
    is evaluated over their whole range, so no threshold is off by a rounding.

    Parameters
    ----------
    model : a QONNX file, or what `onnx.load` gives
    input_kind : what a frame holds. "uint8/255": pixels of 8 bits, of which the model takes ``pixel / 255``.
        "uint8": pixels of 8 bits, which the model takes as they are. "quant": the codes of the model's own input Quant,
        or the integers that the model takes as they are. "auto": integers where the model's input has such a type or
        annotation, else pixels / 255; where the first layer cannot take them exactly, codes, and the metadata then
        have the code of each pixel
    outputs : "class", at every position if there are several; "positions": of each channel that of the highest score;
        "scores"; "both": scores and the class, or the positions if the model ends in an ArgMax over them; "bits": for
        each score whether it is at least 0, or the bits of the quantizer in which the model ends. "auto": bits for a
        model with a single score or such a quantizer, what its ArgMax gives if it ends in one, the scores if it has
        several positions, else the class. For a model with several outputs each is of this kind, or of its own with
        ``NAME=KIND,NAME=KIND``; "auto" are then the scores of those that end in neither a quantizer nor an ArgMax
    name : what the network is called; without one as the file, or its folder if that is called model.onnx
    weight_tolerance : how far, relative to their size, weights of a neuron may be from -s and +s; they then become
        -s and +s, which the metadata say

    Raises
    ------
    NotLowerableError
        The model has something that cannot be lowered: names each such node, the cause and the remedy.
    InputError
        The file is missing or damaged, or an option has a value that it cannot have.
    """
    if input_kind not in _INPUT_KINDS:
        raise InputError(f"Input kind must be one of {', '.join(_INPUT_KINDS)}, not {input_kind!r}")
    kinds_of(outputs)
    if not 0 <= weight_tolerance < 1:
        raise InputError(f"Weight tolerance must be at least 0 and less than 1, not {weight_tolerance!r}")
    if isinstance(model, onnx.ModelProto):
        proto, source = model, ""
        called = name or model.graph.name or "network"
    else:
        path = Path(model)
        proto, source = load_model(path), path.name
        called = name or (path.resolve().parent.name if path.stem == "model" else path.stem)
    graph = read_graph(
        proto,
        name=called,
        input_kind=input_kind,
        outputs=outputs,
        source=source,
        weight_tolerance=weight_tolerance,
    )
    for run in PASSES:
        try:
            graph = check(run(graph), run.__name__)
        except InputError as error:
            raise NotLowerableError([*graph.refusals, *str(error).splitlines()]) from None
        if graph.refusals and run is absorb_streams:
            raise NotLowerableError(graph.refusals)
    return fold(describe(graph), {})
