"""Depths of the FIFOs where branches meet again.

Let branches part at node D and meet at node J, and let D have issued s steps. The nodes' schedules and the places of
the FIFOs in between give two bounds for every stream on a branch:

* the most beats that can have been written, if every node is as far as the beats from D allow;
* the least that must have been written: a FIFO holds at most its places, which bounds the beats that its reader has not
  consumed, and the beats that a node has consumed determine the steps that it has issued.

When J waits for a beat of one branch, it has consumed everything that was written there, which is at least the least.
So J has taken a known number of beats from the other branch, and at most the most minus this number are still on that
branch. If they have places, the branch is never full while J waits for another one. Then a chain of nodes that wait
for places leads to an output of the network, never back, so there is no deadlock. And no branch is ever delayed because
another one is longer.

The places are added where they take the fewest bits: beats of a shortcut with a matrix wait before it, as bits, rather
than after it, as sums.

The derivation does not involve time, so the depths hold for any stalls at the ends.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from dataflow.network import Fifo, Network
from dataflow.nodes import Node
from dataflow.schedule import Buffered, Schedule

__all__ = ["meeting_depths"]


def meeting_depths(network: Network, depths: Mapping[str, int]) -> dict[str, int]:
    """Return depths of the FIFOs in which beats wait for a longer branch. They rule out a deadlock.

    Parameters
    ----------
    depths : the depth that every FIFO needs otherwise
    """
    chosen = dict(depths)
    dominators = _dominators(network)
    for node in network.nodes:
        into = network.fifos_into(node.name)
        parting = dominators.get(node.name)
        if len(into) < 2 or parting is None:
            continue
        written = _written(network, chosen, parting, node.name)
        for fifo in into:
            most, others = written[fifo.name][1], [other for other in into if other is not fifo]
            if (most > _taken(node, fifo, [(other, written[other.name][0]) for other in others])).any():
                # The branch continues while beats are on their way into the other FIFOs.
                late = [(other, written[other.name][0] - depths[other.name]) for other in others]
                places = _waiting_places(network, fifo, _taken(node, fifo, late), written)
                _, name, count = min((beats * network.stream(each).width, each.name, beats) for each, beats in places)
                chosen[name] += count
    return {name: depth for name, depth in chosen.items() if depth != depths[name]}


def _taken(node: Node, fifo: Fifo, others: list[tuple[Fifo, np.ndarray]]) -> np.ndarray:
    """Return the fewest beats that a node has read from a FIFO if it has read a given number from one of the others."""
    schedule = node.schedule()
    assert isinstance(schedule, Schedule)
    waiting = [_step_of(schedule.consumes[other.target_port], beats) for other, beats in others]
    return _moved(schedule.consumes[fifo.target_port], np.min(waiting, axis=0))


def _waiting_places(
    network: Network, fifo: Fifo, taken: np.ndarray, written: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> Iterator[tuple[Fifo, int]]:
    """Yield the FIFOs in which beats can wait, and the number of beats in each.

    They form a chain that ends with `fifo`. The nodes between them have one input and one output.
    """
    while fifo.name in written:
        yield fifo, int((written[fifo.name][1] - taken).max())
        into, after = network.fifos_into(fifo.source), network.fifos_out_of(fifo.source)
        if len(into) != 1 or len(after) != 1:
            return
        schedule = network.node(fifo.source).schedule()
        if isinstance(schedule, Buffered):
            return
        fifo, taken = into[0], _moved(schedule.consumes[0], _step_of(schedule.emits[0], taken - 1) + 1)


def _dominators(network: Network) -> dict[str, str]:
    """Return for each node the last node before it through which all paths from the inputs lead, if there is one."""
    above: dict[str, str | None] = {terminal.name: None for terminal in network.inputs}
    height: dict[str | None, int] = {None: 0, **{terminal.name: 1 for terminal in network.inputs}}
    for node in network.nodes:
        common, *others = (fifo.source for fifo in network.fifos_into(node.name))
        found: str | None = common
        for other in others:
            found = _common(found, other, above, height)
        above[node.name] = found
        height[node.name] = height[found] + 1
    nodes = {node.name for node in network.nodes}
    return {name: parting for name, parting in above.items() if parting is not None and parting in nodes}


def _common(
    one: str | None, other: str | None, above: Mapping[str, str | None], height: Mapping[str | None, int]
) -> str | None:
    """Return the last common dominator of two nodes. A node is among its own dominators here."""
    while one != other:
        if one is not None and height[one] >= height[other]:
            one = above[one]
        else:
            assert other is not None
            other = above[other]
    return one


def _written(
    network: Network, depths: Mapping[str, int], parting: str, meeting: str
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return for each FIFO between two nodes the least and the most beats written after each step of the first node.

    The steps are those of a frame. Counts continue into earlier frames as negative numbers.
    """
    first = network.node(parting)
    schedule = first.schedule()
    assert isinstance(schedule, Schedule)
    steps = np.arange(1, schedule.steps + 1)
    written: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for fifo in network.fifos_out_of(parting):
        count = _moved(schedule.emits[fifo.source_port], steps)
        written[fifo.name] = (count, count)
    start = network.nodes.index(first) + 1
    for node in network.nodes[start : network.nodes.index(network.node(meeting))]:
        into = network.fifos_into(node.name)
        # A node with other sources than `parting` cannot be on a branch to `meeting`.
        if any(fifo.name not in written for fifo in into):
            continue
        least = [_least_steps(node, fifo, written[fifo.name][0] - depths[fifo.name]) for fifo in into]
        most = [_most_steps(node, fifo, written[fifo.name][1]) for fifo in into]
        for fifo in network.fifos_out_of(node.name):
            emits = _emitting(node).emits[fifo.source_port]
            written[fifo.name] = (_moved(emits, np.max(least, axis=0)), _moved(emits, np.min(most, axis=0)))
    return written


def _emitting(node: Node) -> Schedule:
    schedule = node.schedule()
    return schedule.drain if isinstance(schedule, Buffered) else schedule


def _least_steps(node: Node, fifo: Fifo, consumed: np.ndarray) -> np.ndarray:
    """Return the fewest steps that a node has issued if it has consumed the given numbers of beats of a FIFO."""
    schedule = node.schedule()
    if isinstance(schedule, Schedule):
        return _step_of(schedule.consumes[fifo.target_port], consumed - 1) + 1
    # At least this many beats have been freed in the buffer.
    freed = np.cumsum(schedule.frees)
    frames, beat = np.divmod(consumed - schedule.places - 1, freed[-1])
    return frames * len(freed) + np.searchsorted(freed, beat + 1) + 1


def _most_steps(node: Node, fifo: Fifo, written: np.ndarray) -> np.ndarray:
    """Return the most steps that a node can have issued if the given numbers of beats were written for it to read."""
    schedule = node.schedule()
    if isinstance(schedule, Schedule):
        return _step_of(schedule.consumes[fifo.target_port], written)
    freed = np.cumsum(schedule.frees)
    needed = np.maximum.accumulate(freed - schedule.frees + schedule.needs)
    frames, beats = np.divmod(written, freed[-1])
    return frames * len(freed) + np.searchsorted(needed, beats, side="right")


def _moved(moves: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return the beats that a port has moved after the given numbers of steps.

    Parameters
    ----------
    moves : (period,) bool
    """
    counts = np.append(0, np.cumsum(moves))
    periods, rest = np.divmod(steps, len(moves))
    return periods * counts[-1] + counts[rest]


def _step_of(moves: np.ndarray, beats: np.ndarray) -> np.ndarray:
    """Return the step in which a port moves a beat, both counted from 0."""
    places = np.flatnonzero(moves)
    periods, rest = np.divmod(beats, len(places))
    return periods * len(moves) + places[rest]
