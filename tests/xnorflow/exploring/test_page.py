"""What an exploration leaves: a page in which one clicks, a picture, and files that rebuild the front."""

import csv
import json
import re
import shlex
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from dataflow import board_outputs
from hwsim import simulate
from quant import recipes
from tests.xnorflow.command_line import run
from tests.xnorflow.exploring.test_space import in_file
from tests.xnorflow.exploring.test_study import HARDWARE
from tests.xnorflow.test_report_in_a_browser import BROWSER, BROWSERS, look_at
from xnorflow.exploring import Built, Point, Space, explore, front_of, page
from xnorflow.exploring.page import write_page, write_picture
from xnorflow.exploring.points import network_of
from xnorflow.exploring.work import known_network
from xnorflow.folding import fold_as
from xnorflow.folding_file import read_folding_file

pytestmark = pytest.mark.long

#: Clicks each point that the page shows, and leaves what it then tells.
CLICKS = """
<script>
addEventListener("load", () => {
  const seen = {marks: {}, clicked: {}, wide: document.documentElement.scrollWidth - innerWidth};
  for (const e of document.querySelectorAll("[data-mark]")) {
    const b = e.getBoundingClientRect();
    seen.marks[e.dataset.mark] = (seen.marks[e.dataset.mark] ?? 0) + (b.width > 0 && b.height > 0);
  }
  for (const e of document.querySelectorAll("#plot .point")) {
    e.dispatchEvent(new Event("click"));
    const panel = document.getElementById("point");
    seen.clicked[e.dataset.point] = [panel.hidden, panel.querySelector("h2").textContent,
      panel.querySelector("pre").textContent, panel.querySelector("dl").textContent,
      [...document.querySelectorAll(".pipelines")].filter(each => !each.hidden).map(each => each.id),
      document.querySelectorAll(".chosen").length];
  }
  const up = document.getElementById("up");
  up.value = "latency_us";
  up.dispatchEvent(new Event("change"));
  seen.title = [...document.querySelectorAll("#plot text")].at(-1).textContent;
  seen.loaded = performance.getEntriesByType("resource").map(e => e.name);
  const pre = document.createElement("pre");
  pre.id = "seen";
  pre.textContent = JSON.stringify(seen);
  document.body.append(pre);
});
</script>
"""


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Space, list[Point], Path]:
    folder = tmp_path_factory.mktemp("explored")
    space = in_file(folder, HARDWARE)
    points = explore(space, folder / "out")
    write_page(space, points, folder / "out")
    return space, points, folder / "out"


@pytest.mark.skipif(BROWSER is None, reason=f"No browser here (none of {', '.join(BROWSERS)})")
@pytest.mark.parametrize("width", [520, 1200])
def test_a_click_shows_a_point(width: int, explored: tuple[Space, list[Point], Path]) -> None:
    space, points, folder = explored
    seen = look_at(folder / "report.html", width, CLICKS)
    known = [point for point in points if point.evaluation.figures]
    front = front_of(space, points)
    assert seen["marks"]["point"] == len(known)
    assert seen["marks"]["thread"] == seen["marks"]["row"] == len(front)
    assert seen["loaded"] == []
    assert seen["wide"] <= 0
    assert seen["title"] == "latency us"
    assert sorted(map(int, seen["clicked"])) == [point.number for point in known]
    for point in known:
        hidden, title, commands, told, pipelines, marked = seen["clicked"][str(point.number)]
        on_front = point in front
        assert not hidden
        assert title == f"Point {point.number}{', on the front' if on_front else ''}"
        assert (f"point-{point.number}.toml" in commands) == on_front
        assert pipelines == ([f"pipeline-{point.number}"] if on_front else [])
        assert f"{round(point.evaluation.interval):,}" in told or f"{round(point.evaluation.interval)}" in told
        assert marked == (3 if on_front else 1)  # circle, thread and row


def test_files_of_the_front_rebuild_its_points(explored: tuple[Space, list[Point], Path]) -> None:
    space, points, folder = explored
    for point in front_of(space, points):
        recipe = recipes.load(folder / "front" / f"point-{point.number}.recipe.toml")
        network = board_outputs(network_of(recipe))
        folded = fold_as(network, read_folding_file(folder / "front" / f"point-{point.number}.toml"), family="ice40")
        again = simulate(folded, 3)
        assert float(again.interval) <= point.evaluation.interval
        assert {name: values for name, values in point.evaluation.folding.items() if "." not in name} == {
            node.name: dict(node.folding) for node in folded.nodes if node.folding and "." not in node.name
        }


def test_commands_are_those_of_the_program(explored: tuple[Space, list[Point], Path]) -> None:
    space, points, folder = explored
    text = (folder / "report.html").read_text("utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]
    for point in front_of(space, points):
        commands = next(each["commands"] for each in data["points"] if each["number"] == point.number)
        programs = [shlex.split(command)[1] for command in commands]
        assert programs == ["explore", "train", "lower", "fold", "bitstream"]


def test_one_command_rebuilds_a_point(explored: tuple[Space, list[Point], Path], tmp_path: Path) -> None:
    space, points, folder = explored
    data = json.loads(re.search(r'id="data">(.*?)</script>', (folder / "report.html").read_text(), re.DOTALL)[1])  # type: ignore[index]
    point = front_of(space, points)[0]
    command = shlex.split(next(each["commands"] for each in data["points"] if each["number"] == point.number)[0])
    command[command.index("-o") + 1] = str(tmp_path / "again")
    assert run(*command[1:-2]) == 0  # without --build
    with (tmp_path / "again" / "points.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["interval_cycles"]) == point.evaluation.interval
    assert float(row["luts"]) == point.evaluation.figures["luts"]


def test_the_picture_is_a_png(explored: tuple[Space, list[Point], Path], tmp_path: Path) -> None:
    space, points, _ = explored
    write_picture(space, points, tmp_path / "front.png")
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    write_picture(space, [], tmp_path / "empty.png")


@pytest.mark.skipif(BROWSER is None, reason=f"No browser here (none of {', '.join(BROWSERS)})")
def test_points_that_lack_an_accuracy_and_those_stopped_are_shown(
    explored: tuple[Space, list[Point], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a search that trains: what breaks a constraint is not trained, and some are not trained to the end."""
    space, points, folder = explored
    trained = []
    for place, point in enumerate(points):
        found = point.evaluation
        if found.complete:
            stopped = "after 1 of 4 epochs" if place % 2 else ""
            found = replace(found, figures={**found.figures, "accuracy": 0.5 + place / 100}, stopped=stopped)
        trained.append(replace(point, evaluation=found))
    drawn, space = space, replace(space, objectives=("accuracy", "luts"))
    monkeypatch.setattr(page, "known_network", lambda space, *given: known_network(drawn, *given))  # trained in no time
    (tmp_path / "space.json").write_text((folder / "space.json").read_text())
    built = Built(front_of(space, trained)[0].number, luts=1234, luts_estimated=1357, interval=784.0, fmax_mhz=30.0)
    (tmp_path / "built" / "point-0").mkdir(parents=True)
    (tmp_path / "built" / "point-0" / "figures.json").write_text(json.dumps(asdict(built)))
    seen = look_at(write_page(space, trained, tmp_path), 1200, CLICKS)
    assert sorted(map(int, seen["clicked"])) == [
        point.number for point in trained if "accuracy" in point.evaluation.figures
    ]
    for point in trained:
        if point.evaluation.stopped:
            assert "after 1 of 4 epochs, when others were better" in seen["clicked"][str(point.number)][3]
    assert "1,234; the estimate is +10.0% off" in seen["clicked"][str(built.number)][3]
    write_picture(space, trained, tmp_path / "front.png")
