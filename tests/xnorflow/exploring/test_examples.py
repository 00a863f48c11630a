"""The spaces of ``examples/`` can be read, and their first points have networks."""

from pathlib import Path

import pytest

from xnorflow.exploring import read_space
from xnorflow.exploring.points import evaluate, network_of, recipe_of
from xnorflow.exploring.space import Choice

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("explore-*.toml"))


@pytest.mark.long
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example(path: Path) -> None:
    space = read_space(path)
    parameters = {
        name: values.values[0] if isinstance(values, Choice) else values.high
        for name, values in space.parameters.items()
    }
    recipe = recipe_of(space, parameters)
    assert recipe is not None
    assert evaluate(space, parameters, network_of(recipe)).figures
