"""Platforms: which device family hardware is for, and whether it may have the family's cells."""

import pytest

from dataflow import InputError
from dataflow.families import FAMILIES
from rtl.boards import boards
from rtl.platforms import FamilyPlatform, family_on, has_cells


def test_a_family_s_platform() -> None:
    platform = FamilyPlatform("ecp5")
    assert family_on(platform) is FAMILIES["ecp5"]
    assert has_cells(platform)
    assert not has_cells(FamilyPlatform("ecp5", modelled=True))


def test_no_platform_is_of_no_family() -> None:
    assert family_on(None) is None
    assert not has_cells(None)


@pytest.mark.parametrize("board", boards(), ids=lambda board: board.name)
def test_platforms_of_boards(board) -> None:
    platform = board.create_platform()
    family = family_on(platform)
    # Amaranth's platforms of iCE40 do not name their family; nothing is made for it alone.
    assert (None if family is None else family.name) == ("ecp5" if board.family == "ecp5" else None)
    assert has_cells(platform) == (board.family == "ecp5")


def test_unknown_families_are_refused() -> None:
    with pytest.raises(InputError, match=r"^Device family must be one of ice40, ecp5, gowin, xilinx7, not 'max10'$"):
        FamilyPlatform("max10")
