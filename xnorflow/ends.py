"""What a network emits, as commands show it."""

from typing import Any

from dataflow import Network

__all__ = ["has_plain_output", "listed_outputs", "outputs_line"]


def listed_outputs(network: Network) -> list[dict[str, Any]]:
    """Return name, shape of a frame and type of each output, for JSON."""
    return [
        {"name": end.name, "shape": list(end.stream.shape), "element": str(end.stream.element)}
        for end in network.outputs
    ]


def has_plain_output(network: Network) -> bool:
    """Return whether a network emits one vector, or one class, and nothing else."""
    return len(network.outputs) == 1 and len(network.outputs[0].stream.shape) == 1


def outputs_line(network: Network) -> str:
    """Return the outputs as a line of text: ``outputs: scores 12x12x3 of int5``."""
    ends = (f"{end.name} {'x'.join(map(str, end.stream.shape))} of {end.stream.element}" for end in network.outputs)
    return f"outputs: {', '.join(ends)}"
