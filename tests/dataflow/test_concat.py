"""Concat: its types, its foldings, its refusals."""

import pytest

from dataflow import BIPOLAR, Concat, InputError, Integer

INT4, INT8 = Integer(4, signed=True), Integer(8, signed=True)


def test_streams_and_schedule() -> None:
    node = Concat("c", (BIPOLAR, BIPOLAR, BIPOLAR), (4, 2, 3), (5, 6), 2)
    assert [str(stream) for stream in node.input_streams] == [
        *(f"bipolar 5x6x{channels}, 2 at once" for channels in (4, 2, 3)),
    ]
    assert str(node.output_streams[0]) == "bipolar 5x6x9, 2 at once"
    assert node.output_streams[0].inert == node.input_streams[2].inert == 1
    schedule = node.schedule()
    assert schedule.consumes.astype(int).tolist() == [[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 1]]
    assert schedule.emits.all()
    assert (node.steps, node.output_streams[0].beats) == (150, 150)


def test_integers_keep_their_values() -> None:
    assert Concat("c", (INT4, INT8), (4, 4)).element == INT8
    assert Concat("c", (Integer(8), INT4), (4, 4)).element == Integer(9, signed=True)
    assert Concat("c", (Integer(8), Integer(3)), (4, 4)).element == Integer(8)


def test_foldings_divide_all_inputs_but_the_last() -> None:
    node = Concat("c", (INT8, INT8), (12, 6))
    assert [each["pe"] for each in node.foldings()] == [1, 2, 3, 6]
    assert [each["pe"] for each in node.foldings(lambda number: list(range(1, number + 1)))] == [1, 2, 3, 4, 6]
    for pe in (5, 12, 0, True):
        sentence = rf"^pe of node 'c' must be a divisor of its first inputs' channels \(12,\) and at most 6, not {pe}$"
        with pytest.raises(InputError, match=sentence):
            Concat("c", (INT8, INT8), (12, 6), pe=pe)


def test_refusals() -> None:
    with pytest.raises(InputError, match=r"^operands of node 'c' must be at least two, not \(.*\)$"):
        Concat("c", (INT8,), (6,))
    sentence = r"^operands of node 'c' must be all bits or all integers, not \('bipolar', 'int8'\)$"
    with pytest.raises(InputError, match=sentence):
        Concat("c", (BIPOLAR, INT8), (6, 6))
    with pytest.raises(InputError, match=r"^channels of node 'c' must be positive sizes of its 2 inputs, not \(6,\)$"):
        Concat("c", (INT8, INT8), (6,))
    with pytest.raises(InputError, match=r"^positions of node 'c' must be positive sizes, not \(0, 3\)$"):
        Concat("c", (INT8, INT8), (6, 6), (0, 3))
