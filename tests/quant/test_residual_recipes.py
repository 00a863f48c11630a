"""Recipes of residual networks: those of the package, and every kind of invalid recipe."""

import re
from pathlib import Path

import pytest

from dataflow import InputError
from quant import recipes
from quant.recipes import ResidualRecipe

GOOD = {"dataset": "cifar10", "widths": [8, 16], "depth": 2, "epochs": 3}


def write(path: Path, entries: dict) -> Path:
    lines = [
        f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}\n" for key, value in entries.items()
    ]
    path.write_text("".join(lines))
    return path


@pytest.mark.parametrize(
    ("name", "widths", "depth", "stem", "after"),
    [
        ("resnet20-w1a1", (16, 32, 64), 6, "3x3", "hardtanh"),
        ("resnet20-prelu-w1a1", (16, 32, 64), 6, "3x3", "prelu"),
        ("resnet18-w1a1", (64, 128, 256, 512), 4, "3x3", "hardtanh"),
        ("resnet18-224-w1a1", (64, 128, 256, 512), 4, "7x7", "hardtanh"),
    ],
)
def test_the_packages_recipes_are_the_fields_networks(
    name: str, widths: tuple[int, ...], depth: int, stem: str, after: str
) -> None:
    recipe = recipes.load(name)
    assert isinstance(recipe, ResidualRecipe)
    assert (recipe.widths, recipe.depth, recipe.stem, recipe.after) == (widths, depth, stem, after)
    assert (recipe.stream_bits, recipe.stream_step, recipe.downsample) == (8, 1 / 64, "average")
    assert (recipe.stem_bits, recipe.head_bits, recipe.weight_bits, recipe.activation_bits) == (8, 8, 1, 1)


def test_a_recipe_with_widths_is_a_residual_one(tmp_path: Path) -> None:
    recipe = recipes.load(write(tmp_path / "mine.toml", {**GOOD, "flip": True, "stream_step": 0.125}))
    expected = ResidualRecipe(
        name="mine", dataset="cifar10", epochs=3, widths=(8, 16), depth=2, flip=True, stream_step=0.125
    )
    assert recipe == expected
    assert recipes.from_dict(recipe.to_dict()) == expected
    assert recipe.kind == "residual"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"widths": []}, "widths of recipe 'mine' must be one or more integers of at least 1, not ()"),
        ({"widths": [8, 0]}, "widths of recipe 'mine' must be one or more integers of at least 1, not (8, 0)"),
        ({"widths": 8}, "widths of recipe 'mine' must be one or more integers of at least 1, not 8"),
        (
            {"widths": [8, 12]},
            "widths of recipe 'mine' must be each equal to the one before or twice as large with downsample "
            '"average", not (8, 12)',
        ),
        (
            {"widths": [8, 4], "downsample": "zeros"},
            "widths of recipe 'mine' must be each at least the one before with downsample \"zeros\", not (8, 4)",
        ),
        ({"depth": 0}, "depth of recipe 'mine' must be an integer of at least 1, not 0"),
        ({"hidden": [16]}, "Recipe 'mine' must have one of widths, hidden, not both"),
        ({"stream_bits": 1}, "stream_bits of recipe 'mine' must be an integer of at least 2, not 1"),
        ({"stream_bits": 9}, "stream_bits of recipe 'mine' must be at most 8, not 9"),
        ({"stream_step": 0.1}, "stream_step of recipe 'mine' must be a power of two from 2**-16 to 2**16, not 0.1"),
        ({"stream_step": 0}, "stream_step of recipe 'mine' must be a power of two from 2**-16 to 2**16, not 0"),
        ({"stream_step": -0.5}, "stream_step of recipe 'mine' must be a power of two from 2**-16 to 2**16, not -0.5"),
        ({"stem": "5x5"}, "stem of recipe 'mine' must be one of 3x3, 7x7, not '5x5'"),
        (
            {"downsample": "averages"},
            "downsample of recipe 'mine' must be one of average, binary, convolution, zeros, not 'averages' "
            "(did you mean 'average'?)",
        ),
        (
            {"after": "relu"},
            "after of recipe 'mine' must be one of hardtanh, method, prelu, not 'relu' (did you mean 'prelu'?)",
        ),
        ({"stem_bits": 4}, "stem_bits of recipe 'mine' must be 1, 2 or 8, not 4"),
        ({"head_bits": 3}, "head_bits of recipe 'mine' must be 1, 2 or 8, not 3"),
        ({"weight_bits": 8}, "weight_bits of recipe 'mine' must be 1 or 2, not 8"),
        ({"flip": 1}, "flip of recipe 'mine' must be true or false, not 1"),
        ({"groups": 0}, "groups of recipe 'mine' must be an integer of at least 1, not 0"),
        ({"groups": 2}, "groups of recipe 'mine' must be a square number whose root divides all widths, not 2"),
        ({"groups": 9}, "groups of recipe 'mine' must be a square number whose root divides all widths, not 9"),
        ({"columns": 0}, "columns of recipe 'mine' must be an integer of at least 1, not 0"),
        ({"columns": 5}, "columns of recipe 'mine' must be at most 4, not 5"),
        ({"double_residual": 0}, "double_residual of recipe 'mine' must be true or false, not 0"),
        ({"double_residual": False, "depth": 3}, "depth of recipe 'mine' must be even without double_residual, not 3"),
    ],
)
def test_bad_entries_are_refused(changes: dict, rule: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^{re.escape(rule)}$"):
        recipes.load(write(tmp_path / "mine.toml", {**GOOD, **changes}))


@pytest.mark.parametrize("key", ["dataset", "depth", "epochs"])
def test_a_key_left_out_is_named(key: str, tmp_path: Path) -> None:
    entries = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(InputError, match=rf"^Recipe 'mine' must have the key '{key}', which is missing$"):
        recipes.load(write(tmp_path / "mine.toml", entries))


def test_keys_of_other_kinds_are_refused(tmp_path: Path) -> None:
    rule = r"^Key of recipe 'mine' must be one of .*, not 'kernel'$"
    with pytest.raises(InputError, match=rule):
        recipes.load(write(tmp_path / "mine.toml", {**GOOD, "kernel": 3}))
