"""Verilog of a network, with AXI4-Stream ports."""

import os
import re
from pathlib import Path

from amaranth.back import verilog as back

import dataflow
from rtl.axi import AxiTop
from rtl.core import hardware_names

__all__ = ["top_name", "verilog", "write_verilog"]


def top_name(network: dataflow.Network) -> str:
    """Return the name of a network's top module: the network's own, as far as Verilog allows it."""
    name = hardware_names([network.name])[network.name]
    return name if re.match(r"[A-Za-z_]", name) else f"net_{name}"


def verilog(network: dataflow.Network) -> str:
    """Return the Verilog of a network; byte for byte the same for the same network.

    The top module is called `top_name`, its ports are those of `AxiTop` with ``clk`` and ``rst`` (synchronous, active
    high). Inside, ``core.fifo_<k>`` are the FIFOs, in the order of the network's.
    """
    top = AxiTop(network)
    text = back.convert(top, name=top_name(network), emit_src=False, strip_internal_attrs=True)
    return _header(top) + text


def write_verilog(network: dataflow.Network, folder: str | os.PathLike[str]) -> Path:
    """Write a network's Verilog to ``<folder>/<top_name>.v``, whole or not at all, and return the path."""
    text = verilog(network)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{top_name(network)}.v"
    part = target.with_name(target.name + ".part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _header(top: AxiTop) -> str:
    """Return the comment at the head of the file."""
    network = top.network
    lines = [
        f"{network.name}: a binary neural network with AXI4-Stream ports, made by xnorflow.",
        "",
        "clk, rst: clock, and synchronous reset, active high.",
        *(
            f"{name}: {'in' if member.flow.name == 'In' else 'out'}, {member.shape} bits"
            for name, member in top.signature.members.items()
        ),
        "",
        *(
            f"input {terminal.name}: {terminal.stream}; {terminal.stream.beats} beats a frame"
            for terminal in network.inputs
        ),
        *(
            f"output {terminal.name}: {terminal.stream}; {terminal.stream.beats} beats a frame"
            for terminal in network.outputs
        ),
        f"interval: {network.interval} cycles between frames if the FIFOs are deep enough",
        "",
        "node, steps per frame, latency in cycles:",
        *(f"  {node.name}: {node.schedule().steps}, {node.schedule().latency}" for node in network.nodes),
        "FIFO, depth, width in bits, submodule of core:",
        *(
            f"  {fifo.name}: {fifo.depth}, {network.stream(fifo).width}, fifo_{k}"
            for k, fifo in enumerate(network.fifos)
        ),
    ]
    return "".join(f"// {line}".rstrip() + "\n" for line in lines) + "\n"
