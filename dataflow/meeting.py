"""How deep FIFOs must be where branches meet again.

Let branches part at node D and meet at node J, and let D have issued s steps. By the nodes' schedules and the places
of the FIFOs between, there is for every stream on the way

* a most that can have been written: every node as far as the beats from D allow;
* a least that has been written: a FIFO holds no more than its places, so what its reader has not consumed is bounded,
  and by the beats that a node has consumed, the steps that it has issued.

When J waits for a beat of one branch, all that was written there has been consumed, and that is at least the least. So
J has taken a certain count from the other branch, and what was written there and is not taken, at most the most less
that, is on the way. If it has a place somewhere, the branch is never full while J waits for another one. Then a chain
of nodes that wait for places leads on to an output of the network, never back: nothing can stand still for ever. And
no branch is ever held up by the others' being longer.

The place is where it takes the fewest bits: a shortcut that is multiplied with a matrix better waits in front of it, as
bits, than as sums behind it.

No time occurs here: the depths hold for any stalls at the ends.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from dataflow.network import Fifo, Network
from dataflow.nodes import Node
from dataflow.schedule import Buffered, Schedule

__all__ = ["meeting_depths"]


def meeting_depths(network: Network, depths: Mapping[str, int]) -> dict[str, int]:
    """Return depths of the FIFOs that hold what waits for a longer branch, with which nothing stands still for ever.

    Parameters
    ----------
    depths : of every FIFO, what it needs besides
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
                # While beats are on their way into the other FIFOs, the branch goes on.
                late = [(other, written[other.name][0] - depths[other.name]) for other in others]
                places = _waiting_places(network, fifo, _taken(node, fifo, late), written)
                _, name, count = min((beats * network.stream(each).width, each.name, beats) for each, beats in places)
                chosen[name] += count
    return {name: depth for name, depth in chosen.items() if depth != depths[name]}


def _taken(node: Node, fifo: Fifo, others: list[tuple[Fifo, np.ndarray]]) -> np.ndarray:
    """Return the fewest beats that a node has taken from a FIFO if it has taken all of so many from one of others."""
    schedule = node.schedule()
    assert isinstance(schedule, Schedule)
    waiting = [_step_of(schedule.consumes[other.target_port], beats) for other, beats in others]
    return _moved(schedule.consumes[fifo.target_port], np.min(waiting, axis=0))


def _waiting_places(
    network: Network, fifo: Fifo, taken: np.ndarray, written: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> Iterator[tuple[Fifo, int]]:
    """Yield the FIFOs in which what is not taken can wait, and how many beats that are in each.

    They stand in a row that ends with `fifo`, with nodes between them that have one input and one output.
    """
    while fifo.name in written:
        yield fifo, int((written[fifo.name][1] - taken).max())
        into, behind = network.fifos_into(fifo.source), network.fifos_out_of(fifo.source)
        if len(into) != 1 or len(behind) != 1:
            return
        schedule = network.node(fifo.source).schedule()
        if isinstance(schedule, Buffered):
            return
        fifo, taken = into[0], _moved(schedule.consumes[0], _step_of(schedule.emits[0], taken - 1) + 1)


def _dominators(network: Network) -> dict[str, str]:
    """Return for each node the last one before it that all paths from the inputs lead through, if there is one."""
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
    """Return the last of the dominators that two nodes share, themselves among them."""
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
    """Return for each FIFO between two nodes the least and the most that was written after each step of the first.

    The steps are those of a frame. Counts go on into earlier frames, as negative numbers.
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
        # What does not come from `parting` alone leads nowhere near `meeting`.
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
    """Return the fewest steps that a node has issued if it has consumed so many beats of a FIFO."""
    schedule = node.schedule()
    if isinstance(schedule, Schedule):
        return _step_of(schedule.consumes[fifo.target_port], consumed - 1) + 1
    # So many beats have been freed in the buffer, or more.
    freed = np.cumsum(schedule.frees)
    frames, beat = np.divmod(consumed - schedule.places - 1, freed[-1])
    return frames * len(freed) + np.searchsorted(freed, beat + 1) + 1


def _most_steps(node: Node, fifo: Fifo, written: np.ndarray) -> np.ndarray:
    """Return the most steps that a node can have issued if so many beats were written into a FIFO that it reads."""
    schedule = node.schedule()
    if isinstance(schedule, Schedule):
        return _step_of(schedule.consumes[fifo.target_port], written)
    freed = np.cumsum(schedule.frees)
    needed = np.maximum.accumulate(freed - schedule.frees + schedule.needs)
    frames, beats = np.divmod(written, freed[-1])
    return frames * len(freed) + np.searchsorted(needed, beats, side="right")


def _moved(moves: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return the beats that a port has moved after so many steps.

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
