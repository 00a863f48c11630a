"""The pipeline as text: one row per node, one column for several cycles, and a digit for the frame."""

from collections.abc import Iterator

import numpy as np
from rich.text import Text

from hwsim import Timeline
from hwsim.timeline import BUSY, NodeTrack

__all__ = ["diagram"]

#: Colour-blind people can distinguish these; without colours the digits do.
COLORS = ("blue", "dark_orange", "cyan", "magenta", "yellow")


def diagram(timeline: Timeline, *, width: int = 80) -> Text:
    """Return a diagram of the frames on their way through the nodes.

    A column in which a node issues steps shows the last digit of the frame's number, from 1. It is dim if the node
    does so in less than half of the column's cycles. A dot is a column in which the node only waits within a frame.

    Parameters
    ----------
    width : maximum number of columns, without the names
    """
    per_column = -(-timeline.cycles // width)
    columns = -(-timeline.cycles // per_column)
    indent = max(len(node.name) for node in timeline.nodes) + 2
    lines = [Text(" " * indent + _axis(columns, per_column))]
    for node in timeline.nodes:
        lines.append(Text(node.name.ljust(indent)).append_text(Text.assemble(*_cells(node, columns, per_column))))
    lines.append(Text(f"{timeline.frames} frames, {timeline.cycles:,} cycles, {per_column:,} in each column;"))
    lines.append(Text("a digit: steps of this frame, a dot: waits within it."))
    return Text("\n").join(lines)


def _axis(columns: int, per_column: int) -> str:
    """Return the numbers of cycles, each starting above its column."""
    text = ""
    for column in range(0, columns, 10):
        label = f"{column * per_column:,}"
        if len(text) <= column and (column + len(label) <= columns or column == 0):
            text = text.ljust(column) + label + " "
    return text.rstrip()


def _cells(node: NodeTrack, columns: int, per_column: int) -> Iterator[str | tuple[str, str]]:
    """Yield the cells of a node's row."""
    borders = np.arange(columns + 1) * per_column
    busy = np.stack([node.spells.cycles_between(borders, BUSY, frame) for frame in range(len(node.spans))])
    frame_of = busy.argmax(axis=0)
    inside = np.zeros(columns, bool)
    for start, stop in node.spans.tolist():
        inside[start // per_column : (stop - 1) // per_column + 1] = True
    for column in range(columns):
        frame, cycles = int(frame_of[column]), int(busy[:, column].sum())
        if cycles:
            style = COLORS[frame % len(COLORS)] + (" dim" if 2 * cycles < per_column else "")
            yield str((frame + 1) % 10), style
        else:
            yield "·" if inside[column] else " "
