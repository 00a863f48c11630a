"""Why nothing can move any more."""

from dataflow import Network
from hwsim.cycle.program import Program, State

__all__ = ["explain"]


def explain(network: Network, program: Program, state: State) -> str:
    """Return the sentence that tells which node waits for what, in a state in which none can go on."""
    waits = []
    for actor, node in enumerate(network.nodes, len(network.inputs)):
        into, behind = network.fifos_into(node.name), network.fifos_out_of(node.name)
        row = program.move_start[actor] + state.event[actor] * (len(into) + len(behind))
        moves = program.moves[row : row + len(into) + len(behind)]
        counts = {fifo.name: (state.written[i], state.read[i]) for i, fifo in enumerate(network.fifos)}
        empty = [f"'{f.name}'" for f, moved in zip(into, moves, strict=False) if moved and _unread(counts[f.name]) == 0]
        full = [
            f"'{f.name}' (full with {f.depth})"
            for f, moved in zip(behind, moves[len(into) :], strict=True)
            if moved and _unread(counts[f.name]) == f.depth
        ]
        if empty:
            waits.append(f"{node.name!r} waits for a beat from {' and '.join(empty)}")
        elif full:
            waits.append(f"{node.name!r} waits for a place in {' and '.join(full)}")
    return f"Network {network.name!r} must be able to move, not in a deadlock: {'; '.join(waits)}"


def _unread(counts: tuple[int, int]) -> int:
    written, read = counts
    return int(written - read)
