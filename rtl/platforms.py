"""FamilyPlatform: a platform of which only the device family is known, and what is asked of platforms."""

from dataclasses import dataclass

from dataflow.families import FAMILIES, Family, family_of

__all__ = ["FamilyPlatform", "family_on", "has_cells"]


@dataclass(frozen=True)
class FamilyPlatform:
    """Stands in for a platform of Amaranth where hardware is made for a device family, but for no board.

    Parameters
    ----------
    family : name of the device family
    modelled : whether a model replaces each cell of the family, for simulators that do not know the cell

    Raises
    ------
    InputError
        There is no such family.
    """

    family: str
    modelled: bool = False

    def __post_init__(self) -> None:
        family_of(self.family)


def family_on(platform: object) -> Family | None:
    """Return the device family of a platform, or None if hardware is made for any family."""
    return FAMILIES.get(str(getattr(platform, "family", None)))


def has_cells(platform: object) -> bool:
    """Return whether hardware for a platform may contain cells of its family."""
    return family_on(platform) is not None and not getattr(platform, "modelled", False)
