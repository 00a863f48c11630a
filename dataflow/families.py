"""Device families: the shapes of their block RAM, and what their LUTs can do."""

from dataclasses import dataclass
from functools import cache
from operator import itemgetter

from dataflow.errors import InputError

__all__ = ["FAMILIES", "Family", "LutRam", "Memory", "Shape", "family_of"]


@dataclass(frozen=True)
class Shape:
    """A configuration of a block RAM, or of a pair of them: `rows` words of `columns` bits."""

    rows: int
    columns: int
    blocks: int = 1


#: Yosys' surcharge on block RAM that is read and written at different words, between 10.5 and 12 where it has no mode
#: that reads the old word first (6 emulations of 2 each), and at the same word, between -47 and -0.5. The bounds were
#: derived from Yosys' choices for sample memories.
_TWO_PORTS, _ONE_PORT = 11.0, -1.0


@dataclass(frozen=True, eq=False)
class Memory:
    """The block RAM of a device family, and how Yosys chooses its shape.

    A memory that is deeper than a shape is divided into parts, followed by a multiplexer. The shape is the cheapest one
    by Yosys' own prices: the prices of the blocks, and a half for each bit that a multiplexer selects and for each part
    that is written.

    Parameters
    ----------
    bits : bits of a block
    shapes : the narrowest first
    price : price of a block
    pair_price : price of a pair of blocks
    written_byte : a writable word takes complete groups of this many bits, in shapes that are at least as wide
    reads_first : whether a word that is written and read at once can be the old one, as Yosys wants it of two ports
    """

    bits: int
    shapes: tuple[Shape, ...]
    price: int
    pair_price: int = 0
    written_byte: int = 1
    reads_first: bool = False

    def blocks(self, depth: int, width: int, *, written: bool = False) -> int:
        """Return the blocks that hold `depth` words of `width` bits."""
        return self._chosen(depth, width, written)[1]

    def parts(self, depth: int, width: int, *, written: bool = False) -> int:
        """Return the number of parts from which a multiplexer selects."""
        return self._chosen(depth, width, written)[2]

    def cost(self, depth: int, width: int, *, one_port: bool) -> float:
        """Return Yosys' price of a writable memory.

        Parameters
        ----------
        one_port : whether it is read and written at the same word
        """
        two_ports = 0.0 if self.reads_first else _TWO_PORTS
        return self._chosen(depth, width, True)[0] + (_ONE_PORT if one_port else two_ports)

    def _chosen(self, depth: int, width: int, written: bool) -> tuple[float, int, int]:
        """Return price, blocks and parts with the cheapest shape."""
        return _cheapest(self, depth, width, written)

    def of_shape(self, shape: Shape, depth: int, width: int, *, written: bool) -> tuple[float, int, int]:
        """Return price, blocks and parts with one of the shapes."""
        byte = self.written_byte if written and shape.columns >= self.written_byte else 1
        parts = -(-depth // shape.rows)
        count = -(-parts * -(-width // byte) * byte // shape.columns)
        price = count * (self.price if shape.blocks == 1 else self.pair_price)
        return price + _choice_price(parts, width, written), count * shape.blocks, parts


@dataclass(frozen=True, eq=False)
class LutRam:
    """Memory made of LUTs: a cell of `depth` words of `width` bits takes `luts`.

    Parameters
    ----------
    depth, width, luts : size of a cell
    price : Yosys' price of a cell, and the surcharge for a cell in which all bits are used
    """

    depth: int
    width: int
    luts: int
    price: tuple[float, float]

    def cells(self, depth: int, width: int) -> int:
        """Return the cells that hold `depth` words of `width` bits."""
        return self.parts(depth) * -(-width // self.width)

    def parts(self, depth: int) -> int:
        """Return the number of cells from which a multiplexer selects."""
        return -(-depth // self.depth)

    def cost(self, depth: int, width: int) -> float:
        """Return Yosys' price."""
        parts, (each, used) = self.parts(depth), self.price
        return each * self.cells(depth, width) + used * parts * width / self.width + _choice_price(parts, width, True)


@cache
def _cheapest(memory: Memory, depth: int, width: int, written: bool) -> tuple[float, int, int]:
    return min((memory.of_shape(shape, depth, width, written=written) for shape in memory.shapes), key=itemgetter(0))


def _choice_price(parts: int, width: int, written: bool) -> float:
    """Return Yosys' price of selecting a part for reading, and for writing."""
    return 0.5 * (parts - 1) * width + (0.5 * parts if written and parts > 1 else 0.0)


@dataclass(frozen=True, eq=False)
class Family:
    """A device family.

    Parameters
    ----------
    name : name on the command line
    memory : its block RAM
    lut_inputs : inputs of a LUT
    wide_muxes : whether multiplexers between LUTs cost no LUT
    carry_bits : bits of a carry cell; a chain takes complete cells
    bare_carries : whether a carry has no LUT before it, so that inverting an operand takes separate LUTs
    carries_products : whether the LUT before a carry has four inputs, so that it multiplies by a weight of one bit too
    shift_registers : whether a LUT can be a shift register
    multiplies : whether multiplications become DSP blocks
    adds_products : whether these have the registers of factors and products, and the sum of a product and a number
    lut_rams : its writable memories made of LUTs
    lone_ffs : fraction of the flip-flops that take a logic cell without a LUT; the largest value of several networks
    luts_per_block : LUTs per block RAM on a usual device, which is the price of a block
    pipelines : whether folding for one of its boards puts registers around the memories (`dataflow.pipelined`): block
        RAM is slow, and flip-flops are left over beside the LUTs
    """

    name: str
    memory: Memory
    lut_inputs: int = 4
    wide_muxes: bool = False
    carry_bits: int = 1
    bare_carries: bool = False
    carries_products: bool = False
    shift_registers: bool = False
    multiplies: bool = True
    adds_products: bool = False
    lut_rams: tuple[LutRam, ...] = ()
    lone_ffs: float = 0.0
    luts_per_block: int = 400
    pipelines: bool = False


_SHAPES_18K = tuple(Shape(16384 >> k, width) for k, width in enumerate((1, 2, 4, 9, 18, 36)))
_SHAPES_36K = tuple(Shape(32768 >> k, width, blocks=2) for k, width in enumerate((1, 2, 4, 9, 18, 36, 72)))

FAMILIES = {
    family.name: family
    for family in (
        # A cell is a LUT with a flip-flop whose input is the LUT's output.
        Family(
            "ice40",
            Memory(4096, tuple(Shape(2048 >> k, 2 << k) for k in range(4)), price=64),
            bare_carries=True,
            multiplies=False,
            lone_ffs=0.46,
            luts_per_block=170,
        ),
        Family(
            "ecp5",
            Memory(18432, _SHAPES_18K, price=128, written_byte=9),
            carry_bits=2,
            carries_products=True,
            lut_rams=(LutRam(16, 4, 6, (4, 0)),),
            pipelines=True,
        ),
        Family(
            "gowin",
            Memory(18432, _SHAPES_18K, price=128, written_byte=9),
            lut_rams=(LutRam(16, 4, 4, (0, 4)),),
        ),
        # Blocks are counted in halves of 18 kbit.
        Family(
            "xilinx7",
            Memory(18432, (*_SHAPES_18K, *_SHAPES_36K), price=129, pair_price=257, written_byte=9, reads_first=True),
            lut_inputs=6,
            wide_muxes=True,
            shift_registers=True,
            adds_products=True,
            lut_rams=(LutRam(32, 1, 2, (0, 2)), LutRam(32, 6, 4, (1, 7)), LutRam(64, 3, 4, (1, 7))),
            luts_per_block=230,
        ),
    )
}


def family_of(name: str) -> Family:
    """Return the device family called `name`.

    Raises
    ------
    InputError
        There is none.
    """
    if name not in FAMILIES:
        raise InputError(f"Device family must be one of {', '.join(FAMILIES)}, not {name!r}")
    return FAMILIES[name]
