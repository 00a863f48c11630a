"""Recipes: those of the package, and every kind of invalid recipe."""

import re
from dataclasses import FrozenInstanceError, asdict, replace
from pathlib import Path

import pytest

from dataflow import InputError
from quant import recipes
from quant.recipes import DenseRecipe

#: The forms of a setting, which a refusal lists.
FORMS = "Setting of recipe 'tfc-w1a1' must be one of KEY=VALUE, options.KEY=VALUE, rates.KEY=VALUE, not "

GOOD = {"dataset": "mnist-sample", "hidden": [16, 12], "epochs": 3}


def toml_of(entries: dict) -> str:
    return "".join(f"{key} = {value!r}\n" for key, value in entries.items())


@pytest.mark.parametrize(("name", "neurons"), [("tfc-w1a1", 64), ("sfc-w1a1", 256), ("lfc-w1a1", 1024)])
def test_the_packages_recipes_are_the_fields_networks(name: str, neurons: int) -> None:
    recipe = recipes.load(name)
    assert recipe.name == name
    assert recipe.dataset == "mnist"
    assert recipe.hidden == (neurons,) * 3
    assert name in recipes.names()


@pytest.mark.parametrize("weight_bits", [1, 2])
@pytest.mark.parametrize("network", ["tfc", "sfc", "lfc"])
def test_recipes_of_several_bits_differ_in_bits_only(network: str, weight_bits: int) -> None:
    recipe = recipes.load(f"{network}-w{weight_bits}a2")
    assert (recipe.weight_bits, recipe.activation_bits, recipe.input_bits) == (weight_bits, 2, 2)
    one = recipes.load(f"{network}-w1a1")
    assert replace(recipe, name=one.name, weight_bits=1, activation_bits=1, input_bits=1) == one


@pytest.mark.train
@pytest.mark.parametrize("name", recipes.names())
def test_all_recipes_have_methods_with_their_options(name: str) -> None:
    methods = pytest.importorskip("quant.methods")
    recipe = recipes.load(name)
    assert methods.load(recipe.method, recipe.options).to_dict().items() >= recipe.options.items()
    assert recipe.kind in {"dense", "convolutional", "residual"}


def test_a_recipe_of_a_file_gets_the_files_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(toml_of(GOOD))
    recipe = recipes.load(path)
    assert recipe == DenseRecipe(name="mine", dataset="mnist-sample", hidden=(16, 12), epochs=3)
    assert recipes.from_dict(recipe.to_dict()) == recipe
    with pytest.raises(FrozenInstanceError):
        recipe.epochs = 5  # type: ignore[misc]
    assert asdict(recipe)["batch_size"] == 256


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"epoch": 3}, r"Key of recipe 'mine' must be one of .*, not 'epoch' \(did you mean 'epochs'\?\)"),
        ({"name": "x"}, r"Key of recipe 'mine' must be one of .*, not 'name' .*"),
        ({"dataset": "mnits"}, r"Data set of recipe 'mine' must be one of .*, not 'mnits' \(did you mean 'mnist'\?\)"),
        ({"dataset": 3}, r"Data set of recipe 'mine' must be one of .*, arrays, cifar10, .*, not 3"),
        ({"hidden": []}, r"hidden of recipe 'mine' must be one or more integers of at least 1, not \(\)"),
        ({"hidden": [4, 0]}, r"hidden of recipe 'mine' must be one or more integers of at least 1, not \(4, 0\)"),
        ({"hidden": 64}, r"hidden of recipe 'mine' must be one or more integers of at least 1, not 64"),
        ({"epochs": 0}, r"epochs of recipe 'mine' must be an integer of at least 1, not 0"),
        ({"epochs": 1.5}, r"epochs of recipe 'mine' must be an integer of at least 1, not 1\.5"),
        ({"epochs": "3"}, r"epochs of recipe 'mine' must be an integer of at least 1, not '3'"),
        ({"batch_size": 1}, r"batch_size of recipe 'mine' must be an integer of at least 2, not 1"),
        ({"seed": 2**70}, r"seed of recipe 'mine' must be at most 9223372036854775807, not 1180591620717411303424"),
        ({"threads": 10**9}, r"threads of recipe 'mine' must be at most 1024, not 1000000000"),
        ({"seed": -1}, r"seed of recipe 'mine' must be an integer of at least 0, not -1"),
        ({"shift": -1}, r"shift of recipe 'mine' must be an integer of at least 0, not -1"),
        ({"shift_chance": 1.5}, r"shift_chance of recipe 'mine' must be from 0 to 1, not 1\.5"),
        (
            {"precision": "16-mixed"},
            r"precision of recipe 'mine' must be one of 32-true, bf16-mixed, not '16-mixed' "
            r"\(did you mean 'bf16-mixed'\?\)",
        ),
        ({"threads": 0}, r"threads of recipe 'mine' must be an integer of at least 1, not 0"),
        ({"learning_rate": 0}, r"learning_rate of recipe 'mine' must be a number above 0, not 0"),
        ({"learning_rate": "high"}, r"learning_rate of recipe 'mine' must be a number above 0, not 'high'"),
    ],
)
def test_bad_entries_are_refused(changes: dict, rule: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(toml_of({**GOOD, **changes}))
    with pytest.raises(InputError, match=rf"^{rule}$"):
        recipes.load(path)


@pytest.mark.parametrize("rate", ["nan", "inf", "-inf", "true"])
def test_numbers_that_are_none_are_refused(rate: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(toml_of(GOOD) + f"learning_rate = {rate}\n")
    with pytest.raises(InputError, match=r"^learning_rate of recipe 'mine' must be a number above 0, not .*$"):
        recipes.load(path)


@pytest.mark.parametrize("key", ["dataset", "hidden", "epochs"])
def test_a_key_left_out_is_named(key: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(toml_of({name: value for name, value in GOOD.items() if name != key}))
    with pytest.raises(InputError, match=rf"^Recipe 'mine' must have the key '{key}', which is missing$"):
        recipes.load(path)


def test_a_name_that_is_none_is_refused_with_the_nearest() -> None:
    rule = r"^Recipe must be one of .*, not 'tfc-w11' \(did you mean 'tfc-w1a1'\?\)$"
    with pytest.raises(InputError, match=rule):
        recipes.load("tfc-w11")


@pytest.mark.parametrize("raw", [b"hidden = [1,", b"\xff\xfe", b"epochs = 1\nepochs = 2\n"])
def test_a_file_that_is_not_toml_is_refused(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(raw)
    rule = rf"^Recipe file '{re.escape(str(path))}' must be TOML, not text with: .*$"
    with pytest.raises(InputError, match=rule):
        recipes.load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    rule = rf"^Recipe file '{re.escape(str(path))}' must be readable, not 'No such file or directory'$"
    with pytest.raises(InputError, match=rule):
        recipes.load(path)


def test_a_deeply_nested_recipe_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.toml"
    path.write_text(f"dataset = {'[' * 3000}{']' * 3000}")
    rule = rf"^Recipe file '{path}' must have numbers and texts, not deeply nested values$"
    with pytest.raises(InputError, match=rule):
        recipes.load(path)


def test_settings_replace_values() -> None:
    recipe = recipes.load("cnv-w1a1")
    settings = ["epochs=3", "method=irnet", "options.first=0.01", "hidden=[7, 8]", "optimizer='sgd'"]
    changed = recipes.changed(recipe, settings)
    assert changed == replace(recipe, epochs=3, method="irnet", options={"first": 0.01}, hidden=(7, 8), optimizer="sgd")
    assert recipes.changed(recipe, []) == recipe


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        (
            "epochs",
            FORMS + "'epochs'",
        ),
        ("=3", FORMS + "'=3'"),
        (
            "other.first=3",
            FORMS + "'other.first=3'",
        ),
        ("epochs=many", "epochs of recipe 'tfc-w1a1' must be an integer of at least 1, not 'many'"),
        ("options=3", "options of recipe 'tfc-w1a1' must be a table of the method's constants, not 3"),
        ("cycles=0", "cycles of recipe 'tfc-w1a1' must be an integer of at least 1, not 0"),
        ("cycle_rate=0", "cycle_rate of recipe 'tfc-w1a1' must be a number above 0, not 0"),
        ("warm_up=-1", "warm_up of recipe 'tfc-w1a1' must be a number of at least 0, not -1"),
        ("momentum=1", "momentum of recipe 'tfc-w1a1' must be at least 0 and less than 1, not 1"),
        ("method=3", "method of recipe 'tfc-w1a1' must be a name, not 3"),
    ],
)
def test_bad_settings_are_refused(setting: str, rule: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(rule)}$"):
        recipes.changed(recipes.load("tfc-w1a1"), [setting])


@pytest.mark.parametrize(("key", "nearest"), [("epoch", "epochs"), ("optimiser", "optimizer")])
def test_an_unknown_key_of_a_setting_has_the_nearest(key: str, nearest: str) -> None:
    with pytest.raises(InputError, match=rf"^Key of recipe 'tfc-w1a1' must be .*did you mean '{nearest}'\?\)$"):
        recipes.changed(recipes.load("tfc-w1a1"), [f"{key}=1"])


def test_a_recipe_of_two_kinds_is_refused() -> None:
    with pytest.raises(InputError, match=r"^Recipe 'cnv-w1a1' must have one of convolutions, widths, not both$"):
        recipes.changed(recipes.load("cnv-w1a1"), ["widths=[4]"])
