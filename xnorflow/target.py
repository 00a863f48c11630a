"""What a network is folded for: board or device family, and clock. The .xnf file remembers it."""

import json
from dataclasses import dataclass, replace
from typing import Any

from dataflow import InputError, Network
from dataflow.families import family_of
from xnorflow.timing import ASSUMED, Build, Clock, clock_for, clock_of

__all__ = ["Target", "board_family", "choose_target", "remembered", "with_target"]

#: Key of the metadata of a network.
_KEY = "target"

_FAMILY = "ecp5"


@dataclass(frozen=True)
class Target:
    """What a network is folded for.

    Parameters
    ----------
    family : device family of estimates
    clock : turns cycles into time
    board : name of the board, if it is one
    origin : where it comes from, for people
    """

    family: str = _FAMILY
    clock: Clock = ASSUMED
    board: str | None = None
    origin: str = ""

    def __str__(self) -> str:
        what = f"device family {self.family}" if self.board is None else f"board {self.board} ({self.family})"
        return f"target: {what}, {self.clock}" + (f"; {self.origin}" if self.origin else "")

    def to_json(self) -> dict[str, Any]:
        """Return the target as values of JSON."""
        clock = {"clock_mhz": self.clock.mhz, "clock": self.clock.source, "clock_note": self.clock.note}
        return {"board": self.board, "family": self.family, **clock, "origin": self.origin}


def with_target(network: Network, target: Target) -> Network:
    """Return the network, which remembers the target."""
    kept = {"board": target.board, "family": target.family, "mhz": target.clock.mhz, "note": target.clock.note}
    return replace(network, metadata={**network.metadata, _KEY: json.dumps(kept, sort_keys=True)})


def remembered(network: Network) -> Target | None:
    """Return the target that a network remembers, or None.

    Raises
    ------
    InputError
        It is none: the file was changed by other means.
    """
    text = network.metadata.get(_KEY)
    if text is None:
        return None
    try:
        kept = json.loads(text)
        board, family, mhz, note = (kept[key] for key in ("board", "family", "mhz", "note"))
        if not isinstance(board, str | None) or not isinstance(family, str):
            raise TypeError("names must be texts")
        clock = clock_of(float(mhz))
        family = family_of(family).name
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f"Target of network {network.name!r} must be board, family and clock, not {text!r}") from error
    if board is not None:
        from rtl.boards import board_of

        family = board_of(board).family
    return Target(family, replace(clock, note=str(note)), board, "of the network's folding")


def board_family(network: Network) -> str | None:
    """Return the device family of the board that a network remembers, or None if it remembers no board."""
    target = remembered(network)
    return None if target is None or target.board is None else target.family


def choose_target(
    network: Network,
    *,
    board: str | None = None,
    family: str | None = None,
    clock_mhz: float | None = None,
    build: Build | None = None,
) -> Target:
    """Return the target of a command: what its options say, for the rest what the network remembers.

    Another board or family has its own usual clock.

    Parameters
    ----------
    build : whose board and clock are taken

    Raises
    ------
    InputError
        No such board or family, a family that contradicts the board, or a clock that is not positive.
    """
    kept = remembered(network)
    if build is not None:
        from rtl.boards import board_of

        built = board_of(build.figures["board"])
        _require_family(built.name, built.family, family)
        return Target(built.family, clock_of(clock_mhz, build), built.name, "as built")
    base = kept or Target()
    if board is not None and board != base.board:
        base = _of_board(board)
    elif board is None and family is not None and family_of(family).name != base.family:
        base = Target(family_of(family).name)
    if board is not None:
        _require_family(base.board or "", base.family, family)
    if clock_mhz is not None:
        base = replace(base, clock=clock_of(clock_mhz))
    options = [
        *(["--board"] if board is not None else []),
        *(["--family"] if family is not None else []),
        *(["--clock-mhz"] if clock_mhz is not None else []),
    ]
    if options:
        origin = f"by {' and '.join(options)}"
        if kept is not None and (base.board, base.family, base.clock) != (kept.board, kept.family, kept.clock):
            was = kept.board or kept.family
            origin += f", instead of {was} at {kept.clock.mhz:g} MHz, for which it was folded"
        base = replace(base, origin=origin)
    return base


def _of_board(board: str) -> Target:
    from rtl.boards import board_of

    found = board_of(board)
    return Target(found.family, clock_for(found), found.name)


def _require_family(board: str, of_board: str, family: str | None) -> None:
    if family is not None and family_of(family).name != of_board:
        raise InputError(f"Device family of board {board!r} must be {of_board}, not {family!r}")
