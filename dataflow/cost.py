"""Estimated resources of nodes and FIFOs, by device family.

The parts of a unit are counted (`Node.structure`), and the price of each part in LUTs and flip-flops is fitted to
synthesis by Yosys (``cost_fit.json``, written by ``benchmarks/calibrate_cost.py``). Block RAMs follow the shapes of the
family (`dataflow.families`). `docs/cost-model.md` describes the model and its errors.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from dataflow.families import Family, LutRam, family_of
from dataflow.logic import constant_luts, group_luts, mux_luts, part_luts, ring_luts, rom_luts, sum_luts
from dataflow.network import Network
from dataflow.nodes import Node
from dataflow.parts import Structure, fifo_structure

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
    """Estimated resources: LUTs (with 4 inputs; Xilinx 7 with 6), flip-flops, block RAMs, DSP blocks."""

    luts: int = 0
    ffs: int = 0
    brams: int = 0
    dsps: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.luts + other.luts, self.ffs + other.ffs, self.brams + other.brams, self.dsps + other.dsps)

    def cells(self, family: str) -> int:
        """Return the number of logic cells for LUTs and flip-flops together."""
        return self.luts + round(family_of(family).lone_ffs * self.ffs)

    def weight(self, family: str) -> int:
        """Return one figure for ranking foldings. A block RAM counts as many cells as a device has per block RAM."""
        return self.cells(family) + family_of(family).luts_per_block * self.brams


@dataclass(frozen=True)
class WeightMemory:
    """Block RAM that holds weights.

    Parameters
    ----------
    bits : bits of the weights
    blocks : number of blocks
    block_bits : bits of these blocks
    """

    bits: int = 0
    blocks: int = 0
    block_bits: int = 0

    def __add__(self, other: "WeightMemory") -> "WeightMemory":
        return WeightMemory(self.bits + other.bits, self.blocks + other.blocks, self.block_bits + other.block_bits)

    @property
    def waste(self) -> float:
        """Fraction of the blocks' bits that hold no weight; 0 if there are no blocks."""
        return 1 - self.bits / self.block_bits if self.blocks else 0.0


def network_cost(network: Network, family: str, *, portable: bool = False) -> Cost:
    """Return the estimated cost of all nodes and FIFOs, and of the AXI4-Stream ports.

    Parameters
    ----------
    portable : see `node_cost`
    """
    total = sum((node_cost(node, family, portable=portable) for node in network.nodes), Cost())
    total = sum((fifo_cost(network.stream(f).width, f.depth, family) for f in network.fifos), total)
    return total + port_cost(network)


def node_cost(node: Node, family: str, *, portable: bool = False) -> Cost:
    """Return the estimated cost of one node.

    Parameters
    ----------
    portable : whether the hardware is made for any family, without the family's cells, as in a package of Verilog
    """
    device = family_of(family)
    return _cost(node.structure() if portable else node.structure_for(device), device)


def fifo_cost(width: int, depth: int, family: str) -> Cost:
    """Return the estimated cost of a FIFO of `depth` words of `width` bits."""
    return _fifo_cost(width, depth, family_of(family).name)


@cache
def _fifo_cost(width: int, depth: int, family: str) -> Cost:
    return _cost(fifo_structure(width, depth), family_of(family))


def weight_memory(network: Network, family: str) -> WeightMemory:
    """Return the block RAM for the network's weights. Weights in LUTs do not count."""
    memory, total = family_of(family).memory, WeightMemory()
    for node in network.nodes:
        for depth, width in node.structure().weight_memories:
            blocks = memory.blocks(depth, width)
            total += WeightMemory(depth * width, blocks, blocks * memory.bits)
    return total


def port_cost(network: Network) -> Cost:
    """Return the cost of the AXI4-Stream ports. Each has a counter of a frame's beats, compared with the last one."""
    bits = [(terminal.stream.beats - 1).bit_length() for terminal in (*network.inputs, *network.outputs)]
    return Cost(luts=sum(2 * each + 3 for each in bits), ffs=sum(each + 1 for each in bits))


def _cost(unit: Structure, family: Family) -> Cost:
    luts, ffs = cost_parts(unit, family)
    fit = _fit()[family.name].get(unit.kind, {"luts": {}, "ffs": {}})
    dsps = len(unit.multipliers) if family.multiplies else 0
    return Cost(_priced(luts, fit["luts"]), _priced(ffs, fit["ffs"]), _block_rams(unit, family), dsps)


def _priced(parts: Mapping[str, float], prices: Mapping[str, float]) -> int:
    """Return the price of parts. A part that no sample had, or of a kind that was not measured, costs 1."""
    return round(sum(prices.get(name, 1.0) * count for name, count in parts.items()))


@cache
def _fit() -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Return the price of each part, by family, kind of unit, resource and part."""
    text = files("dataflow").joinpath("cost_fit.json").read_text(encoding="utf-8")
    fit: dict[str, dict[str, dict[str, dict[str, float]]]] = json.loads(text)
    return fit


@dataclass(frozen=True)
class _Placed:
    """How Yosys implements the writable memories of a unit, each with (depth, width).

    Parameters
    ----------
    loose : memories in flip-flops
    lut_rams : memories in LUT RAM, with the kind of cell
    blocks : memories in block RAM
    """

    loose: list[tuple[int, int]]
    lut_rams: list[tuple[LutRam, int, int]]
    blocks: list[tuple[int, int]]


def _placed(unit: Structure, family: Family) -> _Placed:
    """Return how Yosys implements the writable memories of a unit: as is cheapest by its prices."""
    found = _Placed([], [], [])
    for depth, width in unit.memories:
        block = family.memory.cost(depth, width, one_port=unit.one_port)
        ram = min(family.lut_rams, key=lambda each: each.cost(depth, width), default=None)
        if ram and ram.cost(depth, width) <= block:
            found.lut_rams.append((ram, depth, width))
        elif not family.lut_rams and depth * width <= block:
            found.loose.append((depth, width))
        else:
            found.blocks.append((depth, width))
    return found


#: Parts that only some families have. With LUTs of 4 inputs each bit of a sum takes a LUT; with LUTs of 6 inputs, a bit
#: that goes unchanged into the carry chain takes none. Products are logic where there are no DSP blocks; elsewhere only
#: what factors have above 18 bits. Functions of many inputs are made of tables with as many inputs as a LUT has.
_ONLY_IN: dict[str, Callable[[Family], bool]] = {
    "limit_columns": lambda family: family.bare_carries,
    "subtracted_bits": lambda family: family.bare_carries,
    "address_sum_bits": lambda family: family.lut_inputs == 4,
    "moving_address_bits": lambda family: family.lut_inputs == 6,
    "product_bits": lambda family: not family.multiplies,
    "constant_product_bits": lambda family: not family.multiplies,
    "wide_product_bits": lambda family: family.multiplies and not family.adds_products,
    "tables_of_4": lambda family: family.lut_inputs == 4,
    "choices_of_4": lambda family: family.lut_inputs == 4,
    "tables_of_6": lambda family: family.lut_inputs == 6,
    "choices_of_6": lambda family: family.lut_inputs == 6,
}


def cost_parts(unit: Structure, family: Family) -> tuple[dict[str, float], dict[str, float]]:
    """Return the parts of a unit that take LUTs, and those that take flip-flops, in a device family."""
    placed, rings = _placed(unit, family), [ring_luts(ring, family) for ring in unit.rings]
    parts = [(family.memory.parts(*size, written=True), size[1]) for size in placed.blocks]
    parts += [(family.memory.parts(*size), size[1]) for size in (*unit.weight_memories, *unit.read_only)]
    split = [(ram.parts(depth), width) for ram, depth, width in placed.lut_rams if depth > ram.depth]
    luts = {name: count for name, count in unit.parts.items() if name not in _ONLY_IN or _ONLY_IN[name](family)}
    luts |= {
        "one": 1.0,
        "rom_luts": sum(rom_luts(rom, family) for rom in unit.roms),
        "group_luts": sum(group_luts(groups, family) for groups in unit.groups),
        "sum_luts": sum(sum_luts(each, family) for each in unit.sums),
        "ring_luts": sum(each for each, _ in rings),
        "mux_luts": sum(mux_luts(mux, family) for mux in unit.muxes),
        "constant_luts": sum(constant_luts(bits, family) for bits in unit.constants),
        "part_luts": sum(part_luts(count, width, family) for count, width in parts),
        "lut_ram_luts": sum(ram.cells(depth, width) * ram.luts for ram, depth, width in placed.lut_rams),
        # Each part of LUT RAM has an enable, and a share of the multiplexer between parts.
        "lut_ram_parts": sum(count * (1 + 0.6 * width) for count, width in split),
        "multiplied_bits": 0 if family.multiplies else sum(left * right for left, right in unit.multipliers),
        # Yosys makes a memory that is written and read in one cycle return the old word: this takes a multiplexer after
        # each memory, and registers, which copies of a memory share.
        "block_bits": sum(width for _, width in placed.blocks),
        "loose_luts": sum(depth * (0.7 * width + 1) for depth, width in placed.loose),
    }
    ffs = {
        "one": 1.0,
        "registers": unit.registers
        + sum(each for _, each in rings)
        + (0 if family.adds_products else unit.product_registers),
        "lut_ram_bits": sum(width for _, _, width in placed.lut_rams),
        "block_bits": sum(width for _, width in set(placed.blocks)),
        "loose_bits": sum(depth * width for depth, width in placed.loose),
    }
    return luts, ffs


def _block_rams(unit: Structure, family: Family) -> int:
    """Return the number of block RAMs of a unit."""
    read_only = sum(family.memory.blocks(*size) for size in (*unit.weight_memories, *unit.read_only))
    return read_only + sum(family.memory.blocks(*size, written=True) for size in _placed(unit, family).blocks)
