"""The boards for which bitstreams can be built."""

from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import Any

from dataflow.errors import require_known

__all__ = ["Board", "board_of", "boards"]


@dataclass(frozen=True)
class Board:
    """A board with a supported FPGA, an oscillator and a serial link.

    Parameters
    ----------
    name : name on the command line
    device : the FPGA
    family : device family, as in `dataflow.families.FAMILIES`
    luts : 4-input LUTs, each with one flip-flop
    brams : block RAMs
    dsps : multipliers
    oscillator_mhz : frequency at the board's clock pin
    clock_mhz : default clock of a design
    platform : class of `amaranth_boards`, as ``module.class``
    """

    name: str
    device: str
    family: str
    luts: int
    brams: int
    dsps: int
    oscillator_mhz: Fraction
    clock_mhz: float
    platform: str

    def create_platform(self) -> Any:
        """Return a new Amaranth platform, which can be used for one build."""
        module, name = self.platform.split(".")
        return getattr(import_module(f"amaranth_boards.{module}"), name)()


_BOARDS = (
    Board(
        name="icebreaker",
        device="iCE40 UP5K",
        family="ice40",
        luts=5280,
        brams=30,
        dsps=8,
        oscillator_mhz=Fraction(12),
        clock_mhz=24.0,
        platform="icebreaker.ICEBreakerPlatform",
    ),
    Board(
        name="ulx3s-85f",
        device="LFE5U-85F",
        family="ecp5",
        luts=83640,
        brams=208,
        dsps=156,
        oscillator_mhz=Fraction(25),
        clock_mhz=80.0,
        platform="ulx3s.ULX3S_85F_Platform",
    ),
)


def boards() -> tuple[Board, ...]:
    """Return all boards."""
    return _BOARDS


def board_of(name: str) -> Board:
    """Return the board called `name`.

    Raises
    ------
    InputError
        There is none; the message suggests the most similar name.
    """
    known = {board.name: board for board in _BOARDS}
    return known[require_known("Board", name, known)]
