"""Device families: the shapes of their block RAM, and what their LUTs can do."""

from dataclasses import dataclass

from dataflow.errors import InputError

__all__ = ["FAMILIES", "Family", "LutRam", "Memory", "family_of"]


@dataclass(frozen=True)
class Memory:
    """The block RAM of a device family.

    Parameters
    ----------
    bits : of a block
    shapes : (depth, width) that a block can take, the widest first
    """

    bits: int
    shapes: tuple[tuple[int, int], ...]

    def blocks(self, depth: int, width: int) -> int:
        """Return the fewest blocks that hold `depth` words of `width` bits.

        Where the depth exceeds that of a shape, parts of it stand beside each other, as if they were further bits of
        a word, and a multiplexer chooses behind them. So Yosys does it.
        """
        return min(self._of_shape(shape, depth, width) for shape in self.shapes)

    def parts(self, depth: int, width: int) -> int:
        """Return of how many parts a multiplexer chooses, with as few blocks as possible."""
        fewest = self.blocks(depth, width)
        return min(-(-depth // shape[0]) for shape in self.shapes if self._of_shape(shape, depth, width) == fewest)

    @staticmethod
    def _of_shape(shape: tuple[int, int], depth: int, width: int) -> int:
        rows, columns = shape
        return -(-(-(-depth // rows) * width) // columns)


@dataclass(frozen=True)
class LutRam:
    """Memory made of LUTs: a cell of `depth` words of `width` bits takes `luts`."""

    depth: int
    width: int
    luts: int

    def cells(self, depth: int, width: int) -> int:
        """Return the cells that hold `depth` words of `width` bits."""
        return -(-depth // self.depth) * -(-width // self.width)


@dataclass(frozen=True)
class Family:
    """A device family.

    Parameters
    ----------
    name : what users call it
    memory : its block RAM
    lut_inputs : inputs of a LUT
    wide_muxes : whether multiplexers between LUTs cost none
    lut_ram : its memory made of LUTs, which can be written, if it has any
    lone_ffs : part of the flip-flops that take a logic cell of their own, beside those of the LUTs
    luts_per_block : LUTs that stand beside a block RAM on a usual device: what a block is worth
    """

    name: str
    memory: Memory
    lut_inputs: int = 4
    wide_muxes: bool = False
    lut_ram: LutRam | None = None
    lone_ffs: float = 0.0
    luts_per_block: int = 400


_SHAPES_18K = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))

FAMILIES = {
    family.name: family
    for family in (
        # A cell is a LUT with a flip-flop that can only take the LUT's output.
        Family(
            "ice40",
            Memory(4096, ((256, 16), (512, 8), (1024, 4), (2048, 2))),
            lone_ffs=0.65,
            luts_per_block=170,
        ),
        Family("ecp5", Memory(18432, _SHAPES_18K), lut_ram=LutRam(16, 4, 6)),
        Family("gowin", Memory(18432, _SHAPES_18K), wide_muxes=True, lut_ram=LutRam(16, 4, 4)),
        # Blocks are counted in halves of 18 kbit.
        Family(
            "xilinx7",
            Memory(18432, _SHAPES_18K),
            lut_inputs=6,
            wide_muxes=True,
            lut_ram=LutRam(32, 6, 4),
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
