"""Verilog of a network, with AXI4-Stream ports."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from amaranth.back import verilog as back
from amaranth.lib.wiring import In, Member

import dataflow
from dataflow.naming import encodable, plain_names
from dataflow.writing import output_folder
from rtl.axi import AxiTop, clock_ports
from rtl.core import fifo_names
from rtl.platforms import FamilyPlatform

__all__ = ["divided", "top_name", "verilog", "write_verilog"]

#: The declaration of a signal without bits, such as the counter of a single beat. Nothing reads or drives it, but Yosys
#: declares it with two bits.
_EMPTY_WIRE = re.compile(r"^ *(?:wire|reg) \[-1:0\] [^;]*;\n", re.MULTILINE)

#: A module with its name, which contains the names of the modules around it: ``top.core.node_fc0.popcount``.
_MODULE = re.compile(r"^module \\?(\S+) ?\(.*?^endmodule\n", re.MULTILINE | re.DOTALL)

#: Parts of a module's name that make a component: the top, the core, and each node and FIFO inside it.
_COMPONENT_PARTS = 3

#: Maximum number of letters in the name of a file, without its suffix.
_MOST_LETTERS = 100


def top_name(network: dataflow.Network) -> str:
    """Return the name of a network's top module: the network's name, as far as Verilog allows it."""
    name = plain_names([network.name])[network.name]
    return name if re.match(r"[A-Za-z_]", name) else f"net_{name}"


def verilog(network: dataflow.Network, *, reset: str = "active-high", platform: FamilyPlatform | None = None) -> str:
    """Return the Verilog of a network. The same network always gives the same text.

    The top module is called `top_name`. Its ports are those of `AxiTop`, with ``clk`` and the synchronous reset
    ``rst``, or ``aclk`` and ``aresetn``. Inside, ``core.fifo_<k>`` are the FIFOs, in the order of the network's.

    Parameters
    ----------
    reset : ``active-high`` or ``active-low``
    platform : the device family that it is for; the default is any. It may contain cells of the family
    """
    top = AxiTop(network, reset=reset)
    # Source paths would differ between machines, and the text must be the same everywhere.
    text = back.convert(top, name=top_name(network), emit_src=False, strip_internal_attrs=True, platform=platform)
    return _header(top) + _EMPTY_WIRE.sub("", text)


def divided(text: str) -> dict[str, str]:
    """Divide the text of `verilog` by component: the top, the core, and each node and each FIFO with all inside it.

    Returns
    -------
    dict
        The text of each file by its name, the top first. Names of files are short, and differ in more than their case.
    """
    head = text.partition("\n\n")[0]
    components: dict[str, list[str]] = {}
    for module in _MODULE.finditer(text):
        component = ".".join(module[1].split(".")[:_COMPONENT_PARTS])
        components.setdefault(component, []).append(module[0])
    (top, *_), names = components, _file_names(components)
    heads = {component: f"// {component.rpartition('.')[2]}: a component of {top}" for component in components}
    heads[top] = head
    return {f"{names[each]}.v": "\n".join([heads[each] + "\n", *modules]) for each, modules in components.items()}


def _file_names(components: Iterable[str]) -> dict[str, str]:
    """Return for each component the name of a file: ``top``, ``top_core``, ``top_fc0``, ``top_fifo_0``."""
    chosen: dict[str, str] = {}
    taken: set[str] = set()
    for component in components:
        top, *parts = component.split(".")
        name = unique = "_".join([top, *parts[-1:]])[:_MOST_LETTERS]
        copy = 2
        while unique.casefold() in taken:
            unique, copy = f"{name}_{copy}", copy + 1
        chosen[component] = unique
        taken.add(unique.casefold())
    return chosen


def write_verilog(network: dataflow.Network, folder: str | os.PathLike[str]) -> Path:
    """Write a network's Verilog to ``<folder>/<top_name>.v``, completely or not at all, and return the path."""
    text = verilog(network)
    target = Path(folder) / f"{top_name(network)}.v"
    output_folder(folder)
    with dataflow.atomic_write(target, "Verilog") as part:
        part.write_text(text, encoding="utf-8", newline="\n")
    return target


def _header(top: AxiTop) -> str:
    """Return the comment at the top of the file."""
    network = top.network
    clock, reset = clock_ports(top.reset)
    members = [item for item in top.signature.members.items() if item[0] not in (clock, reset)]
    lines = [
        f"{network.name}: a binary neural network with AXI4-Stream ports, made by xnorflow.",
        "",
        "Ports (bits):",
        f"  {clock} (1), {reset} (1): clock, and synchronous reset, {top.reset.replace('-', ' ')}",
        *(f"  {name} ({member.shape}): {_direction(member)}" for name, member in members),
        "",
        "Streams; channel 0 in the lowest bits, tdata filled up with zeros:",
        *(f"  {end.name}: {end.stream}; beats per frame: {end.stream.beats}{_inert(end)}" for end in _ends(network)),
        "",
        f"Cycles between frames, if the FIFOs are deep enough: {network.interval}",
        "Nodes: steps per frame, latency in cycles",
        *(f"  {node.name}: {node.steps}, {node.schedule().latency}" for node in network.nodes),
        "FIFOs: depth, bits per beat, place",
        *(
            f"  {edge.name}: {edge.depth}, {network.stream(edge).width}, core.{fifo_names(network)[edge.name]}"
            for edge in network.fifos
        ),
    ]
    # A network's name may contain line breaks, which would end the comment.
    return "".join(f"// {' '.join(encodable(line).splitlines())}".rstrip() + "\n" for line in lines) + "\n"


def _direction(member: Member) -> str:
    return "in" if member.flow == In else "out"


def _inert(end: dataflow.Terminal) -> str:
    """Return a note about lanes that carry no channel."""
    stream = end.stream
    return f"; 0 in the last {stream.inert} lanes of every beat number {stream.vector_beats}" if stream.inert else ""


def _ends(network: dataflow.Network) -> tuple[dataflow.Terminal, ...]:
    return (*network.inputs, *network.outputs)
