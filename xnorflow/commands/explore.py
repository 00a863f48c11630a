"""``xnorflow explore``."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow import InputError
from xnorflow.commands._options import Data, Json

if TYPE_CHECKING:
    from xnorflow.exploring import Built, Point, Space

__all__ = ["explore"]

#: Points of the front that the table shows.
SHOWN = 30


def explore(
    space: Annotated[Path, typer.Argument(metavar="SPACE.toml", help="What is varied, wanted and required.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder that keeps the points.")],
    points: Annotated[int | None, typer.Option(help="How many points, instead of the space's.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that evaluate points.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler whose workers evaluate them instead.")
    ] = None,
    fix: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Only points with this value of a parameter; of all of them, one point."
        ),
    ] = None,
    build: Annotated[
        int,
        typer.Option(metavar="N", help="Prove, synthesize and route N points of the front, evenly from end to end."),
    ] = 0,
    data: Data = None,
    json: Json = False,
) -> None:
    """Search networks and foldings for the best accuracy, speed and resources together.

    All points are kept in the folder: the same command goes on where it was stopped, and with more points continues.
    """
    from xnorflow.console import Phases, print_json, print_table, say, table_of
    from xnorflow.exploring import build_front, built_points, front_of, narrowed, read_space
    from xnorflow.exploring import explore as run
    from xnorflow.exploring.page import write_page, write_picture

    if workers < 1:
        raise InputError(f"Workers must be at least 1, not {workers}")
    wanted = narrowed(read_space(space), fix or [])
    if points is not None:
        if points < 1:
            raise InputError(f"Points must be at least 1, not {points}")
        wanted = replace(wanted, points=points)
    if build < 0:
        raise InputError(f"Points to build must be at least 0, not {build}")
    if build and not wanted.board:
        raise InputError("Space must have a board for --build, not a family alone")
    count = 0
    try:
        with Phases() as phases:
            phases(f"{wanted.points:,} points")

            def told(point: "Point") -> None:
                nonlocal count
                count += 1
                phases.advance(count / wanted.points)

            found = run(wanted, output, data=data, workers=workers, scheduler=scheduler, told=told)
            if build:
                phases("bitstreams of the front")
                made = 0

                def told_built(built: "Built") -> None:
                    nonlocal made
                    made += 1
                    phases.advance(made / build)

                build_front(wanted, found, output, build, workers=workers, scheduler=scheduler, told=told_built)
            phases("report")
            page = write_page(wanted, found, output)
            write_picture(wanted, found, output / "front.png")
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(f"{output} keeps {count} points; the same command goes on") from interrupt
    front = front_of(wanted, found)
    shown = sorted(front, key=lambda point: [point.evaluation.figures[name] for name in wanted.objectives])[:SHOWN]
    built = built_points(output)
    names = ("point", *wanted.parameters, *wanted.objectives, *(("LUTs, built", "MHz, routed") if built else ()))
    title = f"{len(front)} of {len(found)} points are on the front"
    print_table(table_of(title, names, [_row(wanted, point, built) for point in shown]))
    if not front:
        say(_nearest(wanted, found))
    say(f"{page}, and beside it points.csv, front.csv, front.png and front/")
    if json:
        print_json(
            {
                "points": len(found),
                "front": [
                    {
                        "point": point.number,
                        "parameters": dict(point.parameters),
                        **point.evaluation.to_json(),
                        "built": asdict(built[point.number]) if point.number in built else None,
                    }
                    for point in front
                ],
                "error": None if front else _nearest(wanted, found),
            }
        )
    raise typer.Exit(0 if front else 1)


def _row(space: "Space", point: "Point", built: "dict[int, Built]") -> list[Any]:
    values = [_text(point.parameters[name]) for name in space.parameters]
    figures = point.evaluation.figures
    shown = (f"{figures[name]:.2%}" if name == "accuracy" else figures[name] for name in space.objectives)
    row = [point.number, *values, *shown]
    if not built:
        return row
    own = built.get(point.number)
    return [*row, *(("", "") if own is None else (own.luts, own.fmax_mhz) if not own.reason else ("not built", ""))]


def _text(value: Any) -> Any:
    return "-".join(map(str, value)) if isinstance(value, tuple) else value


def _nearest(space: "Space", points: "list[Point]") -> str:
    """Return a sentence about a space of which no point is as required, with what the smallest one lacks."""
    known = [point for point in points if point.evaluation.figures]
    if not known:
        return f"No point has a network and a folding; point {points[0].number}: {points[0].evaluation.reason}"
    least = min(known, key=lambda point: (point.evaluation.figures["luts"], point.evaluation.figures["brams"]))
    return f"No point is as required; the smallest is point {least.number}: {least.evaluation.reason}"
