"""``xnorflow fold``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow import InputError, Network
from dataflow.writing import check_writable
from xnorflow.commands import _completion
from xnorflow.commands._options import Json, NetworkName
from xnorflow.target import Target

if TYPE_CHECKING:
    from xnorflow.console import Phases
    from xnorflow.folding import Folded
    from xnorflow.folding_file import FoldingFile

__all__ = ["fold"]

#: Seconds of a search about which nothing is left on the terminal.
QUIET = 3.0


def fold(
    net: NetworkName,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.xnf", help="Where the folded network goes.")],
    fps: Annotated[float | None, typer.Option(help="Frames per second to reach, at --clock-mhz.")] = None,
    clock_mhz: Annotated[
        float | None, typer.Option(help="Clock in MHz; the default is the board's, or the one the network remembers.")
    ] = None,
    interval: Annotated[int | None, typer.Option(help="Cycles between frames to reach.")] = None,
    board: Annotated[
        str | None,
        typer.Option(
            help="Board. Without another target: the fastest folding that fits it.", autocompletion=_completion.boards
        ),
    ] = None,
    utilization: Annotated[
        float | None, typer.Option(help="Share of the board's LUTs to use; the default is 0.8.", show_default=False)
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Folding file (TOML); the rest is chosen.")] = None,
    fifos: Annotated[
        str, typer.Option(help="auto: the smallest depths that keep the interval; full: depths that always keep it.")
    ] = "auto",
    interval_slack: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="How much the interval may grow to save places, such as 5%.")
    ] = None,
    pipelined: Annotated[
        bool | None,
        typer.Option(
            "--pipelined/--no-pipelined",
            help="Registers around memories, for a faster clock; the default is what suits the board.",
            show_default=False,
        ),
    ] = None,
    family: Annotated[
        str | None, typer.Option(help="Device family of the estimate.", autocompletion=_completion.families)
    ] = None,
    json: Json = False,
) -> None:
    """Fold a network: choose its parallelism for a rate, an interval or a board, or read it from a file.

    The network remembers board, family and clock, which the other commands then use. The folding is also written as
    TOML beside the network, for editing and for --config.
    """
    from dataflow import save_network
    from xnorflow.commands.show import folding_summary, print_folding, print_use
    from xnorflow.console import Phases, note, print_json, say
    from xnorflow.folding import with_fifos, with_pipelining
    from xnorflow.folding_file import FoldingFile, read_folding_file, write_folding_file
    from xnorflow.networks import open_network
    from xnorflow.target import choose_target, remembered, with_target

    network = open_network(net)
    targets = {"--fps": fps, "--interval": interval, "--config": config}
    given = [name for name, value in targets.items() if value is not None]
    if len(given) > 1 or (not given and board is None):
        names = ", ".join((*targets, "--board"))
        raise InputError(f"Folding target must be one of {names}, not {' and '.join(given) or 'none'}")
    if utilization is not None and given:
        raise InputError(f"Utilization must be given with --board alone, not with {given[0]}")
    if fps is not None and clock_mhz is None and board is None and remembered(network) is None:
        raise InputError("Clock (--clock-mhz) or board (--board) must be given with --fps, not left out")
    target = choose_target(network, board=board, family=family, clock_mhz=clock_mhz)
    file = _folding_file(output, config)
    given_file = FoldingFile() if config is None else read_folding_file(config)
    network = with_pipelining(network, given_file.pipelined if pipelined is None else pipelined, target.board)
    with Phases(QUIET) as phases:
        folded = _fold(network, fps, interval, None if config is None else given_file, utilization, target, phases)
    if fifos != "auto" or interval_slack is not None:
        folded = replace(
            folded, network=with_fifos(folded.network, fifos, slack=interval_slack, fixed=given_file.fifos)
        )
    folded = replace(folded, network=with_target(folded.network, target))
    result = folding_summary(folded.network, target)
    save_network(folded.network, output)
    if file is not None:
        write_folding_file(folded.network, file, interval=result["interval"])
    say(str(target))
    print_folding(folded.network, result)
    if target.board is not None:
        print_use(target.board, folded.network)
    say(f"{output}" if file is None else f"{output}; the folding as text, for editing and for --config: {file}")
    if folded.missed is not None:
        result["error"] = f"{folded.missed}. The nearest folding, interval {result['interval']}, is in {output}"
        note(f"error: {result['error']}")
    if json:
        print_json(result)
    raise typer.Exit(0 if folded.missed is None else 1)


def _folding_file(output: Path, config: Path | None) -> Path | None:
    """Return the path of the folding file to write beside a network file, or None: it is given, or there is no file."""
    if not check_writable(output, "Network", ".xnf"):
        return None
    file = output.with_suffix(".toml")
    if config is not None and file.resolve() == config.resolve():
        return None
    check_writable(file, "Folding")
    return file


def _fold(
    network: Network,
    fps: float | None,
    interval: int | None,
    config: "FoldingFile | None",
    utilization: float | None,
    target: Target,
    progress: "Phases",
) -> "Folded":
    from xnorflow.folding import Folded, fold_as, fold_for_board, fold_towards, interval_of_rate

    family = target.family
    if config is not None:
        return Folded(fold_as(network, config, family=family))
    if interval is not None:
        if interval < 1:
            raise InputError(f"Interval must be at least 1, not {interval}")
        return fold_towards(network, interval, family=family, progress=progress)
    if fps is None:
        assert target.board is not None
        share = 0.8 if utilization is None else utilization
        return fold_for_board(network, target.board, utilization=share, progress=progress)
    found = fold_towards(network, interval_of_rate(fps, target.clock.mhz), family=family, progress=progress)
    if found.missed is None:
        return found
    needed = fps * found.network.interval / 1e6
    return Folded(found.network, f"{found.missed}: {fps:,.0f} frames per second need a clock of {needed:,.1f} MHz")
