"""What a design needs to know about a network's ports, times and resources, as plain values."""

from dataclasses import asdict
from typing import Any

import numpy as np

from dataflow import Bipolar, Network, Scores, Stream, Terminal, network_cost, values_of_words
from dataflow.families import FAMILIES
from rtl.axi import axi_prefixes, clock_ports
from rtl.verilog_files import top_name
from xnorflow.package.folder import GENERATOR
from xnorflow.package.vectors import Vectors
from xnorflow.target import Target
from xnorflow.timing import Timing

__all__ = ["facts_of"]

#: What a node's answer is, for people.
_ANSWERS = {
    "class": "class with the highest score, the lowest index at a tie",
    "positions": "position of the highest score of each channel, row * width + column, the first at a tie",
}

#: Numbers and beats in examples.
_SHOWN_NUMBERS, _SHOWN_BEATS = 8, 2


def facts_of(network: Network, vectors: Vectors, *, reset: str, target: Target, version: str) -> dict[str, Any]:
    """Return the facts about a network's core, which its README shows and its JSON file holds.

    Parameters
    ----------
    reset : polarity, as in `rtl.verilog`
    target : its clock is for times and constraints
    """
    clock_port, reset_port = clock_ports(reset)
    timing = Timing(vectors.latency, vectors.interval, target.clock)
    return {
        "generator": GENERATOR,
        "version": version,
        "network": network.name,
        "top": top_name(network),
        "clock": {"port": clock_port, "edge": "rising"},
        "reset": {"port": reset_port, "active": reset.removeprefix("active-"), "synchronous": True, "cycles": 1},
        "frame_error": {"port": "frame_error", "cleared_by": "reset"},
        "inputs": [_port(network, end, vectors, "in") for end in network.inputs],
        "outputs": [_port(network, end, vectors, "out") for end in network.outputs],
        "frame_shape": list(network.frame_shape or network.inputs[0].stream.shape),
        "input_kind": network.metadata.get("input"),
        "codes_of_pixels": _codes(network),
        "logits": _logits(network.scores),
        "heads": [
            {"name": head.name, "outputs": list(head.outputs), "logits": _logits(head.scores)} for head in network.heads
        ],
        "timing": {"first_beat_latency": vectors.first_beat_latency, **timing.to_json()},
        "target": target.to_json(),
        "resources": {family: asdict(network_cost(network, family, portable=True)) for family in FAMILIES},
        "weight_bits": network.weight_bits,
        "macs": network.macs,
        "nodes": [
            {"name": node.name, "kind": node.kind, "steps": node.steps, "latency": node.schedule().latency}
            for node in network.nodes
        ],
    }


def _logits(scores: Scores | None) -> dict[str, Any] | None:
    """Return the factors of the model's own outputs."""
    return None if scores is None else {"scale": scores.scale.tolist(), "bias": scores.bias.tolist()}


def _port(network: Network, end: Terminal, vectors: Vectors, direction: str) -> dict[str, Any]:
    """Return the facts about a stream at an end of the network."""
    stream, element = end.stream, end.stream.element
    prefix, other = axi_prefixes(network)[end.name], {"in": "out", "out": "in"}[direction]
    tdata_bits = -(-stream.width // 8) * 8
    signals = (
        ("tdata", tdata_bits, direction),
        ("tvalid", 1, direction),
        ("tready", 1, other),
        ("tlast", 1, direction),
    )
    return {
        "name": end.name,
        "prefix": prefix,
        "meaning": _meaning(network, end),
        "signals": [
            {"port": f"{prefix}_{name}", "bits": bits, "direction": flow, "vector": name == "tdata"}
            for name, bits, flow in signals
        ],
        "shape": list(stream.shape),
        "numbers": stream.size,
        "beats": stream.beats,
        "lanes": stream.lanes,
        "element": str(element),
        "number_bits": element.width,
        "signed": element.signed,
        "bipolar": isinstance(element, Bipolar),
        "minimum": element.minimum,
        "maximum": element.maximum,
        "beat_bits": stream.width,
        "tdata_bits": tdata_bits,
        "vector": stream.vector,
        "vector_beats": stream.vector_beats,
        "inert_lanes": stream.inert,
        "contiguous": stream.width % 8 == 0 and not stream.inert,
        "example": _example(stream, vectors.words[end.name]),
    }


def _meaning(network: Network, end: Terminal) -> str:
    """Return what a stream carries, for people."""
    if end in network.inputs:
        kind = network.metadata.get("input", "")
        if "codes_of_pixels" in network.metadata:
            return "codes of pixels, by the table codes_of_pixels"
        return {"uint8/255": "pixels of 0 to 255", "uint8": "pixels of 0 to 255"}.get(kind, "numbers of the frame")
    (fifo,) = network.fifos_into(end.name)
    source = network.node_of_name.get(fifo.source)
    if source is not None and source.answers:
        return _ANSWERS[source.answers]
    if isinstance(end.stream.element, Bipolar):
        return "bits: 1 stands for +1, 0 for -1"
    if end.name not in {head.scores_output for head in network.every_head}:
        return "numbers"
    return "integer scores, in the order of the classes" + (" at each position" if len(end.stream.shape) > 1 else "")


def _codes(network: Network) -> list[int] | None:
    """Return the code of each pixel 0 to 255, if the network takes codes."""
    codes = network.metadata.get("codes_of_pixels")
    return None if codes is None else [int(code) for code in codes.split()]


def _example(stream: Stream, words: list[int]) -> list[dict[str, Any]]:
    """Return the first beats of the first frame: the word on the wires and the numbers in it, lane 0 first."""
    digits = -(-stream.width // 8) * 2
    shown = words[: min(_SHOWN_BEATS, stream.beats)]
    numbers = np.asarray(values_of_words(shown, stream))
    return [
        {"beat": beat, "tdata": f"{word:0{digits}x}", "numbers": numbers[beat, :_SHOWN_NUMBERS].tolist()}
        for beat, word in enumerate(shown)
    ]
