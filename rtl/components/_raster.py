"""Numbers that depend on the place in a grid, which is traversed row by row."""

import numpy as np
from amaranth import Const, Module, Signal, Value

from rtl.steps import advanced

__all__ = ["by_window", "raster"]


def raster(m: Module, leave: Value, shape: tuple[int, ...], *, name: str) -> tuple[Signal, Signal]:
    """Return the row and the column of the current place in a grid.

    Parameters
    ----------
    leave : value of one bit
        The next place becomes the current one.
    shape : (rows, columns)
    """
    row, column = (
        Signal(range(size), name=f"{name}_{what}") for size, what in zip(shape, ("row", "column"), strict=True)
    )
    with m.If(leave):
        m.d.sync += column.eq(advanced(column, shape[1]))
        with m.If(column == shape[1] - 1):
            m.d.sync += row.eq(advanced(row, shape[0]))
    return row, column


def by_window(m: Module, leave: Value, row: Signal, column: Signal, grid: np.ndarray, *, name: str) -> Value:
    """Return the number of the current place in a grid that is traversed row by row. It is read one place ahead.

    Equal rows share their entries, and so do equal columns: there are a few kinds at the borders and one between them.

    Parameters
    ----------
    leave : value of one bit
        The place after the one in `row` and `column` becomes the current one; the first one follows the last.
    grid : (rows, columns) int64, not negative
    """
    values = grid.ravel()
    if (values == values[0]).all():
        return Const(int(values[0]))
    number = Signal(range(int(grid.max()) + 1), name=name, init=int(values[0]))
    following = np.roll(values, -1).reshape(grid.shape)
    row_kinds, row_kind = np.unique(following, axis=0, return_inverse=True)
    _, first, column_kind = np.unique(row_kinds, axis=1, return_index=True, return_inverse=True)
    kinds = row_kinds[:, first]
    row_of = _kind(m, row, row_kind.ravel(), name=f"{name}_row_kind")
    column_of = _kind(m, column, column_kind.ravel(), name=f"{name}_column_kind")
    with m.If(leave):
        with m.Switch(row_of):
            for y, entries in enumerate(kinds.tolist()):
                with m.Case(y):
                    with m.Switch(column_of):
                        for x, entry in enumerate(entries):
                            with m.Case(x):
                                m.d.sync += number.eq(entry)
    return number


def _kind(m: Module, counter: Signal, kinds: np.ndarray, *, name: str) -> Signal:
    """Return the kind of the row or column in a counter.

    Parameters
    ----------
    kinds : (values of the counter,) int64
    """
    kind = Signal(range(int(kinds.max()) + 1), name=name)
    usual = int(np.bincount(kinds).argmax())
    m.d.comb += kind.eq(usual)
    for each in range(int(kinds.max()) + 1):
        if each != usual:
            with m.If(counter.matches(*np.flatnonzero(kinds == each).tolist())):
                m.d.comb += kind.eq(each)
    return kind
