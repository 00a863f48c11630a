"""The folding file: parallelism of the nodes and depths of the FIFOs, as TOML that people write and edit."""

import json
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataflow import InputError, Network, is_pipelined
from dataflow.converters import without_converters
from dataflow.memories import weight_memories
from dataflow.writing import atomic_write

__all__ = ["FoldingFile", "folding_text", "read_folding_file", "toml_key", "write_folding_file"]


@dataclass(frozen=True)
class FoldingFile:
    """A folding as people write it: TOML keyed by stable node names.

    ``[nodes.NAME]`` has ``pe`` and ``simd``; ``[fifos]`` has ``"FROM -> TO" = depth``; ``pipelined = true`` before them
    puts registers around memories; ``[memories]`` has ``NAME = "block"`` or ``"luts"`` for weights. Everything that the
    file does not name is chosen.
    """

    nodes: dict[str, dict[str, int]] = field(default_factory=dict)
    fifos: dict[str, int] = field(default_factory=dict)
    pipelined: bool | None = None
    memories: dict[str, str] = field(default_factory=dict)


def read_folding_file(path: str | os.PathLike[str]) -> FoldingFile:
    """Read a folding file.

    Raises
    ------
    InputError
        Not TOML, or not in the form of a folding file.
    """
    try:
        content = tomllib.loads(Path(path).read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"Folding file {str(path)!r} must be TOML, not a file with: {error}") from error
    except RecursionError as error:
        raise InputError(f"Folding file {str(path)!r} must have tables of numbers, not deeply nested values") from error
    unknown = sorted(set(content) - {"nodes", "fifos", "memories", "pipelined"})
    if unknown:
        rule = "have the tables nodes, fifos and memories, and pipelined before them"
        raise InputError(f"Folding file {str(path)!r} must {rule}, not {unknown[0]!r}")
    nodes, fifos, pipelined = content.get("nodes", {}), content.get("fifos", {}), content.get("pipelined")
    if not isinstance(pipelined, bool | None):
        raise InputError(f"pipelined of {str(path)!r} must be true or false, not {pipelined!r}")
    if not isinstance(nodes, dict) or not all(isinstance(folding, dict) for folding in nodes.values()):
        raise InputError(f"Table nodes of {str(path)!r} must have a table per node, not {nodes!r}")
    if not isinstance(fifos, dict):
        raise InputError(f"Table fifos of {str(path)!r} must have a depth per FIFO, not {fifos!r}")
    for name, folding in nodes.items():
        for parameter, value in folding.items():
            _check_count(f"{parameter} of node {name!r}", value)
    for name, depth in fifos.items():
        _check_count(f"Depth of FIFO {name!r}", depth)
    memories = content.get("memories", {})
    if not isinstance(memories, dict) or any(place not in ("auto", "block", "luts") for place in memories.values()):
        raise InputError(f"Table memories of {str(path)!r} must have auto, block or luts per node, not {memories!r}")
    return FoldingFile(nodes, fifos, pipelined, memories)


def _check_count(thing: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{thing} must be a positive integer, not {value!r}")


def folding_text(network: Network, interval: float) -> str:
    """Return the network's folding and its FIFO depths as the text of a folding file.

    Parameters
    ----------
    interval : cycles between frames with this folding and these depths, for a comment
    """
    lines = [f"# Folding of {' '.join(network.name.split())}: {round(interval, 2):,} cycles between frames.", ""]
    if is_pipelined(network):
        lines += ["# Registers around memories, for a faster clock.", "pipelined = true", ""]
    for node in without_converters(network).nodes:
        if node.folding:
            lines += [
                f"[nodes.{toml_key(node.name)}]",
                *(f"{name} = {value}" for name, value in node.folding.items()),
                "",
            ]
    places = weight_memories(network)
    if places:
        lines += ["# Weights in block RAM that the board has left.", "[memories]"]
        lines += [*(f"{toml_key(name)} = {json.dumps(place)}" for name, place in places.items()), ""]
    lines += [
        "# Depths for this folding. Delete those that shall be chosen again, and all of them if pe or simd changes."
    ]
    lines += ["[fifos]", *(f"{toml_key(fifo.name)} = {fifo.depth}" for fifo in network.fifos)]
    return "\n".join(lines) + "\n"


def write_folding_file(network: Network, path: str | os.PathLike[str], *, interval: float) -> None:
    """Write the network's folding file, completely or not at all; `interval` is for a comment.

    Raises
    ------
    InputError
        The path cannot be written to.
    """
    with atomic_write(path, "Folding") as part:
        part.write_text(folding_text(network, interval), encoding="utf-8")


def toml_key(name: str) -> str:
    """Return a name as a TOML key, quoted if necessary."""
    if re.fullmatch(r"[A-Za-z0-9_-]+", name):
        return name
    return json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")
