"""Why nothing can move any more, and which depth would free it."""

from collections.abc import Callable

import numpy as np

from dataflow import Fifo, InputError, Network, Node
from hwsim.cycle import kernel as c

__all__ = ["DeadlockError", "deadlock_of", "smallest"]


class DeadlockError(InputError):
    """Nothing can move any more before the frames are through.

    Parameters
    ----------
    frame : number of the frame that does not get through, from 1
    full : names of the full FIFOs that nodes wait for
    """

    def __init__(self, text: str, *, frame: int, full: tuple[str, ...]) -> None:
        super().__init__(text)
        self.frame, self.full = frame, full


def deadlock_of(network: Network, program: c.Program, state: c.State, frame: int) -> DeadlockError:
    """Return the error that tells which node waits for what, in a state in which none can finish a frame."""
    counts = state.filled[:, c.WRITTEN] - state.filled[:, c.READ]
    unread = {fifo.name: int(count) for fifo, count in zip(network.fifos, counts, strict=True)}
    waits: list[str] = []
    full: list[str] = []
    for actor, node in enumerate(network.nodes, len(network.inputs)):
        if state.doing[actor, c.DONE] == frame * program.actors[actor, c.FRAME_EVENTS]:
            continue
        into, behind = _next_moves(network, node, program.actors[actor], state.doing[actor, c.EVENT], program.moves)
        missing = [f"{fifo.name!r}" for fifo in into if unread[fifo.name] == 0]
        taken = [fifo for fifo in behind if unread[fifo.name] == fifo.depth]
        if missing:
            waits.append(f"{node.name!r} waits for a beat in {' and '.join(missing)}")
        else:
            places = " and ".join(f"{fifo.name!r} (full with {fifo.depth})" for fifo in taken)
            waits.append(f"{node.name!r} waits for a place in {places}")
            full += [fifo.name for fifo in taken]
    text = f"Network {network.name!r} must be able to move, not stand still for ever: {'; '.join(waits)}"
    return DeadlockError(text, frame=frame, full=tuple(full))


def _next_moves(
    network: Network, node: Node, row: np.ndarray, event: int, moves: np.ndarray
) -> tuple[list[Fifo], list[Fifo]]:
    """Return the FIFOs that a node reads and writes in its next event."""
    fifos = (*network.fifos_into(node.name), *network.fifos_out_of(node.name))
    first = row[c.FIRST_MOVE] + (event - row[c.FIRST_EVENT]) * len(fifos)
    flags = moves[first : first + len(fifos)]
    inputs = len(node.input_streams)
    chosen = [(index < inputs, fifo) for index, (fifo, flag) in enumerate(zip(fifos, flags, strict=True)) if flag]
    return [fifo for is_input, fifo in chosen if is_input], [fifo for is_input, fifo in chosen if not is_input]


def smallest(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return the least of `low` to `high` for which a condition holds that holds for all above it, and for `high`."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return high
