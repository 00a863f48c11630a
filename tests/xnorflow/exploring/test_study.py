"""Searches: the same points however they are evaluated and stopped, and a front that nothing betters."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow import InputError
from tests.xnorflow.command_line import run
from tests.xnorflow.exploring.test_space import in_file
from xnorflow.exploring import Built, Point, explore, front_of
from xnorflow.exploring.points import Evaluation, recipe_of
from xnorflow.exploring.space import Choice, Range, Space

pytestmark = pytest.mark.long

HARDWARE = """
recipe = "tfc-w1a1"
board = "icebreaker"
objectives = ["fps", "luts"]
points = 10
sampler = "random"
seed = 1
batch = 4
[space]
hidden = [[16, 16], [8], [32, 16]]
interval = { low = 100, high = 9000, log = true }
[constraints]
luts = { most = 2600 }
"""


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return in_file(tmp_path, HARDWARE)


def content(points: list[Point]) -> list[tuple[int, object, Evaluation]]:
    return [(point.number, dict(point.parameters), point.evaluation) for point in points]


@pytest.mark.parametrize("sampler", ["random", "nsga2", "tpe"])
def test_a_search_that_goes_on_gets_the_same_points(sampler: str, space: Space, tmp_path: Path) -> None:
    space = replace(space, sampler=sampler)
    whole = explore(space, tmp_path / "whole")
    explore(replace(space, points=4), tmp_path / "parts")
    told: list[int] = []
    parts = explore(space, tmp_path / "parts", told=lambda point: told.append(point.number))
    assert content(parts) == content(whole)
    assert told == list(range(10))
    for name in ("points.csv", "front.csv"):
        assert (tmp_path / "parts" / name).read_text() == (tmp_path / "whole" / name).read_text()


def test_a_grid_has_each_combination_once(space: Space, tmp_path: Path) -> None:
    steps = {"hidden": Choice(((16, 16), (8,))), "interval": Range(400, 1000, 300)}
    space = replace(space, sampler="grid", parameters=steps, points=50)
    explore(replace(space, points=2), tmp_path / "out")
    points = explore(space, tmp_path / "out")
    assert [(point.parameters["hidden"], point.parameters["interval"]) for point in points] == [
        (hidden, interval) for hidden in ((16, 16), (8,)) for interval in (400, 700, 1000)
    ]


def test_two_processes_get_the_points_of_one(space: Space, tmp_path: Path) -> None:
    assert content(explore(space, tmp_path / "two", workers=2)) == content(explore(space, tmp_path / "one"))


def test_a_killed_search_goes_on_and_evaluates_nothing_twice(space: Space, tmp_path: Path) -> None:
    file, folder, log = tmp_path / "space.toml", tmp_path / "out", tmp_path / "log"
    code = (
        "import sys, time, xnorflow.exploring.batches as batches\nfrom xnorflow.exploring import explore\n"
        "estimated = batches.estimated\n"
        "def noted(space, parameters, data):\n"
        "    found = estimated(space, parameters, data)\n"
        f"    print(sorted(parameters.items()), file=open({str(log)!r}, 'a'), flush=True)\n"
        "    time.sleep(float(sys.argv[1]))\n"
        "    return found\n"
        "batches.estimated = noted\n"
        f"explore(study_space, {str(folder)!r})\n"
    ).replace("study_space", f"__import__('xnorflow.exploring', fromlist=['x']).read_space({str(file)!r})")
    with subprocess.Popen([sys.executable, "-c", code, "0.3"], env={**os.environ}) as process:
        while not log.exists() or log.read_text().count("\n") < 6:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    subprocess.run([sys.executable, "-c", code, "0"], check=True)
    lines = log.read_text().splitlines()
    assert len(lines) <= space.points + space.batch  # those in flight are evaluated again
    whole = explore(space, tmp_path / "whole")
    assert content(explore(space, folder)) == content(whole)
    assert len(log.read_text().splitlines()) == len(lines)


def test_a_front_has_what_nothing_betters(space: Space) -> None:
    def point(number: int, fps: float, luts: float, reason: str = "") -> Point:
        return Point(number, {}, Evaluation({"fps": fps, "luts": luts}, reason))

    points = [point(0, 10, 5), point(1, 9, 5), point(2, 20, 9), point(3, 30, 1, "too small"), point(4, 10, 5)]
    points.append(Point(5, {}, Evaluation(reason="no folding")))
    assert [each.number for each in front_of(space, points)] == [0, 2]


def test_points_of_a_width_have_its_share_of_each_layer(space: Space) -> None:
    recipe = recipe_of(space, {"hidden": (32, 16), "width": 0.5, "interval": 100})
    assert recipe is not None
    assert recipe.to_dict()["hidden"] == [16, 8]


def test_folders_of_others_are_left_alone(space: Space, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"^Folder '.*' must be empty or one of an exploration, not of another kind$"):
        explore(space, other)
    assert [path.name for path in other.iterdir()] == ["mine.txt"]
    explore(replace(space, points=1), tmp_path / "out")
    before = (tmp_path / "out" / "points.journal").read_bytes()
    with pytest.raises(InputError, match=r"^Folder '.*' must be one of this space, not of another one; nothing was"):
        explore(replace(space, seed=2), tmp_path / "out")
    assert (tmp_path / "out" / "points.journal").read_bytes() == before


def test_what_all_points_need_is_there_before_a_point_is_kept(tmp_path: Path) -> None:
    trained = in_file(tmp_path, HARDWARE.replace('["fps", "luts"]', '["accuracy", "luts"]'))
    with pytest.raises(InputError, match=r"^Data file '.*' must exist"):
        explore(trained, tmp_path / "out", data=tmp_path)
    missing = in_file(tmp_path, 'model = "none.onnx"\nboard = "icebreaker"\n[space]\ninterval = [448]\n')
    with pytest.raises(InputError, match=r"^Model must be a file, "):
        explore(missing, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_scheduler_out_of_reach_is_one_sentence(space: Space, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^Scheduler must be one that is within reach, not 'nonsense'$"):
        explore(space, tmp_path / "out", scheduler="nonsense")


def test_the_command_prints_the_front(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    in_file(tmp_path, HARDWARE)
    assert run("explore", tmp_path / "space.toml", "-o", tmp_path / "out", "--points", 6, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["points"] == 6
    with (tmp_path / "out" / "front.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["point"]) for row in rows] == [point["point"] for point in result["front"]]
    assert all(row["sources"] == "cycles:simulated resources:estimated" for row in rows)


def test_a_space_that_nothing_fits_names_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    in_file(tmp_path, HARDWARE.replace("most = 2600", "most = 10"))
    assert run("explore", tmp_path / "space.toml", "-o", tmp_path / "out", "--points", 4) == 1
    assert "No point is as required; the smallest is point " in capsys.readouterr().out


@pytest.mark.train
@pytest.mark.slow
def test_points_are_trained_once(tmp_path: Path) -> None:
    text = HARDWARE.replace('["fps", "luts"]', '["accuracy", "luts"]').replace("points = 10", "points = 4")
    text = text.replace("[space]", '[set]\nepochs = 2\ndataset = "mnist-sample"\n[space]')
    text = text.replace("[32, 16]", "[8]").replace("most = 2600", "most = 9999")
    points = explore(in_file(tmp_path, text), tmp_path / "out")
    figures = [point.evaluation for point in points if point.evaluation.figures]
    assert figures
    assert all(0.1 < found.figures["accuracy"] <= 1 for found in figures)
    assert all(found.sources["accuracy"] == "trained" for found in figures)
    hidden = {str(point.parameters["hidden"]) for point in points}
    assert len(list((tmp_path / "out" / "models").iterdir())) == len(hidden)


@pytest.mark.slow
@pytest.mark.sim
def test_points_of_the_front_are_built_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = HARDWARE.replace("[[16, 16], [8], [32, 16]]", "[[8], [12]]").replace("low = 100", "low = 3000")
    in_file(tmp_path, text)
    command = ("explore", tmp_path / "space.toml", "-o", tmp_path / "out", "--points", 4, "--build", 1, "--json")
    assert run(*command) == 0
    built = [point["built"] for point in json.loads(capsys.readouterr().out)["front"] if point["built"]]
    assert len(built) == 1
    found = Built(**built[0])
    assert found.reason == ""
    assert found.cycles_compared > 1000
    assert found.differ == 0
    assert found.fps == pytest.approx(found.fmax_mhz * 1e6 / found.interval)
    assert abs(found.error) < 0.2
    files = tmp_path / "out" / "built" / f"point-{found.number}"
    stamp = (files / "figures.json").stat().st_mtime_ns
    assert run(*command) == 0
    assert (files / "figures.json").stat().st_mtime_ns == stamp
    with (tmp_path / "out" / "front.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["luts_built"]]
    assert [(int(row["point"]), int(row["luts_built"])) for row in rows] == [(found.number, found.luts)]
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert f"{found.cycles_compared:,} cycle numbers compared: all equal" in page


def test_only_a_board_has_bitstreams(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    in_file(tmp_path, HARDWARE.replace('board = "icebreaker"', 'family = "ice40"'))
    assert run("explore", tmp_path / "space.toml", "-o", tmp_path / "out", "--build", 1) == 2
    assert "Space must have a board for --build, not a family alone" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
