"""Estimated resources of nodes and FIFOs, by device family.

What a unit is made of is counted (`dataflow.structure`), what each part costs in LUTs and flip-flops is fitted to
synthesis by Yosys (``cost_fit.json``, written by ``benchmarks/calibrate_cost.py``). Block RAMs follow the shapes of the
family (`dataflow.families`). `docs/cost-model.md` tells how far the model is from synthesis.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from dataflow.families import Family, family_of
from dataflow.network import Network
from dataflow.nodes import Node
from dataflow.structure import Rom, Structure, fifo_structure, structure

__all__ = [
    "Cost",
    "WeightMemory",
    "cost_parts",
    "fifo_cost",
    "network_cost",
    "node_cost",
    "port_cost",
    "weight_memory",
]


@dataclass(frozen=True)
class Cost:
    """Estimated resources: LUTs (of 4 inputs, Xilinx 7 of 6), flip-flops, block RAMs, DSP blocks."""

    luts: int = 0
    ffs: int = 0
    brams: int = 0
    dsps: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.luts + other.luts, self.ffs + other.ffs, self.brams + other.brams, self.dsps + other.dsps)

    def cells(self, family: str) -> int:
        """Return the logic cells that LUTs and flip-flops take together."""
        return self.luts + round(family_of(family).lone_ffs * self.ffs)

    def weight(self, family: str) -> int:
        """Return one figure to rank foldings by: a block RAM counts as much as the cells that stand beside one."""
        return self.cells(family) + family_of(family).luts_per_block * self.brams


@dataclass(frozen=True)
class WeightMemory:
    """Block RAM that holds weights.

    Parameters
    ----------
    bits : of weights
    blocks : that they take
    block_bits : bits of those blocks
    """

    bits: int = 0
    blocks: int = 0
    block_bits: int = 0

    def __add__(self, other: "WeightMemory") -> "WeightMemory":
        return WeightMemory(self.bits + other.bits, self.blocks + other.blocks, self.block_bits + other.block_bits)

    @property
    def waste(self) -> float:
        """Part of the blocks' bits that hold no weight; 0 if there are no blocks."""
        return 1 - self.bits / self.block_bits if self.blocks else 0.0


def network_cost(network: Network, family: str) -> Cost:
    """Return the estimated cost of all nodes and FIFOs, and of the AXI4-Stream ports."""
    total = sum((node_cost(node, family) for node in network.nodes), Cost())
    total = sum((fifo_cost(network.stream(f).width, f.depth, family) for f in network.fifos), total)
    return total + port_cost(network)


def node_cost(node: Node, family: str) -> Cost:
    """Return the estimated cost of one node."""
    device = family_of(family)
    return _cost(structure(node), device)


def fifo_cost(width: int, depth: int, family: str) -> Cost:
    """Return the estimated cost of a FIFO of `depth` words of `width` bits."""
    return _fifo_cost(width, depth, family_of(family).name)


@cache
def _fifo_cost(width: int, depth: int, family: str) -> Cost:
    return _cost(fifo_structure(width, depth), family_of(family))


def weight_memory(network: Network, family: str) -> WeightMemory:
    """Return the block RAM that the network's weights take; weights in LUTs are not among them."""
    memory, total = family_of(family).memory, WeightMemory()
    for node in network.nodes:
        for depth, width in structure(node).weight_memories:
            blocks = memory.blocks(depth, width)
            total += WeightMemory(depth * width, blocks, blocks * memory.bits)
    return total


def port_cost(network: Network) -> Cost:
    """Return the cost of the AXI4-Stream ports: for each a counter of the frame's beats, compared with the last."""
    bits = [(terminal.stream.beats - 1).bit_length() for terminal in (*network.inputs, *network.outputs)]
    return Cost(luts=sum(2 * each + 3 for each in bits), ffs=sum(each + 1 for each in bits))


def _cost(unit: Structure, family: Family) -> Cost:
    luts, ffs = cost_parts(unit, family)
    fit = _fit()[family.name][unit.kind]
    brams = sum(family.memory.blocks(*size) for size in _block_rams(unit, family))
    dsps = len(unit.multipliers) if family.name != "ice40" else 0
    return Cost(_priced(luts, fit["luts"]), _priced(ffs, fit["ffs"]), brams, dsps)


def _priced(parts: Mapping[str, float], prices: Mapping[str, float]) -> int:
    return max(0, round(sum(prices.get(name, 0.0) * count for name, count in parts.items())))


@cache
def _fit() -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Return what each part costs: by family, kind of unit, resource, part."""
    text = files("dataflow").joinpath("cost_fit.json").read_text(encoding="utf-8")
    fit: dict[str, dict[str, dict[str, dict[str, float]]]] = json.loads(text)
    return fit


def cost_parts(unit: Structure, family: Family) -> tuple[dict[str, float], dict[str, float]]:
    """Return the parts of a unit that take LUTs, and those that take flip-flops, in a device family."""
    muxed = sum((family.memory.parts(*size) - 1) * size[1] for size in _block_rams(unit, family))
    lut_rams = [size for size in unit.memories if _in_lut_ram(family, *size)]
    lut_ram_bits = float(sum(width for _, width in lut_rams))
    # Yosys makes memories that are written and read at once return what was there before: a multiplexer behind each,
    # and registers, which copies of a memory share.
    blocks = [size for size in unit.memories if size not in lut_rams]
    muxed_bits, held_bits = float(sum(size[1] for size in blocks)), float(sum(size[1] for size in set(blocks)))
    luts = {**unit.parts, "one": 1.0, "rom_luts": sum(_rom_luts(rom, family) for rom in unit.roms)}
    luts |= {"part_bits": float(muxed), "lut_ram_luts": float(sum(_lut_ram_luts(family, *size) for size in lut_rams))}
    luts |= {"multiplied_bits": float(sum(left * right for left, right in unit.multipliers)), "block_bits": muxed_bits}
    ffs = {"one": 1.0, "registers": float(unit.registers), "lut_ram_bits": lut_ram_bits, "block_bits": held_bits}
    return luts, ffs


def _rom_luts(rom: Rom, family: Family) -> float:
    """Return the LUTs of a read-only memory: tables of as many words as a LUT has, and the choice between them.

    A few last words share a LUT with the choice.
    """
    tables, rest = divmod(rom.depth, 1 << family.lut_inputs)
    if family.wide_muxes:
        return float(rom.columns * (1 << (tables - (not rest)).bit_length()))
    tables += rest > 4
    choice = 0.8 if 0 < rest <= 4 and tables else 0.0
    return rom.columns * (choice + (1.0 if tables <= 1 else 2.5 * tables - 1.6))


def _lut_ram_luts(family: Family, depth: int, width: int) -> int:
    assert family.lut_ram is not None
    return family.lut_ram.cells(depth, width) * family.lut_ram.luts


def _block_rams(unit: Structure, family: Family) -> list[tuple[int, int]]:
    """Return depth and width of all block RAMs of a unit."""
    written = [size for size in unit.memories if not _in_lut_ram(family, *size)]
    return [*unit.weight_memories, *unit.read_only, *written]


def _in_lut_ram(family: Family, depth: int, width: int) -> bool:
    """Return whether Yosys keeps a memory that is written in LUT RAM: where that is cheaper by its own prices.

    Those are 4 for a cell of LUT RAM, 128 for a block RAM, and half for each bit that a multiplexer chooses.
    """
    ram, memory = family.lut_ram, family.memory
    if ram is None:
        return False
    in_luts = 4 * ram.cells(depth, width) + 0.5 * width * (-(-depth // ram.depth) - 1)
    return in_luts <= 128 * memory.blocks(depth, width) + 0.5 * width * (memory.parts(depth, width) - 1)
