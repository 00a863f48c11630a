"""What the tests assert of a model: a network that equals exact evaluation, or these sentences and no others."""

from typing import Any

import numpy as np
import onnx
import pytest

from dataflow import InputError, Network
from quant.lowering import lower
from tests.quant.lowering.random_graphs_check import check

__all__ = ["assert_exact", "assert_refused", "assert_refused_like"]


def assert_exact(model: onnx.ModelProto, **options: Any) -> Network:
    """Lower a model and compare it with exact evaluation; return the network."""
    outcome = check(model, np.random.default_rng(0), **options)
    assert outcome.network is not None, outcome.refusal
    return outcome.network


def assert_refused(model: Any, *sentences: str, **options: Any) -> None:
    """Assert that a model is refused, with all of these sentences in this order."""
    with pytest.raises(InputError) as caught:
        lower(model, **options)
    assert str(caught.value).splitlines() == list(sentences), str(caught.value)


def assert_refused_like(model: Any, pattern: str, **options: Any) -> None:
    """Assert that a model is refused, with one sentence that a regular expression matches."""
    with pytest.raises(InputError, match=f"^{pattern}$"):
        lower(model, **options)
