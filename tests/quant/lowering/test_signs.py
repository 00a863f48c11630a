"""Signs that are written with several operators, as authors decide what the sign of 0 is."""

from collections.abc import Callable

import numpy as np
import pytest

from dataflow import ArgMax, MatrixVector, SlidingWindow
from quant.lowering import NotLowerableError, lower
from tests.quant.lowering.assertions import assert_exact
from tests.quant.lowering.oracle import Builder

rng = np.random.default_rng(6)

Form = Callable[[Builder, str, str], str]

#: A sign of x with a decision for 0, from x and its ternary sign s.
FORMS: dict[str, Form] = {
    "where the sign is 0": lambda net, x, s: net("Where", net("Equal", s, 0.0), 1.0, s),
    "where 0 is the sign, -1": lambda net, x, s: net("Where", net("Equal", 0.0, s), -1.0, s),
    "where x is 0, by ones of every channel": lambda net, x, s: net(
        "Where", net("Equal", x, 0.0), np.ones((1, 4, 5, 5)), s
    ),
    "sign of the sign and a bit": lambda net, x, s: net("Sign", net("Add", s, 0.1)),
    "sign of the sign less a bit": lambda net, x, s: net("Sign", net("Sub", net("Identity", s), 0.1)),
    "and one at 0": lambda net, x, s: net("Add", s, net("Cast", net("Equal", x, 0.0), to=1)),
    "positive": lambda net, x, s: net("Relu", s),
    "negative or not": lambda net, x, s: net("Cast", net("Not", net("Equal", net("Relu", s), 1.0)), to=1),
    "scaled and moved": lambda net, x, s: net("Add", net("Mul", net("Relu", s), -0.75), 0.5),
}


def codes(net: Builder) -> str:
    """Return numbers of which many are 0."""
    x = net("Conv", net.input, rng.integers(-3, 4, (4, 3, 3, 3)).astype(float), pads=[1, 1, 1, 1])
    return net("Quant", x, 1.5, 0.0, 4.0, signed=1, narrow=0)


@pytest.mark.parametrize("form", FORMS)
def test_a_sign_that_decides_for_0_is_a_quantizer_of_bits(form: str) -> None:
    net = Builder((1, 3, 5, 5))
    x = codes(net)
    bits = FORMS[form](net, x, net("Sign", x))
    network = assert_exact(net.model(net("Flatten", net.conv(bits, rng.normal(size=(3, 4, 5, 5))))))
    assert [type(node) for node in network.nodes] == [SlidingWindow, MatrixVector, MatrixVector, ArgMax]


def test_x_is_read_beside_its_sign() -> None:
    net = Builder((1, 3, 5, 5))
    x = codes(net)
    sign = net("Sign", x)
    bits = net("Where", net("Equal", sign, 0.0), 1.0, sign)
    total = net("Add", net.conv(bits, rng.normal(size=(4, 4, 3, 3)), pads=[1, 1, 1, 1]), net("Div", x, 1.5))
    assert_exact(net.model(net("Flatten", net.conv(net("BipolarQuant", total, 1.0), rng.normal(size=(3, 4, 5, 5))))))


@pytest.mark.parametrize(
    "ternary",
    [
        lambda net, x: net("Sign", x),
        lambda net, x: net("Mul", net("Sign", x), 2.0),
    ],
)
def test_a_sign_that_is_0_is_refused(ternary: Callable[[Builder, str], str]) -> None:
    net = Builder((1, 3, 5, 5))
    model = net.model(net("Flatten", net.conv(ternary(net, codes(net)), rng.normal(size=(3, 4, 5, 5)))))
    with pytest.raises(NotLowerableError, match=r"\(Sign\) must not meet zero, not in channel 0: use BipolarQuant"):
        lower(model)


def test_what_is_equal_to_a_number_is_exact() -> None:
    net = Builder((1, 3, 5, 5))
    marks = net("Cast", net("Equal", net("Abs", codes(net)), 3.0), to=1)
    bits = net("Quant", marks, 1.0, 0.0, 1.0, signed=0, narrow=0)
    assert_exact(net.model(net("Flatten", net.conv(bits, rng.normal(size=(3, 4, 5, 5))))))
