"""What an exploration leaves for people: a page to click in, a picture, and files that rebuild the front."""

import json
import os
import shlex
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from dataflow.writing import atomic_write, output_folder
from hwsim import unroll
from xnorflow.exploring.building import Built, built_points
from xnorflow.exploring.front import Point, front_of
from xnorflow.exploring.points import folded, recipe_of
from xnorflow.exploring.result import text_of
from xnorflow.exploring.scatter import label_of, spreads
from xnorflow.exploring.space import OBJECTIVES, Space
from xnorflow.exploring.work import known_network, model_folder
from xnorflow.folding_file import toml_key
from xnorflow.report.texts import templates
from xnorflow.report.views import pipeline_view
from xnorflow.timing import Clock

__all__ = ["write_front", "write_page", "write_picture"]

#: Points of the front whose pipelines the page has.
SHOWN = 12

#: Frames that a pipeline shows.
FRAMES = 3


def write_page(space: Space, points: list[Point], folder: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` with all points, and the files of the front, into an exploration's folder."""
    base, front = Path(folder), front_of(space, points)
    built = built_points(base)
    commands = write_front(space, front, base)
    known = [name for name in OBJECTIVES if any(name in point.evaluation.figures for point in points)]
    figures = [
        {"key": name, "title": OBJECTIVES[name].title, "unit": OBJECTIVES[name].unit, "grows": OBJECTIVES[name].grows}
        for name in known
    ]
    shown = [_shown(point, commands.get(point.number), built.get(point.number)) for point in points]
    subjects = []
    for point in front[:SHOWN]:
        network, _ = known_network(space, point.parameters, base)
        view = pipeline_view(unroll(folded(space, point.parameters, network), FRAMES))
        subjects.append({"number": point.number, "title": "", "clock": Clock(space.clock_mhz), **view})
    numbers = {point.number for point in front}
    text = (
        templates()
        .get_template("explore.html")
        .render(
            name=space.model if space.recipe is None else space.recipe.name,
            target=f"{space.board or space.family} at {space.clock_mhz:g} MHz",
            trained=space.trains,
            stopped=any(point.evaluation.stopped for point in points),
            built=built,
            subjects=subjects,
            front=[each for each in shown if each["number"] in numbers],
            data={
                "points": shown,
                "front": sorted(numbers),
                "parameters": list(space.parameters),
                "figures": figures,
                "objectives": [each for name in space.objectives for each in figures if each["key"] == name],
            },
        )
    )
    with atomic_write(base / "report.html", "Report") as part:
        part.write_text(text, encoding="utf-8")
    return base / "report.html"


def write_front(space: Space, front: list[Point], base: Path) -> dict[int, list[str]]:
    """Write a folding file, and a recipe, for each point of the front; return the commands that rebuild them."""
    folder, commands = base / "front", {}
    if front:
        output_folder(folder)
    for point in front:
        stem = folder / f"point-{point.number}"
        with atomic_write(stem.with_suffix(".toml"), "Folding") as part:
            part.write_text(_folding_text(point), encoding="utf-8")
        commands[point.number] = _commands(space, point, base, stem)
    return commands


def write_picture(space: Space, points: list[Point], path: str | os.PathLike[str]) -> None:
    """Write the scatter of the first and the last objective as a PNG."""
    from matplotlib.figure import Figure

    names = space.objectives[-1], space.objectives[0]
    front = {point.number for point in front_of(space, points)}
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    kinds: tuple[tuple[str, Any, dict[str, Any]], ...] = (
        (
            "not as required",
            lambda point: bool(point.evaluation.reason),
            {"facecolors": "none", "edgecolors": "#8a96a3"},
        ),
        ("not trained to the end", lambda point: bool(point.evaluation.stopped), {"color": "#8a96a3", "marker": "x"}),
        ("points", lambda point: point.complete and point.number not in front, {"color": "#8a96a3", "alpha": 0.6}),
        ("front", lambda point: point.number in front, {"color": "#0072b2", "zorder": 3}),
    )
    for label, chosen, look in kinds:
        found = [
            point.evaluation.figures
            for point in points
            if all(name in point.evaluation.figures for name in names) and chosen(point)
        ]
        if found:
            axes.scatter(*([figures[name] for figures in found] for name in names), label=label, **look)
    across, up = names
    axes.set_xlabel(label_of(across))
    axes.set_ylabel(label_of(up))
    known = [point.evaluation.figures for point in points]
    if spreads([figures[across] for figures in known if across in figures]):
        axes.set_xscale("log")
    if spreads([figures[up] for figures in known if up in figures]):
        axes.set_yscale("log")
    if axes.collections:
        axes.legend()
    with atomic_write(path, "Picture") as part:
        figure.savefig(part, format="png", dpi=120)


def _shown(point: Point, commands: list[str] | None, built: Built | None) -> dict[str, Any]:
    found = point.evaluation
    return {
        "number": point.number,
        "parameters": {name: text_of(value) for name, value in point.parameters.items()},
        "figures": dict(found.figures),
        "reason": found.reason,
        "stopped": found.stopped,
        "built": None if built is None else _built(built),
        "interval": found.interval if isfinite(found.interval) and found.figures else 0,
        "latency": found.latency,
        "folding": found.folding,
        "sources": found.sources,
        "commands": commands,
    }


def _built(built: Built) -> dict[str, str]:
    """Return what a point got in hardware, in words."""
    if built.reason:
        return {"not built": built.reason}
    proof = "all equal" if not built.differ else f"{built.differ:,} DIFFER"
    return {
        "LUTs, built": f"{built.luts:,}; the estimate is {built.error:+.1%} off",
        "block RAMs, built": f"{built.brams:,}; estimated {built.brams_estimated:,}",
        "routed for": f"{built.fmax_mhz:g} MHz: {built.fps:,.0f} frames per second",
        "RTL": f"{built.cycles_compared:,} cycle numbers compared: {proof}",
    }


def _folding_text(point: Point) -> str:
    lines = [f"# Folding of point {point.number}: {point.evaluation.interval:,.0f} cycles between frames.", ""]
    for name, folding in point.evaluation.folding.items():
        lines += [f"[nodes.{toml_key(name)}]", *(f"{key} = {value}" for key, value in folding.items()), ""]
    return "\n".join(lines)


def _commands(space: Space, point: Point, base: Path, stem: Path) -> list[str]:
    """Return the command that rebuilds a point, and those from its recipe or model to its network and bitstream."""
    recipe = recipe_of(space, point.parameters)
    commands, model = [], space.model
    if space.file:
        commands.append(_rebuilding(space, point, stem))
    if recipe is not None and space.trains:
        model = str(model_folder(recipe, base))
    elif recipe is not None:
        file = Path(f"{stem}.recipe.toml")
        with atomic_write(file, "Recipe") as part:
            part.write_text(_toml(recipe.to_dict()), encoding="utf-8")
        model = str(stem)
        commands.append(f"xnorflow train {file} --out {model}")
    target = f"--board {space.board}" if space.board else f"--family {space.family}"
    clock = f"{target} --clock-mhz {space.clock_mhz:g}"
    commands += [
        f"xnorflow lower {model} -o {stem}.xnf",
        f"xnorflow fold {stem}.xnf --config {stem}.toml {clock} -o {stem}.folded.xnf",
    ]
    return [*commands, f"xnorflow bitstream {stem}.folded.xnf -o {stem}.bits"] if space.board else commands


def _rebuilding(space: Space, point: Point, stem: Path) -> str:
    fixed = [f"--fix {shlex.quote(f'{name}={json.dumps(value)}')}" for name, value in point.parameters.items()]
    build = ["--build 1"] if space.board else []
    return " ".join([f"xnorflow explore {shlex.quote(space.file)} -o {stem}", *fixed, *build])


def _toml(entries: Mapping[str, Any]) -> str:
    """Return the entries of a recipe as TOML; tables come last."""
    lines = []
    for name, value in entries.items():
        if name != "name" and not isinstance(value, dict):
            lines.append(f"{toml_key(name)} = {json.dumps(value)}")
    for name, value in entries.items():
        if isinstance(value, dict) and value:
            lines += [
                "",
                f"[{toml_key(name)}]",
                *(f"{toml_key(key)} = {json.dumps(each)}" for key, each in value.items()),
            ]
    return "\n".join(lines) + "\n"
