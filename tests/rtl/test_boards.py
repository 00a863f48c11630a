"""The table of boards."""

import subprocess
import sys

import pytest

from dataflow import InputError
from dataflow.families import FAMILIES
from rtl.bitstream.pll import pll_of
from rtl.bitstream.top import divisor_of
from rtl.boards import Board, board_of, boards


@pytest.mark.parametrize("board", boards(), ids=lambda board: board.name)
def test_boards_are_complete(board: Board) -> None:
    assert board_of(board.name) is board
    assert board.family in FAMILIES
    platform = board.create_platform()
    assert platform.default_clk_frequency == board.oscillator_mhz * 1_000_000
    assert {("uart", 0), ("led", 0), ("led", 1)} <= set(platform.resources)
    pll_of(board, board.clock_mhz)
    divisor_of(board.clock_mhz, 1_000_000)


def test_unknown_board() -> None:
    with pytest.raises(
        InputError, match=r"^Board must be one of icebreaker, ulx3s-85f, not 'ulx3s' \(did you mean 'ulx3s-85f'\?\)$"
    ):
        board_of("ulx3s")
    with pytest.raises(InputError, match=r"^Board must be one of icebreaker, ulx3s-85f, not 'zybo'$"):
        board_of("zybo")


def test_boards_and_costs_need_no_amaranth() -> None:
    code = "import sys, rtl.boards, rtl.link.cost; assert not {'amaranth', 'amaranth_boards'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
