"""Which of the points that are trained go on, and that it depends on the space alone."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quant.checkpoints import STATE, read_checkpoint
from tests.xnorflow.exploring.test_space import in_file
from xnorflow.exploring import Point, explore, front_of, read_space
from xnorflow.exploring.halving import kept, ranks_of, rungs_of
from xnorflow.exploring.points import recipe_of
from xnorflow.exploring.work import model_folder

TRAINED = """
recipe = "tfc-w1a1"
board = "icebreaker"
objectives = ["accuracy", "luts"]
points = 10
sampler = "random"
seed = 3
batch = 5
halving = 2
[set]
epochs = 4
validation = 0.1
dataset = "mnist-sample"
[space]
hidden = [[4], [8], [16], [8, 8], [512, 512, 512]]
learning_rate = [0.01, 1e-6]
interval = [784]
"""

values = st.lists(st.tuples(*[st.integers(0, 4)] * 2), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("epochs", "halving", "rungs"), [(18, 3, (2, 6)), (5, 3, (1, 2)), (2, 3, (1,)), (1, 3, ()), (8, 2, (2, 4))]
)
def test_points_are_compared_after_parts_of_the_epochs(epochs: int, halving: int, rungs: tuple[int, ...]) -> None:
    assert rungs_of(epochs, halving) == rungs


@given(values)
def test_ranks_are_layers_of_fronts(points: list[tuple[int, int]]) -> None:
    ranks = ranks_of(np.array(points))
    for rank in range(ranks.max() + 1):
        left = [point for point, own in zip(points, ranks, strict=True) if own >= rank]
        for point, own in zip(points, ranks, strict=True):
            bettered = any(other[0] <= point[0] and other[1] <= point[1] and other != point for other in left)
            assert own > rank if bettered and own >= rank else own <= rank or not bettered


@given(values, values, st.integers(2, 4))
def test_the_best_share_goes_on(own: list[tuple[int, int]], others: list[tuple[int, int]], halving: int) -> None:
    candidates = {str(place): point for place, point in enumerate(own)}
    chosen = kept(candidates, others, halving)
    assert len(chosen) <= -(-(len(own) + len(others)) // halving)
    ranks = ranks_of(np.array([*own, *others]))[: len(own)]
    worst = max((ranks[int(name)] for name in chosen), default=-1)
    assert all(ranks[int(name)] >= worst for name in candidates.keys() - chosen) or not chosen
    assert kept(candidates, [], 1) == candidates.keys()
    assert kept({}, others, halving) == set()


def test_ends_of_a_front_go_on_first() -> None:
    line = {str(place): (float(place), 10.0 - place) for place in (0, 4, 5, 6, 10)}
    assert kept(line, [], 3) == {"0", "10"}


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('["accuracy", "luts"]', '["fps", "luts"]', "halving must be 1 for a space without the objective accuracy"),
        ("learning_rate = [0.01, 1e-6]", "epochs = [2, 4]", "Parameters must be without 'epochs' for halving"),
        ("validation = 0.1", "validation = 0", "validation of the space's recipe must be above 0 for halving"),
        ("halving = 2", "halving = 0", "halving of the space must be an integer of at least 1, not 0"),
    ],
)
def test_points_must_be_comparable(old: str, new: str, rule: str, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=f"^{rule}"):
        in_file(tmp_path, TRAINED.replace(old, new))


def content(points: list[Point]) -> str:
    return json.dumps([[point.number, point.evaluation.to_json()] for point in points])


@pytest.mark.slow
@pytest.mark.train
def test_only_those_that_may_be_on_the_front_are_trained_to_the_end(tmp_path: Path) -> None:
    space = in_file(tmp_path, TRAINED)
    points = explore(space, tmp_path / "one")
    known = [point for point in points if point.evaluation.rungs]
    stopped = [point for point in known if point.evaluation.stopped]
    assert stopped
    assert len(stopped) < len(known)
    for point in points:
        recipe = recipe_of(space, point.parameters)
        assert recipe is not None
        folder, found = model_folder(recipe, tmp_path / "one"), point.evaluation
        if point.parameters["hidden"] == (512, 512, 512):  # fits no such board, so it is not trained
            assert found.reason.startswith("icebreaker has ")
            assert "accuracy" not in found.figures
            assert not folder.exists()
        elif found.stopped:
            done = len(read_checkpoint(folder / "checkpoint.ckpt")[STATE]["history"])
            assert found.sources["accuracy"] == "held out"
            assert found.figures["accuracy"] == found.rungs[-1]
            assert found.stopped == f"after {(1, 2)[len(found.rungs) - 1]} of 4 epochs"
            assert done >= int(found.stopped.split()[1])
        else:
            assert (folder / "metrics.json").is_file()
            assert len(found.rungs) == 2
    assert all(not point.evaluation.stopped for point in front_of(space, points))
    assert content(explore(space, tmp_path / "two", workers=2)) == content(points)
    # What was stopped goes on from its batches: halves of the search give the whole.
    half = read_space(tmp_path / "space.toml")
    explore(type(half)(**{**vars(half), "points": 5}), tmp_path / "three")
    assert content(explore(space, tmp_path / "three")) == content(points)
