"""``xnorflow explore``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow import InputError
from xnorflow.commands._options import Data, Json

if TYPE_CHECKING:
    from xnorflow.exploring import Point, Space

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
    data: Data = None,
    json: Json = False,
) -> None:
    """Search networks and foldings for the best accuracy, speed and resources together.

    All points are kept in the folder: the same command goes on where it was stopped, and with more points continues.
    """
    from xnorflow.console import Phases, print_json, print_table, say, table_of
    from xnorflow.exploring import explore as run
    from xnorflow.exploring import front_of, read_space
    from xnorflow.exploring.page import write_page, write_picture

    if workers < 1:
        raise InputError(f"Workers must be at least 1, not {workers}")
    wanted = read_space(space)
    if points is not None:
        if points < 1:
            raise InputError(f"Points must be at least 1, not {points}")
        wanted = replace(wanted, points=points)
    count = 0
    try:
        with Phases() as phases:
            phases(f"{wanted.points:,} points")

            def told(point: "Point") -> None:
                nonlocal count
                count += 1
                phases.advance(count / wanted.points)

            found = run(wanted, output, data=data, workers=workers, scheduler=scheduler, told=told)
            phases("report")
            page = write_page(wanted, found, output)
            write_picture(wanted, found, output / "front.png")
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(f"{output} keeps {count} points; the same command goes on") from interrupt
    front = front_of(wanted, found)
    shown = sorted(front, key=lambda point: [point.evaluation.figures[name] for name in wanted.objectives])[:SHOWN]
    names = ("point", *wanted.parameters, *wanted.objectives)
    title = f"{len(front)} of {len(found)} points are on the front"
    print_table(table_of(title, names, [_row(wanted, point) for point in shown]))
    if not front:
        say(_nearest(wanted, found))
    say(f"{page}, and beside it points.csv, front.csv, front.png and front/")
    if json:
        print_json(
            {
                "points": len(found),
                "front": [
                    {"point": point.number, "parameters": dict(point.parameters), **point.evaluation.to_json()}
                    for point in front
                ],
                "error": None if front else _nearest(wanted, found),
            }
        )
    raise typer.Exit(0 if front else 1)


def _row(space: "Space", point: "Point") -> list[Any]:
    values = [_text(point.parameters[name]) for name in space.parameters]
    return [point.number, *values, *(point.evaluation.figures[name] for name in space.objectives)]


def _text(value: Any) -> Any:
    return "-".join(map(str, value)) if isinstance(value, tuple) else value


def _nearest(space: "Space", points: "list[Point]") -> str:
    """Return a sentence about a space of which no point is as required, with what the smallest one lacks."""
    known = [point for point in points if point.evaluation.figures]
    if not known:
        return f"No point has a network and a folding; point {points[0].number}: {points[0].evaluation.reason}"
    least = min(known, key=lambda point: (point.evaluation.figures["luts"], point.evaluation.figures["brams"]))
    return f"No point is as required; the smallest is point {least.number}: {least.evaluation.reason}"
