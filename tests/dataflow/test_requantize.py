"""Requantize: its forms, its refusals, its file."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from dataflow import BIPOLAR, Fifo, InputError, Integer, Network, Requantize, Terminal, load, save_network
from sim_tests.strategies import requantize_nodes
from tests.examples import examples

INT8 = Integer(8, signed=True)


def node(**changes: Any) -> Requantize:
    """Return a node with two pieces, shared by six channels, after changes."""
    arguments: dict[str, Any] = {
        "starts": np.array([[0]]),
        "multipliers": np.array([[1, 4]]),
        "offsets": np.array([[8, 8]]),
        "shift": 4,
        "element": INT8,
        "shape": (2, 6),
        "result": Integer(4, signed=True),
    }
    arguments |= changes
    return Requantize("q", arguments.pop("element"), arguments.pop("shape"), arguments.pop("result"), **arguments)


def steps(starts: list[list[int]], offsets: list[list[int]], **changes: Any) -> Requantize:
    zeros = np.zeros((1, len(offsets[0])), np.int64)
    return node(
        starts=np.array(starts, np.int64), multipliers=zeros, offsets=np.array(offsets), shift=0, result=Integer(2)
    ).folded(changes)


def table(codes: np.ndarray, **changes: Any) -> Requantize:
    return node(starts=None, multipliers=None, offsets=None, shift=0, table=codes, **changes)


def test_the_form_follows_from_the_data() -> None:
    assert node().form == "lines"
    assert steps([[-5, 0, 7]], [[0, 1, 2, 3]]).form == "steps"
    assert node(multipliers=np.zeros((1, 2), np.int64)).form == "steps"
    assert table(np.zeros((1, 256), np.int64)).form == "table"


def test_streams() -> None:
    assert [str(stream) for stream in node(pe=4).input_streams] == ["int8 2x6, 4 at once"]
    assert [str(stream) for stream in node(pe=4, result=BIPOLAR).output_streams] == ["bipolar 2x6, 4 at once"]
    assert node(pe=4).steps == 4


@pytest.mark.parametrize(
    ("made", "latency"),
    [
        (steps([[-5, 0, 7]], [[0, 1, 2, 3]]), 2),
        (steps([[-5, 0, 7]] * 6, [[0, 1, 2, 3]]), 3),
        (steps([[-5, 0, 7]] * 6, [[0, 1, 2, 3]], pe=6), 2),
        (steps([[]], [[3]]), 1),
        (node(), 5),  # two pieces; -120 to 516, divided by 16, saturate
        (node(result=INT8), 4),
        (node(offsets=np.full((6, 2), 8)), 6),
        (node(starts=np.zeros((1, 0), np.int64), multipliers=np.array([[4]]), offsets=np.array([[8]])), 4),
        (table(np.zeros((6, 256), np.int64)), 2),
    ],
)
def test_latency(made: Requantize, latency: int) -> None:
    assert made.latency == latency == made.schedule().latency


def test_pieces_are_as_few_as_possible() -> None:
    # The first row has numbers in two pieces only, and the second row changes at its last start only.
    starts = [[-9, -9, 128, 128], [-128, 2, 3, 9]]
    found = steps(starts * 3, [[0, 2, 1, 3, 2], [2, 1, 1, 1, 3]] * 3).pieces
    assert found.count == 3
    assert found.offsets[:2].tolist() == [[0, 1, 1], [1, 1, 3]]
    assert found.starts[:2].tolist() == [[-9, 127], [2, 9]]


def test_sums_saturate_only_if_they_can() -> None:
    assert node().saturates
    assert not node(result=Integer(7, signed=True)).saturates
    assert node(offsets=np.array([[8, 517]]), result=Integer(7, signed=True)).saturates
    # Only numbers of a piece count: its function may exceed the result elsewhere.
    assert not node(multipliers=np.array([[1, 0]]), offsets=np.array([[0, 0]]), shift=0, result=INT8).saturates


def test_foldings() -> None:
    assert [folding["pe"] for folding in node().foldings()] == [1, 2, 3, 6]
    with pytest.raises(InputError, match=r"^pe of node 'q' must be 1 to 6, the number of its channels, not 7$"):
        node(pe=7)


def test_codes_of_two_bits_take_three_comparisons_per_lane() -> None:
    assert steps([[-5, 1, 7]], [[0, 1, 2, 3]], pe=2).structure().constants == (8, 8, 8) * 2
    from_memory = steps([[-5, 1, 7]] * 5 + [[3, 4, 5]], [[0, 1, 2, 3]], pe=2).structure()
    assert from_memory.parts["compared_bits"] == 2 * 3 * 8
    # The lower bit changes at each start, the upper one at the second: nothing is read but the starts.
    assert (from_memory.parts["flipped_bits"], from_memory.parts["chosen_bits"]) == (2 * 4, 0)
    assert len(from_memory.roms) == 1


def test_codes_that_count_down_differ_in_the_first_one_only() -> None:
    codes = np.where(np.arange(6)[:, None] % 2, np.arange(4), np.arange(4)[::-1])
    found = steps([[-5, 0, 7]], codes.tolist(), pe=3).structure()
    assert (found.parts["flipped_bits"], found.parts["chosen_bits"]) == (3 * 4, 0)


def test_lines_take_a_multiplier_per_lane_except_for_powers_of_two() -> None:
    assert node(pe=3).structure().multipliers == ((8, 3),) * 3
    assert node(multipliers=np.array([[-4, -4]]), pe=3).structure().multipliers == ()
    by_channel = node(multipliers=np.array([[4, 4], [3, -3]] * 3), pe=2).structure().multipliers
    assert by_channel == ((8, 3),)


def test_a_table_has_every_number_of_every_group_of_channels() -> None:
    rng = np.random.default_rng(0)
    by_channel = table(rng.integers(-8, 8, (6, 256)), pe=3).structure()
    assert by_channel.read_only == ((512, 4),) * 3
    assert table(rng.integers(-8, 8, (6, 256)), pe=6).structure().read_only == ()


def test_a_table_in_luts_is_made_of_different_tables() -> None:
    # Numbers from 0 on come first: of the 16 groups of 16 numbers, two are neither all 0 nor all 1.
    one = table((np.arange(-128, 128) // 3 % 2 * ((np.arange(256) // 16 == 3) | (np.arange(256) // 16 == 8)))[None])
    assert {name: one.structure().parts[name] for name in ("tables_of_4", "choices_of_4")} == {
        "tables_of_4": 2,
        "choices_of_4": 4 + 3,
    }
    three = one.folded({"pe": 3}).structure().parts
    assert (three["tables_of_4"], three["tables_of_6"]) == (6, 3 * one.structure().parts["tables_of_6"])
    rising = table(np.clip(np.arange(-128, 128), -8, 7)[None]).structure().parts
    random = table(np.random.default_rng(0).integers(-8, 8, (1, 256))).structure().parts
    assert random["tables_of_4"] > 60  # of 64
    assert rising["tables_of_4"] == 6


WIDE = Integer(63, signed=True)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"element": BIPOLAR}, r"element of node 'q' must be an integer, not Bipolar\(\)"),
        ({"shape": (0,)}, r"shape of node 'q' must be positive sizes, not \(0,\)"),
        ({"shift": 63}, "shift of node 'q' must be 0 to 62, not 63"),
        ({"shift": -1}, "shift of node 'q' must be 0 to 62, not -1"),
        ({"shift": True}, "shift of node 'q' must be 0 to 62, not True"),
        ({"starts": None}, "starts of node 'q' must be an array where there is no table, not None"),
        ({"offsets": None}, "offsets of node 'q' must be an array where there is no table, not None"),
        (
            {"offsets": np.zeros((2, 2), np.int64)},
            r"offsets shape of node 'q' must be \(1, \.\.\.\) or \(6, \.\.\.\), not \(2, 2\)",
        ),
        (
            {"multipliers": np.array([1, 4])},
            r"multipliers shape of node 'q' must be \(1, \.\.\.\) or \(6, \.\.\.\), not \(2,\)",
        ),
        (
            {"multipliers": np.zeros((1, 0), np.int64)},
            "multipliers of node 'q' must be those of one piece or more, not 0",
        ),
        ({"starts": np.array([[0, 1]])}, r"starts shape of node 'q' must be \(1, 1\), not \(1, 2\)"),
        ({"offsets": np.zeros((6, 3), np.int64)}, r"offsets shape of node 'q' must be \(6, 2\), not \(6, 3\)"),
        ({"starts": np.array([[129]])}, r"starts of node 'q' must be within -128 to 128, not \(129, 129\)"),
        ({"starts": np.array([[-129]])}, r"starts of node 'q' must be within -128 to 128, not \(-129, -129\)"),
        (
            {"starts": np.array([[3, 9, 8]]), "multipliers": np.ones((1, 4), int), "offsets": np.zeros((1, 4), int)},
            r"starts of node 'q' must be in an order that does not fall, not \[9, 8\]",
        ),
        ({"element": WIDE}, "Sums of node 'q' must be at most 63 bits wide, not 66"),
        ({"table": np.zeros((1, 256), int)}, r"starts of node 'q' must be None beside a table, not array\(\[\[0\]\]\)"),
    ],
)
def test_refusals(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=rf"^{sentence}$"):
        node(**changes)


def test_refusals_of_tables() -> None:
    with pytest.raises(InputError, match=r"^table shape of node 'q' must be \(1, 256\), not \(1, 255\)$"):
        table(np.zeros((1, 255), np.int64))
    with pytest.raises(InputError, match=r"^table of node 'q' must be within -8 to 7 \(int4\), not \(0, 8\)$"):
        table(np.arange(256)[None] % 9)
    with pytest.raises(InputError, match=r"^shift of node 'q' must be 0 beside a table, not 2$"):
        Requantize("q", Integer(1), (2,), Integer(1), shift=2, table=np.array([[0, 1]]))


def test_sums_of_63_bits() -> None:
    one = np.array([[1]])
    made = node(element=WIDE, starts=np.zeros((1, 0), int), multipliers=one, offsets=one - 1, result=WIDE, shift=0)
    assert made.pieces.span == (-(2**62), 2**62 - 1)
    with pytest.raises(InputError, match=r"^Sums of node 'q' must be at most 63 bits wide, not 64$"):
        node(element=WIDE, starts=np.zeros((1, 0), int), multipliers=one, offsets=one, result=WIDE, shift=0)


def alone(made: Requantize) -> Network:
    """Return a network of one node."""
    ends = (Terminal("i", made.input_streams[0]),), (Terminal("o", made.output_streams[0]),)
    return Network("net", (made,), (Fifo("i", made.name), Fifo(made.name, "o")), *ends)


@settings(max_examples=examples(20))
@given(requantize_nodes())
def test_files_keep_everything(tmp_path_factory: pytest.TempPathFactory, made: Requantize) -> None:
    path = tmp_path_factory.mktemp("files") / "net.xnf"
    save_network(alone(made), path)
    loaded = load(path).node(made.name)
    assert isinstance(loaded, Requantize)
    assert (loaded.element, loaded.result, loaded.shift) == (made.element, made.result, made.shift)
    assert (loaded.shape, loaded.folding, loaded.format_version) == (made.shape, made.folding, 5)
    for name in made.array_fields:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(made, name), strict=True)
