"""Spaces: what a file says, and what it must not say."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow import InputError
from xnorflow.exploring import narrowed, read_space, space_of
from xnorflow.exploring.space import Choice, Range, Space

GOOD = """
recipe = "tfc-w1a1"
board = "icebreaker"
objectives = ["accuracy", "fps", "luts"]
points = 12
sampler = "nsga2"
seed = 7
batch = 3
[set]
epochs = 2
dataset = "mnist-sample"
[space]
hidden = [[16, 16], [8]]
"options.first" = [0.1, 0.2]
interval = { low = 100, high = 9000, log = true }
width = { low = 0.5, high = 2.0, step = 0.5 }
[constraints]
accuracy = { least = 0.5 }
luts = { most = 4000, least = 10 }
"""


def in_file(folder: Path, text: str) -> Space:
    path = folder / "space.toml"
    path.write_text(text, "utf-8")
    return read_space(path)


def test_a_space_says_what_its_file_says(tmp_path: Path) -> None:
    space = in_file(tmp_path, GOOD)
    assert space.recipe is not None
    assert (space.recipe.name, space.recipe.epochs, space.recipe.dataset) == ("tfc-w1a1", 2, "mnist-sample")
    assert (space.board, space.family, space.clock_mhz) == ("icebreaker", "ice40", 24.0)
    assert space.parameters == {
        "hidden": Choice(((16, 16), (8,))),
        "options.first": Choice((0.1, 0.2)),
        "interval": Range(100, 9000, 1, log=True),
        "width": Range(0.5, 2.0, 0.5),
    }
    assert space.constraints == {"accuracy": (0.5, float("inf")), "luts": (10.0, 4000.0)}
    assert (space.points, space.sampler, space.seed, space.batch) == (12, "nsga2", 7, 3)
    assert space.trains


def test_a_space_is_a_dictionary_too(tmp_path: Path) -> None:
    space, read = space_of(tomllib.loads(GOOD)), in_file(tmp_path, GOOD)
    assert space.file == ""
    assert replace(space, file=read.file) == read
    for content, rule in (
        (
            {"recipe": "tfc-w1a1", "spaces": {}},
            r"Key of the space must be one of .*, not 'spaces' \(did you mean 'space'\?\)",
        ),
        ({"recipe": "tfc-w1a1"}, r"Space must have a table \[space\] with a parameter, not none"),
    ):
        with pytest.raises(InputError, match=f"^{rule}$"):
            space_of(content)


def test_the_digest_is_that_of_the_points(tmp_path: Path) -> None:
    space = in_file(tmp_path, GOOD)
    assert in_file(tmp_path, GOOD.replace("points = 12", "points = 99")).digest() == space.digest()
    for change in (("seed = 7", "seed = 8"), ("epochs = 2", "epochs = 3"), ("[8]]", "[9]]"), ("= 4000", "= 4001")):
        assert in_file(tmp_path, GOOD.replace(*change)).digest() != space.digest()


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('"fps", ', '"fpss", ', "Objective must be one of .*, not 'fpss' .did you mean 'fps'"),
        ('["accuracy", "fps", "luts"]', "[]", "Objectives must be a list of different names, not .."),
        ('["accuracy", "fps", "luts"]', '["fps", "fps"]', "Objectives must be a list of different names, not "),
        ('"icebreaker"', '"icebraker"', "Board must be one of .*, not 'icebraker'"),
        ('"tfc-w1a1"', '"tfc"', "Recipe must be one of .*, not 'tfc'"),
        ("[[16, 16], [8]]", "[]", "Parameter 'hidden' must have one or more values, not an empty list"),
        (
            "low = 100, high = 9000",
            "low = 100, high = 99",
            "Range of parameter 'interval' must have a low end that is not",
        ),
        (
            "low = 100, high = 9000",
            "low = 0, high = 99",
            "log of parameter 'interval' must be true for numbers above 0",
        ),
        ("low = 100, high = 9000", "low = 100", "Parameter 'interval' must be a list of values, or a table with low"),
        ("low = 0.5, high", "low = nan, high", "low of parameter 'width' must be a finite number, not nan"),
        ("width =", "widht =", "Parameter of the space must be one of .*, not 'widht' .did you mean 'width'"),
        (
            "width =",
            "fps =",
            "Parameters of the folding must be one of interval, fps, utilization, not interval and fps",
        ),
        ("least = 0.5", "lest = 0.5", "Constraint of accuracy must be a table with least or most, not "),
        ("most = 4000, least = 10", "most = 1, least = 10", "Constraint of luts must be numbers, the least not above"),
        ("points = 12", "points = 0", "points of the space must be an integer of at least 1, not 0"),
        ("seed = 7", "sed = 7", "Key of space .* must be one of .*, not 'sed'"),
        ('"nsga2"', '"nsga3"', "Sampler must be one of .*, not 'nsga3'"),
        ('"nsga2"', '"grid"\n#', "Parameter 'interval' must have a step for the sampler grid, not any number"),
        ("recipe =", "model =", "Parameters of a trained model must be one of .*, not 'hidden'"),
        ("[space]", "[spaces]", "Key of space .* must be one of .*, not 'spaces'"),
        ("points = 12", "points = ", "Space file .* must be TOML, not: "),
        ("epochs = 2", "epochs = 0", "epochs of recipe 'tfc-w1a1' must be an integer of at least 1, not 0"),
    ],
)
def test_a_bad_space_is_one_sentence(old: str, new: str, rule: str, tmp_path: Path) -> None:
    assert old in GOOD
    with pytest.raises(InputError, match=f"^{rule}"):
        in_file(tmp_path, GOOD.replace(old, new, 1))


def test_a_space_must_exist_and_have_parameters(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^Space file '.*none' must be readable, not: No such file or directory$"):
        read_space(tmp_path / "none")
    with pytest.raises(InputError, match=r"^Space file .* must have a table \[space\] with a parameter, not none$"):
        in_file(tmp_path, 'recipe = "tfc-w1a1"\n')
    with pytest.raises(InputError, match=r"^Space must have one of recipe and model, a name or a file, not none$"):
        in_file(tmp_path, "[space]\ninterval = [1]\n")
    with pytest.raises(InputError, match=r"^Objectives of a trained model must be of its hardware, not accuracy"):
        in_file(tmp_path, 'model = "tfc-w1a1"\nobjectives = ["accuracy"]\n[space]\ninterval = [448]\n')


def test_parameters_are_fixed_to_values_of_the_space(tmp_path: Path) -> None:
    space = in_file(tmp_path, GOOD)
    some = narrowed(space, ["hidden=[8]", "width=1.5"])
    assert (some.parameters["hidden"], some.parameters["width"]) == (Choice(((8,),)), Choice((1.5,)))
    assert some.points == space.points
    assert narrowed(some, ["options.first=0.2", "interval=448"]).points == 1
    assert some.digest() != space.digest()


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ("hidden", "Fixed parameter must be NAME=VALUE, not 'hidden'"),
        ("hiden=[8]", "Fixed parameter must be one of .*, not 'hiden'"),
        ("hidden=[9]", "Value of parameter 'hidden' must be one of the space's, .16, 16., .8., not .9."),
        ("interval=99", "Value of parameter 'interval' must be one of the space's, 100 to 9000, not 99"),
        ("interval=100.5", "Value of parameter 'interval' must be one of the space's, 100 to 9000, not 100.5"),
        ("width=0.75", "Value of parameter 'width' must be one of the space's, 0.5 to 2 in steps of 0.5, not 0.75"),
        ("width=true", "Value of parameter 'width' must be one of the space's, .*, not true"),
        ("hidden=nonsense", "Value of parameter 'hidden' must be one of the space's, .*, not nonsense"),
    ],
)
def test_other_values_are_one_sentence(setting: str, rule: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"^{rule}"):
        narrowed(in_file(tmp_path, GOOD), [setting])
