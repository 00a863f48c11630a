"""Models of the kinds that people bring, and models that are refused: lowered and equal, or helped by the remedy."""

from typing import Any

import numpy as np
import onnx
import pytest

from tests.quant.lowering.case_models import CASES
from tests.quant.lowering.random_graphs_check import Outcome, check
from tests.quant.lowering.refused_models import REFUSED
from tests.quant.lowering.remedies import clause_of, remedied


def checked(model: onnx.ModelProto, options: dict[str, Any]) -> Outcome:
    return check(model, np.random.default_rng(0), **options)


def assert_helped(model: onnx.ModelProto, options: dict[str, Any]) -> None:
    """Carry out the remedies of refusals until the model is lowered; none may be needed twice."""
    told: set[str] = set()
    while (outcome := checked(model, options)).network is None:
        sentences = set(outcome.refusal.splitlines())
        assert not told & sentences, f"remedy is refused in turn: {told & sentences}"
        assert all(map(clause_of, sentences)), f"refusal without a remedy: {outcome.refusal}"
        told |= sentences
        model, options = remedied(model, outcome.refusal, options)
    assert len(told) <= 4


@pytest.mark.long
@pytest.mark.parametrize("name", list(CASES))
def test_lowered_or_helped(name: str) -> None:
    assert_helped(CASES[name].build(), CASES[name].options)


@pytest.mark.parametrize("name", list(REFUSED))
def test_remedy_of_a_refusal_works(name: str) -> None:
    build, options, words = REFUSED[name]
    model = build()
    refusal = checked(model, options).refusal
    assert words in clause_of(refusal), refusal
    assert_helped(model, options)
