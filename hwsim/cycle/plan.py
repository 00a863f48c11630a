"""How the times of a frame follow from those of the frame before, laid out as `hwsim.cycle.times.Plan`."""

import numpy as np

from hwsim.cycle import kernel as c
from hwsim.cycle.kernel import Counts, Program, arrange
from hwsim.cycle.times import NEVER, Plan, State

__all__ = ["Standstill", "initial_state", "plan_of"]


class Standstill(Exception):
    """Nothing can move any more before a frame is through.

    Parameters
    ----------
    counts : how far it got
    """

    def __init__(self, counts: Counts) -> None:
        super().__init__("A frame must get through, not stand still for ever")
        self.counts = counts


def plan_of(program: Program) -> Plan:
    """Return the plan of a program.

    Raises
    ------
    Standstill
        No order of computing gets a frame through.
    """
    plan, counts = _empty_plan(program), _counts(program)
    if not arrange(program, plan, counts):
        raise Standstill(counts)
    return plan


def initial_state(program: Program, plan: Plan) -> State:
    """Return the state before cycle 0: nothing has moved."""
    own = len(program.fifos) - int((program.actors[:, c.BUFFER] >= 0).sum())
    # The places of the first `depth` beats have been there since before cycle 0.
    times = np.full(int(plan.first_kepts[-1] + plan.depths[-1]), -1, np.int64)
    times[0] = NEVER
    # So that the first event is due in the cycle of its step.
    times[plan.befores] = program.actors[:, c.HEAD] - program.gaps[program.actors[:, c.FIRST_EVENT]]
    return State(
        times=times,
        blocked=np.zeros(len(program.actors), np.int64),
        residence=np.zeros(own, np.int64),
        highest=np.zeros((own, 2), np.int64),
        scratch=np.zeros((2, int((plan.depths + plan.beats).max())), np.int64),
    )


def _empty_plan(program: Program) -> Plan:
    """Return a plan without parts, and of writes and reads only those of the frame before."""
    actors, fifos = program.actors, program.fifos
    depths, beats = fifos[:, c.DEPTH].copy(), fifos[:, c.FRAME_BEATS].copy()
    parts = int(actors[:, c.FRAME_PARTS].sum())
    slots, owners, gaps, sources, delays, places = np.empty((6, parts), np.int32)
    befores = actors[:, c.BEFORE_SLOT].copy()
    first_kepts = 1 + len(actors) + parts + np.cumsum(depths) - depths
    writes = np.empty(int((1 + beats).sum()), np.int32)
    writes[fifos[:, c.FIRST_WRITE]] = befores[fifos[:, c.WRITER]]
    reads = np.arange(int((depths + beats).sum()), dtype=np.int32)
    reads += np.repeat((first_kepts - fifos[:, c.FIRST_READ]).astype(np.int32), depths + beats)
    return Plan(
        slots=slots,
        owners=owners,
        gaps=gaps,
        sources=sources,
        delays=delays,
        places=places,
        befores=befores,
        latests=befores + actors[:, c.FRAME_PARTS],
        depths=depths,
        latencies=fifos[:, c.LATENCY].copy(),
        beats=beats,
        first_writes=fifos[:, c.FIRST_WRITE].copy(),
        first_reads=fifos[:, c.FIRST_READ].copy(),
        first_kepts=first_kepts,
        writes=writes,
        reads=reads,
        gates_before=actors[:, c.GATE_BEFORE].copy(),
        gates_after=actors[:, c.GATE_AFTER].copy(),
        gate_starts=program.gates[:, c.FIRST_WAIT].copy(),
        gate_cycles=program.gates[:, c.GATE_CYCLES].copy(),
        waits=program.waits,
    )


def _counts(program: Program) -> Counts:
    """Return the counts before a frame."""
    doing = np.zeros((len(program.actors), 3), np.int64)
    doing[:, c.EVENT] = program.actors[:, c.FIRST_EVENT]
    doing[:, c.SLOT] = program.actors[:, c.BEFORE_SLOT] + 1
    return Counts(doing, np.zeros((len(program.fifos), 2), np.int64), np.ones(len(program.actors), bool))
