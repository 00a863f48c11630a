"""Carry chains: the model computes what the equations of the cell say, and the cells get the same tables."""

import re

import numpy as np
import pytest
from amaranth import Cat, Const, Module, Signal
from amaranth.back import rtlil
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow import BIPOLAR, Integer, MatrixVector
from rtl.components import component_of
from rtl.components._carry_chain import ACCUMULATE, ADD, ADD_PRODUCT, ADD_PRODUCTS, INJECT, CarryChain, Half, chained
from rtl.platforms import FamilyPlatform
from tests.examples import examples

pytestmark = pytest.mark.sim

TABLES = [INJECT, ADD, ADD_PRODUCT, ADD_PRODUCTS, ACCUMULATE]
ANY_TABLE = st.sampled_from([*TABLES, 0]) | st.integers(0, 0xFFFF)


def sums_of(tables: list[int], inputs: np.ndarray) -> list[int]:
    """Return the sums of a chain by the equations of the cell, for inputs of shape (halves, 4)."""
    carry, found = 0, []
    for table, (a, b, c, d) in zip(tables, inputs.tolist(), strict=True):
        whole, part = table >> (a + 2 * b + 4 * c + 8 * d) & 1, table >> (a + 2 * b) & 1
        found.append(whole ^ carry)
        carry = carry if whole else part
    return found


@given(st.lists(ANY_TABLE, min_size=1, max_size=9), st.integers(0, 2**32 - 1))
@settings(max_examples=examples(25))
def test_the_model_is_the_cell(tables: list[int], seed: int) -> None:
    inputs = np.random.default_rng(seed).integers(0, 2, (20, len(tables), 4))
    inputs[:, np.array(tables) == INJECT, 2:] = 1
    chain = CarryChain(tables)

    async def bench(ctx):
        for each in inputs:
            for name, bits in zip("abcd", each.T.tolist(), strict=True):
                ctx.set(getattr(chain, name), sum(bit << place for place, bit in enumerate(bits)))
            await ctx.delay(1e-9)
            assert [ctx.get(chain.s) >> place & 1 for place in range(len(tables))] == sums_of(tables, each)

    simulator = Simulator(chain)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("zeros", range(16))
@pytest.mark.parametrize("table", TABLES)
def test_constant_zeros_go_into_the_table(table: int, zeros: int) -> None:
    m, inputs, total = Module(), Signal(4), Signal(3)
    if table == INJECT:
        zeros &= 3  # its other inputs are 1
    used = [Const(0, 1) if zeros >> place & 1 else inputs[place] for place in range(4)]
    used[2:] = [Const(1)] * 2 if table == INJECT else used[2:]
    # The half before it gives it a carry, and the half after it gives out its own.
    halves = [Half(INJECT, Const(1), inputs[3] ^ inputs[0]), Half(table, *used), Half(INJECT, Const(0), Const(0))]
    m.d.comb += total.eq(Cat(chained(m, "chain", halves)))

    async def bench(ctx):
        for value in range(16):
            ctx.set(inputs, value)
            await ctx.delay(1e-9)
            kept = [value >> place & ~zeros >> place & 1 for place in range(4)]
            kept[2:] = [1, 1] if table == INJECT else kept[2:]
            carry = (value >> 3 ^ value) & 1
            expected = sums_of([INJECT, table, INJECT], np.array([[1, carry, 1, 1], kept, [0, 0, 1, 1]]))
            assert [ctx.get(total) >> place & 1 for place in range(3)] == expected

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize(("simd", "operand"), [(64, BIPOLAR), (23, BIPOLAR), (27, Integer(8))], ids=str)
def test_cells_are_those_of_the_tree(simd: int, operand: Integer) -> None:
    weights = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (6, 2 * simd))
    node = MatrixVector("fc", weights, None, 3, simd, operand=operand)
    text = rtlil.convert(component_of(node), platform=FamilyPlatform("ecp5"))
    cells = re.findall(r"cell \\?CCU2C .*?end\n", text, re.DOTALL)
    assert len(cells) == 3 * node.adder_tree.cells
    assert "CCU2C" not in rtlil.convert(component_of(node), platform=FamilyPlatform("ecp5", modelled=True))
    assert "CCU2C" not in rtlil.convert(component_of(node), platform=FamilyPlatform("ice40"))
    assert "CCU2C" not in rtlil.convert(component_of(node))


def test_a_cell_has_the_tables_and_inputs_of_its_halves() -> None:
    text = rtlil.convert(CarryChain([ADD_PRODUCTS, ADD, INJECT]), platform=FamilyPlatform("ecp5"))
    tables = re.findall(r"parameter \\INIT([01]) 16'([01]{16})", text)
    assert [(half, int(table, 2)) for half, table in tables] == [
        ("0", ADD_PRODUCTS),
        ("1", ADD),
        ("0", INJECT),
        ("1", 0),
    ]
    assert re.findall(r'parameter \\INJECT1_[01] "(\w+)"', text) == ["NO"] * 4
    # The second half of the last cell has no inputs.
    assert [text.count(f"connect \\{name}1 1'1") for name in "ABCD"] == [1] * 4
