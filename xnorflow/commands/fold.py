"""``xnorflow fold``."""

from pathlib import Path
from typing import Annotated

import typer

from dataflow import InputError, Network
from xnorflow.commands._options import Json, NetworkName
from xnorflow.timing import Clock, clock_for, clock_of

__all__ = ["fold"]


def fold(
    net: NetworkName,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.xnf", help="Where the folded network goes.")],
    fps: Annotated[float | None, typer.Option(help="Frames per second to reach, at --clock-mhz.")] = None,
    clock_mhz: Annotated[float | None, typer.Option(help="Clock in MHz that --fps is meant at.")] = None,
    interval: Annotated[int | None, typer.Option(help="Cycles between frames to reach.")] = None,
    board: Annotated[str | None, typer.Option(help="Board to fill: the fastest that fits.")] = None,
    utilization: Annotated[float, typer.Option(help="Part of the board's LUTs to use.")] = 0.8,
    config: Annotated[Path | None, typer.Option(help="Folding file (TOML); what it does not name is chosen.")] = None,
    family: Annotated[str | None, typer.Option(help="Device family of the estimate.")] = None,
    json: Json = False,
) -> None:
    """Fold a network: to a rate, an interval, a board, or as a file says."""
    from dataflow import save_network
    from xnorflow.commands.show import folding_summary, print_folding
    from xnorflow.console import print_json
    from xnorflow.networks import open_network

    network = open_network(net)
    targets = {"--fps": fps, "--interval": interval, "--board": board, "--config": config}
    given = [name for name, value in targets.items() if value is not None]
    if len(given) != 1:
        raise InputError(f"Folding target must be one of {', '.join(targets)}, not {' and '.join(given) or 'none'}")
    family = family or _family_of(board)
    folded = _fold(network, fps, clock_mhz, interval, board, utilization, config, family)
    save_network(folded, output)
    result = folding_summary(folded, family, clock=_clock(clock_mhz, board))
    if json:
        print_json(result)
    print_folding(folded, result)


def _fold(
    network: Network,
    fps: float | None,
    clock_mhz: float | None,
    interval: int | None,
    board: str | None,
    utilization: float,
    config: Path | None,
    family: str,
) -> Network:
    from xnorflow.folding import fold_as, fold_for_board, fold_to, interval_of_rate, read_folding_file

    if board is not None:
        return fold_for_board(network, board, utilization=utilization)
    if config is not None:
        return fold_as(network, read_folding_file(config), family=family)
    if fps is not None:
        if clock_mhz is None:
            raise InputError("Clock (--clock-mhz) must be given with --fps, not left out")
        interval = interval_of_rate(fps, clock_mhz)
    assert interval is not None
    return fold_to(network, interval, family=family)


def _clock(clock_mhz: float | None, board: str | None) -> Clock:
    """Return the clock that the folding is meant at: the one given, the board's usual one, or the assumed one."""
    if board is None:
        return clock_of(clock_mhz)
    from rtl.boards import board_of

    return clock_for(board_of(board), clock_mhz)


def _family_of(board: str | None) -> str:
    if board is None:
        return "ecp5"
    from rtl.boards import board_of

    return str(board_of(board).family)
