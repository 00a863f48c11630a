"""Estimated resources of nodes and FIFOs, by device family.

First constants, read off Yosys runs of single units; `docs/cost-model.md` tells how far they are from synthesis.
"""

from dataclasses import dataclass
from functools import singledispatch

from dataflow.elements import Bipolar
from dataflow.errors import InputError
from dataflow.network import Network
from dataflow.nodes import ArgMax, Fork, MatrixVector, Node, PoolNode, SlidingWindow, Threshold, WidthConverter
from dataflow.storage import in_luts, in_registers

__all__ = ["FAMILIES", "Cost", "Family", "Memory", "fifo_cost", "network_cost", "node_cost"]


@dataclass(frozen=True)
class Memory:
    """The block RAM of a device family: its bits, and the (depth, width) shapes it can take."""

    bits: int
    shapes: tuple[tuple[int, int], ...]

    def blocks(self, depth: int, width: int) -> int:
        """Return the fewest blocks of one shape that hold `depth` words of `width` bits."""
        return min(-(-depth // rows) * -(-width // columns) for rows, columns in self.shapes)


@dataclass(frozen=True)
class Family:
    """A device family.

    Parameters
    ----------
    memory : its block RAM
    lone_ffs : part of the flip-flops that take a logic cell of their own, beside those of the LUTs
    """

    memory: Memory
    lone_ffs: float


FAMILIES = {
    # A cell is a LUT with a flip-flop that can only take the LUT's output.
    "ice40": Family(Memory(4096, ((256, 16), (512, 8), (1024, 4), (2048, 2))), lone_ffs=0.65),
    "ecp5": Family(Memory(18432, ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))), lone_ffs=0.0),
}


@dataclass(frozen=True)
class Cost:
    """Estimated resources: 4-input LUTs, flip-flops, block RAMs, DSP blocks."""

    luts: int = 0
    ffs: int = 0
    brams: int = 0
    dsps: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.luts + other.luts, self.ffs + other.ffs, self.brams + other.brams, self.dsps + other.dsps)

    def cells(self, family: str) -> int:
        """Return the logic cells that LUTs and flip-flops take together."""
        return self.luts + round(_family_of(family).lone_ffs * self.ffs)

    def weight(self, family: str) -> int:
        """Return one figure to rank foldings by: a block RAM counts as much as the cells that stand beside one."""
        return self.cells(family) + 170 * self.brams


def network_cost(network: Network, family: str) -> Cost:
    """Return the estimated cost of all nodes and FIFOs."""
    total = sum((node_cost(node, family) for node in network.nodes), Cost())
    return sum((fifo_cost(network.stream(f).width, f.depth, family) for f in network.fifos), total)


def node_cost(node: Node, family: str) -> Cost:
    """Return the estimated cost of one node."""
    return _cost(node, _family_of(family).memory)


def fifo_cost(width: int, depth: int, family: str) -> Cost:
    """Return the estimated cost of a FIFO of `depth` words of `width` bits."""
    memory = _family_of(family).memory
    count = Cost(luts=2 * depth.bit_length() + 3, ffs=depth.bit_length() + 1)
    if in_registers(depth, width):
        return count + Cost(luts=depth * width + 2 * depth, ffs=depth * (width + 1))
    pointers = Cost(luts=4 * depth.bit_length() + 4 + width, ffs=2 * depth.bit_length() + 2 + width)
    return count + pointers + Cost(brams=memory.blocks(depth, width))


def _family_of(family: str) -> Family:
    if family not in FAMILIES:
        raise InputError(f"Device family must be one of {', '.join(FAMILIES)}, not {family!r}")
    return FAMILIES[family]


def _read_only(memory: Memory, depth: int, width: int) -> Cost:
    """Return the cost of a read-only memory; of a single word there is nothing to keep."""
    if depth == 1:
        return Cost()
    if in_luts(depth):
        return Cost(luts=width, ffs=width)
    return Cost(brams=memory.blocks(depth, width))


def _held(memory: Memory, depth: int, width: int) -> Cost:
    """Return the cost of a vector that is held, `depth` beats of `width` bits."""
    if in_registers(depth, width):
        return Cost(luts=width, ffs=depth * width)
    return Cost(luts=width, ffs=width, brams=memory.blocks(depth, width))


@singledispatch
def _cost(node: Node, memory: Memory) -> Cost:
    raise TypeError(f"Node {node.name!r} must be of a kind with a cost, not {node.kind}")


@_cost.register
def _(node: MatrixVector, memory: Memory) -> Cost:
    synapse_folds, neuron_folds = node.synapses // node.simd, node.neurons // node.pe
    lanes = node.pe * node.simd
    accumulator = node.synapses.bit_length()
    threshold = 0 if node.thresholds is None else accumulator
    cost = Cost(luts=int(1.4 * lanes) + node.pe * (2 * accumulator + threshold) + 40, ffs=int(1.1 * lanes) + 40)
    cost += Cost(ffs=node.pe * (accumulator + 1))
    cost += _read_only(memory, synapse_folds * neuron_folds, lanes)
    cost += _held(memory, synapse_folds, node.simd) if node.group_neurons > node.pe else Cost(ffs=node.simd)
    levels = node.thresholds if node.offsets is None else node.offsets
    if levels is not None:
        cost += _read_only(memory, levels.size // node.pe, node.pe * accumulator)
    if node.position_classes is not None:
        counters = len(node.position_classes).bit_length() + neuron_folds.bit_length() + 4
        cost += Cost(luts=4 * counters + 10, ffs=2 * counters)
    return cost


@_cost.register
def _(node: Threshold, memory: Memory) -> Cost:
    cost = Cost(luts=node.pe * node.element.width // 2 + 8, ffs=node.pe * (node.element.width + 1) + 8)
    words = max(1, node.thresholds.size // node.pe)
    return cost + _read_only(memory, words, node.pe * node.element.width)


@_cost.register
def _(node: WidthConverter, memory: Memory) -> Cost:
    held = node.lanes_in + node.lanes_out
    bits = held * node.element.width
    return Cost(luts=bits + 10, ffs=bits + 6)


@_cost.register
def _(node: ArgMax, memory: Memory) -> Cost:
    width = node.key_element.width
    return Cost(luts=node.pe * 2 * width + 12, ffs=node.pe * 2 * width + 8)


@_cost.register
def _(node: Fork, memory: Memory) -> Cost:
    width = node.pe * (1 if isinstance(node.element, Bipolar) else node.element.width)
    return Cost(luts=node.copies + 2, ffs=width + 2)


@_cost.register(SlidingWindow)
@_cost.register(PoolNode)
def _(node: SlidingWindow | PoolNode, memory: Memory) -> Cost:
    width = node.pe * node.element.width
    counters = 6 * node.places.bit_length() + 40
    taken = node.pe * node.output_element.width if isinstance(node, PoolNode) else width
    return Cost(luts=counters + 2 * taken, ffs=counters + 2 * taken, brams=memory.blocks(node.places, width))
