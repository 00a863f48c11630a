"""Recipes of convolutional networks: those of the package, and every kind of invalid recipe."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow import InputError
from quant import recipes
from quant.recipes import ConvolutionalRecipe, DenseRecipe

GOOD = {"dataset": "cifar10", "convolutions": [8, "P", 16], "hidden": [], "epochs": 3}


def write(path: Path, entries: dict) -> Path:
    lines = [
        f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}\n" for key, value in entries.items()
    ]
    path.write_text("".join(lines))
    return path


def filters(name: str) -> tuple[ConvolutionalRecipe, tuple[int | str, ...]]:
    recipe = recipes.load(name)
    assert isinstance(recipe, ConvolutionalRecipe)
    return recipe, recipe.convolutions


def test_the_packages_recipes_are_the_fields_networks() -> None:
    cnv, convolutions = filters("cnv-w1a1")
    assert convolutions == (64, 64, "P", 128, 128, "P", 256, 256)
    assert (cnv.dataset, cnv.hidden, cnv.kernel, cnv.padding_size, cnv.input_bits) == ("cifar10", (512, 512), 3, 0, 8)
    vgg, convolutions = filters("vgg-small-w1a1")
    assert convolutions == (128, 128, "P", 256, 256, "P", 512, 512, "P")
    assert (vgg.dataset, vgg.hidden, vgg.kernel, vgg.padding_size, vgg.input_bits) == ("cifar10", (), 3, 1, 8)
    for recipe in (cnv, vgg):
        assert (recipe.shift, recipe.shift_chance, recipe.flip) == (4, 1.0, True)


@pytest.mark.parametrize("name", ["cnv-w1a2", "cnv-w2a2"])
def test_networks_of_several_bits_are_trained_as_those_of_one(name: str) -> None:
    recipe, _ = filters(name)
    bits = (recipe.weight_bits, recipe.activation_bits, recipe.input_bits)
    assert bits == (int(name[-3]), 2, 8)
    one = filters("cnv-w1a1")[0]
    lengths = {"epochs": 80, "threads": 2, "cycles": 1, "cycle_rate": 1.0}
    assert replace(recipe, name="cnv-w1a1", weight_bits=1, activation_bits=1, **lengths) == one


def test_the_small_network_is_for_digits_of_one_bit() -> None:
    small, convolutions = filters("cnv-mnist-small")
    assert convolutions == (16, 16, "P", 32, 32, "P")
    assert (small.dataset, small.input_bits, small.flip) == ("mnist", 1, False)


def test_a_recipe_with_convolutions_is_a_convolutional_one(tmp_path: Path) -> None:
    recipe = recipes.load(write(tmp_path / "mine.toml", {**GOOD, "flip": True, "kernel": 5, "padding": "zero"}))
    expected = ConvolutionalRecipe(
        name="mine",
        dataset="cifar10",
        hidden=(),
        epochs=3,
        convolutions=(8, "P", 16),
        flip=True,
        kernel=5,
        padding="zero",
    )
    assert recipe == expected
    assert recipes.from_dict(recipe.to_dict()) == expected
    assert recipe.to_dict()["convolutions"] == [8, "P", 16]
    assert expected.padding_size == 2


def test_dense_recipes_have_no_keys_of_convolutions() -> None:
    dense = recipes.load("tfc-w1a1")
    assert type(dense) is DenseRecipe
    assert {"convolutions", "kernel", "padding"}.isdisjoint(dense.to_dict())
    assert recipes.from_dict(dense.to_dict()) == dense


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"convolutions": []}, "convolutions of recipe 'mine' must be {}, not ()"),
        ({"convolutions": 64}, "convolutions of recipe 'mine' must be {}, not 64"),
        ({"convolutions": ["P", 8]}, "convolutions of recipe 'mine' must be {}, not ('P', 8)"),
        ({"convolutions": [8, "Q"]}, "convolutions of recipe 'mine' must be {}, not (8, 'Q')"),
        ({"convolutions": [8, 0]}, "convolutions of recipe 'mine' must be {}, not (8, 0)"),
        ({"convolutions": [8, 1.5]}, "convolutions of recipe 'mine' must be {}, not (8, 1.5)"),
        ({"hidden": [0]}, "hidden of recipe 'mine' must be zero or more integers of at least 1, not (0,)"),
        ({"kernel": 0}, "kernel of recipe 'mine' must be an integer of at least 1, not 0"),
        ({"kernel": "3"}, "kernel of recipe 'mine' must be an integer of at least 1, not '3'"),
        ({"kernel": 4, "padding": "zero"}, "kernel of recipe 'mine' must be odd with padding \"zero\", not 4"),
        ({"padding": "same"}, "padding of recipe 'mine' must be one of valid, zero, not 'same'"),
        ({"padding": 1}, "padding of recipe 'mine' must be one of valid, zero, not 1"),
        ({"input_bits": 4}, "input_bits of recipe 'mine' must be 1, 2 or 8, not 4"),
        ({"input_bits": True}, "input_bits of recipe 'mine' must be 1, 2 or 8, not True"),
        ({"weight_bits": 8}, "weight_bits of recipe 'mine' must be 1 or 2, not 8"),
        ({"activation_bits": "2"}, "activation_bits of recipe 'mine' must be 1 or 2, not '2'"),
        ({"flip": 1}, "flip of recipe 'mine' must be true or false, not 1"),
        ({"epochs": 0}, "epochs of recipe 'mine' must be an integer of at least 1, not 0"),
    ],
)
def test_bad_entries_are_refused(changes: dict, rule: str, tmp_path: Path) -> None:
    layers = 'integers of at least 1 and "P", the first an integer'
    with pytest.raises(InputError, match=rf"^{re.escape(rule.format(layers))}$"):
        recipes.load(write(tmp_path / "mine.toml", {**GOOD, **changes}))


def test_keys_of_convolutions_are_none_of_a_dense_recipe(tmp_path: Path) -> None:
    entries = {"dataset": "mnist", "hidden": [16], "epochs": 3}
    with pytest.raises(InputError, match=r"^Key of recipe 'mine' must be one of .*, not 'kernel'$"):
        recipes.load(write(tmp_path / "mine.toml", {**entries, "kernel": 3}))
    rule = r"^Key of recipe 'mine' must be one of .*, not 'convolution' \(did you mean 'convolutions'\?\)$"
    with pytest.raises(InputError, match=rule):
        recipes.load(write(tmp_path / "mine.toml", {**entries, "convolution": [3]}))


@pytest.mark.parametrize("key", ["dataset", "hidden", "epochs"])
def test_a_key_left_out_is_told(key: str, tmp_path: Path) -> None:
    entries = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(InputError, match=rf"^Recipe 'mine' must have the key '{key}', which is missing$"):
        recipes.load(write(tmp_path / "mine.toml", entries))
