"""Why nothing can move any more, and which depths would free it."""

from functools import partial

import numpy as np

from dataflow import Fifo, InputError, Network
from hwsim.cycle import kernel as c
from hwsim.cycle.trial import Trial, smallest

__all__ = ["DeadlockError", "deadlock_of", "remedy_of"]


class DeadlockError(InputError):
    """Nothing can move any more before the first frame is through.

    Parameters
    ----------
    full : names of the full FIFOs that nodes wait for
    """

    def __init__(self, text: str, *, full: tuple[str, ...]) -> None:
        super().__init__(text)
        self.full = full


def deadlock_of(network: Network, program: c.Program, reached: c.Counts) -> DeadlockError:
    """Return the error that tells which node waits for what, where none can go on before a frame is through."""
    counts = reached.filled[:, c.WRITTEN] - reached.filled[:, c.READ]
    unread = {fifo.name: int(count) for fifo, count in zip(network.fifos, counts, strict=False)}
    waits: list[str] = []
    full: list[str] = []
    for actor, node in zip(program.nodes, network.nodes, strict=True):
        if reached.doing[actor, c.DONE] == program.actors[actor, c.FRAME_EVENTS]:
            continue
        # If a beat is missing in the buffer, then because `fill`, the actor before, waits for one.
        waiting = actor - 1 if _lacks_in_buffer(program, actor, reached.doing[actor, c.EVENT], counts) else actor
        into, behind = _next_moves(network, program, waiting, reached.doing[waiting, c.EVENT])
        missing = [f"{fifo.name!r}" for fifo in into if unread[fifo.name] == 0]
        taken = [fifo for fifo in behind if unread[fifo.name] == fifo.depth]
        if missing:
            waits.append(f"{node.name!r} waits for a beat in {' and '.join(missing)}")
        else:
            places = " and ".join(f"{fifo.name!r} (full with {fifo.depth})" for fifo in taken)
            waits.append(f"{node.name!r} waits for a place in {places}")
            full += [fifo.name for fifo in taken]
    text = f"Network {network.name!r} must be able to move, not stand still for ever: {'; '.join(waits)}"
    return DeadlockError(text, full=tuple(full))


def _lacks_in_buffer(program: c.Program, actor: int, event: int, counts: np.ndarray) -> bool:
    """Return whether the next event of an actor needs beats that its buffer does not hold."""
    row = program.actors[actor]
    if row[c.BUFFER] < 0:
        return False
    needed = program.needs[row[c.FIRST_NEED] + event - row[c.FIRST_EVENT], c.NEEDED]
    return bool(counts[row[c.BUFFER]] < needed)


def _next_moves(network: Network, program: c.Program, actor: int, event: int) -> tuple[list[Fifo], list[Fifo]]:
    """Return the FIFOs that an actor reads and writes in its next event."""
    row = program.actors[actor]
    first, outputs, end = (int(row[column]) for column in (c.FIRST_INPUT, c.FIRST_OUTPUT, c.END_OUTPUT))

    def moving(start: int, stop: int) -> list[Fifo]:
        numbers = [program.ports[port] for port in range(start, stop) if program.moves[event] >> (port - first) & 1]
        return [network.fifos[number] for number in numbers if number < len(network.fifos)]

    return moving(first, outputs), moving(outputs, end)


def remedy_of(network: Network, deadlock: DeadlockError) -> dict[str, int]:
    """Return the smallest depths that free a deadlock, by FIFO name.

    One FIFO alone, if one of those that are full can free it; otherwise several, none of which may be one lower. No
    FIFO ever needs more places than a frame has beats.
    """
    trial = Trial(network)
    present = np.array([fifo.depth for fifo in network.fifos])
    every = np.maximum(present, [network.stream(fifo).beats for fifo in network.fifos])

    def passes_with(depths: np.ndarray, row: int, depth: int) -> bool:
        changed = depths.copy()
        changed[row] = depth
        return trial.passes(changed)

    rows = {fifo.name: row for row, fifo in enumerate(network.fifos)}
    for name in deadlock.full:
        row = rows[name]
        if passes_with(present, row, every[row]):
            return {name: smallest(partial(passes_with, present, row), int(present[row]) + 1, int(every[row]))}
    depths = every.copy()
    # Those that are full come last, and keep what the others do not need.
    for name in sorted(rows, key=lambda name: name in deadlock.full):
        row = rows[name]
        depths[row] = smallest(partial(passes_with, depths, row), int(present[row]), int(every[row]))
    return {name: int(depths[row]) for name, row in rows.items() if depths[row] > present[row]}
