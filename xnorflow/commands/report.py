"""``xnorflow report``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow import InputError
from dataflow.writing import check_writable
from xnorflow.commands import _completion
from xnorflow.commands._options import ClockMhz, Json
from xnorflow.target import Target, choose_target
from xnorflow.timing import open_build

if TYPE_CHECKING:
    from xnorflow.report import Subject

__all__ = ["report"]

#: Networks that a page can compare.
MOST = 2


def report(
    nets: Annotated[
        list[str],
        typer.Argument(
            metavar="NET [NET]",
            help="One or two: .xnf files, ONNX models, or names of the zoo.",
            autocompletion=_completion.networks,
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.html", help="Where the page goes.")],
    build: Annotated[
        list[Path] | None,
        typer.Option("--build", metavar="DIR", help="Folder of the network's bitstream; its clock is used. Once each."),
    ] = None,
    clock_mhz: ClockMhz = None,
    family: Annotated[
        str | None,
        typer.Option(help="Device family of the estimate, without --build.", autocompletion=_completion.families),
    ] = None,
    frames: Annotated[int, typer.Option(help="How many frames the diagrams show.")] = 3,
    json: Json = False,
) -> None:
    """Write a page about a network: picture, folding, resources, and its activity over time. Two are compared."""
    from xnorflow.console import print_json, say
    from xnorflow.report import write_comparison, write_report

    check_writable(output, "Report", ".html", ".htm")
    if frames < 1:
        raise InputError(f"Frames of the diagrams must be at least 1, not {frames}")
    if len(nets) > MOST:
        raise InputError(f"Networks of a report must be one or two, not {len(nets)}")
    builds = build or []
    if len(builds) not in (0, len(nets)):
        raise InputError(f"Builds (--build) must be one for each of the {len(nets)} networks, not {len(builds)}")
    chosen = [_subject(net, builds[place] if builds else None, family, clock_mhz) for place, net in enumerate(nets)]
    subjects = [subject for subject, _ in chosen]
    timings = (
        [write_report(subjects[0], output, frames=frames)]
        if len(nets) == 1
        else [*write_comparison(subjects[0], subjects[1], output, frames=frames)]
    )
    names = " and ".join(subject.network.name for subject in subjects)
    say(f"{output}: {names}, the first {frames} frames in its diagrams")
    for net, (_, target), timing in zip(nets, chosen, timings, strict=True):
        before = f"{net}: " if len(nets) > 1 else ""
        say(f"{before}{target}")
        say(f"{before}{timing}")
    if json:
        found = [
            {"net": net, "timing": timing.to_json(), "target": target.to_json()}
            for net, (_, target), timing in zip(nets, chosen, timings, strict=True)
        ]
        about = found[0] if len(nets) == 1 else {"networks": found}
        print_json({"report": str(output), "frames": frames, **about})


def _subject(net: str, folder: Path | None, family: str | None, clock_mhz: float | None) -> tuple["Subject", Target]:
    """Return what a report says of a network, and its target."""
    from dataflow import board_outputs
    from xnorflow.networks import open_network
    from xnorflow.report import Subject

    network = open_network(net)
    built = None if folder is None else open_build(folder, network)
    target = choose_target(network, family=family, clock_mhz=clock_mhz, build=built)
    if built is not None:
        network = board_outputs(network)  # as it was built
    return Subject(network, target.family, target.clock, built, target.board, net), target
