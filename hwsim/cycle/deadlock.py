"""Why nothing can move any more."""

from dataflow import Network
from hwsim.cycle import kernel as c

__all__ = ["explain"]


def explain(network: Network, program: c.Program, state: c.State) -> str:
    """Return the sentence that tells which node waits for what, in a state in which none can go on."""
    counts = state.filled[:, c.WRITTEN] - state.filled[:, c.READ]
    unread = {fifo.name: int(count) for fifo, count in zip(network.fifos, counts, strict=True)}
    waits = []
    for actor, node in enumerate(network.nodes, len(network.inputs)):
        row, event = program.actors[actor], state.doing[actor, c.EVENT]
        into, behind = network.fifos_into(node.name), network.fifos_out_of(node.name)
        first = row[c.FIRST_MOVE] + (event - row[c.FIRST_EVENT]) * len(into + behind)
        moves = program.moves[first : first + len(into + behind)]
        empty = [f"{f.name!r}" for f, moved in zip(into, moves, strict=False) if moved and unread[f.name] == 0]
        full = [
            f"{f.name!r} (full with {f.depth})"
            for f, moved in zip(behind, moves[len(into) :], strict=True)
            if moved and unread[f.name] == f.depth
        ]
        if empty:
            waits.append(f"{node.name!r} waits for a beat in {' and '.join(empty)}")
        elif full:
            waits.append(f"{node.name!r} waits for a place in {' and '.join(full)}")
    return f"Network {network.name!r} must be able to move, not stand still for ever: {'; '.join(waits)}"
