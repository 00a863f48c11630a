"""Running a network for any number of frames: stepping until the periodic state, then arithmetic."""

from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from dataflow import InputError, Network
from hwsim.cycle.deadlock import explain
from hwsim.cycle.kernel import advance
from hwsim.cycle.program import Program, State, flatten, highest, initial_state, merged_reads
from hwsim.cycle.run import FifoUse, NodeActivity, Periodic, Run
from hwsim.stalls import Stalls

__all__ = ["simulate"]

#: Frames stepped beyond those asked for, in search of the periodic state.
search_frames = 64


def simulate(network: Network, frames: int, *, stalls: Stalls | None = None, record: bool = False) -> Run:
    """Return in which cycles everything happens when `frames` frames pass through a network.

    All figures are exact, by the timing contract. Frames are stepped until the state at the end of a frame is one
    that was there before; from then on everything repeats, so the rest of the run follows without stepping.

    Parameters
    ----------
    stalls : gates at the two ends; none by default
    record : whether to return the cycle of every write and read of every FIFO

    Raises
    ------
    InputError
        The number of frames is not positive, the stalls belong to another network, or nothing can move any more:
        then the sentence tells which node waits for what.
    """
    if isinstance(frames, bool) or not isinstance(frames, int | np.integer):
        raise TypeError(f"Number of frames must be an integer, not {frames!r}")
    if frames < 1:
        raise InputError(f"Number of frames must be at least 1, not {frames!r}")
    stalls = stalls or Stalls.none()
    stalls.check(network)
    stepper = _Stepper(network, stalls, int(frames) if record else 1)
    while len(stepper.marks) <= frames and stepper.periodic is None:
        stepper.step()
    stepper.finish_levels(len(stepper.marks) > frames)
    return _run_of(stepper, int(frames), record)


@dataclass(frozen=True, eq=False)
class _Mark:
    """The sums at the end of a frame."""

    end: int
    still: int
    blocked: np.ndarray
    residence: np.ndarray

    def moved(self, earlier: "_Mark", later: "_Mark", times: int) -> "_Mark":
        """Return the mark that stands `times` times the way from `earlier` to `later` behind this one."""
        return _Mark(
            self.end + times * (later.end - earlier.end),
            self.still + times * (later.end - earlier.end),
            self.blocked + times * (later.blocked - earlier.blocked),
            self.residence + times * (later.residence - earlier.residence),
        )


@dataclass(eq=False)
class _Stepper:
    """A network being simulated, frame by frame."""

    network: Network
    stalls: Stalls
    recorded_frames: int
    marks: list[_Mark] = field(default_factory=list)
    periodic: Periodic | None = None

    def __post_init__(self) -> None:
        self.program: Program = flatten(self.network, self.stalls)
        self.state: State = initial_state(self.program)
        sizes = self.program.frame_beats * self.recorded_frames
        self.record_start = np.concatenate([[0], np.cumsum(sizes)])
        self.writes = np.zeros(self.record_start[-1], np.int64)
        self.reads = np.zeros(self.record_start[-1], np.int64)
        self.levels: np.ndarray | None = None
        self._seen: dict[bytes, int] = {}
        self.marks.append(self._mark())

    def step(self) -> None:
        """Step one more frame through and see whether the state is one that was there before."""
        frame = len(self.marks)
        if not advance(self.program, self.state, frame, self.record_start, self.writes, self.reads):
            raise InputError(explain(self.network, self.program, self.state))
        self.marks.append(self._mark())
        before = self._seen.setdefault(self._fingerprint(), frame)
        if before != frame:
            self.periodic = Periodic(before, frame - before, self.marks[frame].end - self.marks[before].end)

    def finish_levels(self, complete: bool) -> None:
        """Keep how full the FIFOs were; if no frame follows, the last reads count as well."""
        levels = self.state.levels
        left = self.state.written[:, None] - levels[:, :, merged_reads]
        some = complete & (levels[:, :, merged_reads] < self.state.read[:, None])
        self.levels = np.where(some, np.maximum(levels[:, :, highest], left), levels[:, :, highest])

    def copy(self) -> "_Stepper":
        """Return an independent stepper in the same state, which keeps no records."""
        other = _Stepper(self.network, self.stalls, 0)
        other.state = State(*(array.copy() for array in self.state))
        other.marks = list(self.marks)
        other._seen = dict(self._seen)
        return other

    def _mark(self) -> _Mark:
        last = self.state.last
        sinks = last[len(last) - len(self.network.outputs) :]
        end = int(sinks.max()) + 1 if self.marks else 0
        still = max(end, int((last + self.program.tail).max()) + 1) if self.marks else 0
        return _Mark(end, still, self.state.blocked.copy(), self.state.residence.copy())

    def _fingerprint(self) -> bytes:
        """Return a digest of all that the future depends on, in cycles relative to the end of the frame.

        The FIFOs are empty here. A read no later than the writer's last emission constrains nothing any more.
        """
        program, state, end = self.program, self.state, self.marks[-1].end
        digest = blake2b(digest_size=16)
        digest.update((state.last - end).tobytes())
        digest.update((end % program.gate_length).tobytes())
        for fifo, (start, stop) in enumerate(zip(program.ring_start[:-1], program.ring_start[1:], strict=True)):
            slot = state.write_slot[fifo]
            times = np.concatenate([state.read_times[slot:stop], state.read_times[start:slot]])
            newest = state.write_times[slot - 1 if slot > start else stop - 1] - program.latency[fifo]
            digest.update((np.maximum(times, newest) - end).tobytes())
        return digest.digest()


def _run_of(stepper: _Stepper, frames: int, record: bool) -> Run:
    network, program = stepper.network, stepper.program
    mark = _mark_at(stepper, frames)
    writes, reads = _records(stepper, stepper.writes), _records(stepper, stepper.reads)
    start = min(writes[network.fifos_out_of(terminal.name)[0].name][0] for terminal in network.inputs)
    outs = [(reads[network.fifos_into(t.name)[0].name], t.stream.beats) for t in network.outputs]
    periodic, interval, deviation = _interval(stepper, frames)
    first = len(network.inputs)
    assert stepper.levels is not None
    return Run(
        frames=frames,
        first_beat_latency=int(max(times[0] for times, _ in outs) - start),
        first_frame_latency=int(max(times[beats - 1] for times, beats in outs) - start),
        interval=interval,
        interval_deviation=deviation,
        total=mark.end,
        cycles=mark.still,
        nodes=tuple(
            _activity(node.name, frames * int(program.steps[actor]), int(mark.blocked[actor]), mark.still)
            for actor, node in enumerate(network.nodes, first)
        ),
        fifos=tuple(
            FifoUse(fifo.name, fifo.depth, int(stored), int(taken), int(residence) / mark.still)
            for fifo, (stored, taken), residence in zip(network.fifos, stepper.levels, mark.residence, strict=True)
        ),
        periodic=periodic,
        simulated_frames=len(stepper.marks) - 1,
        writes=writes if record else {},
        reads=reads if record else {},
    )


def _activity(name: str, busy: int, blocked: int, cycles: int) -> NodeActivity:
    return NodeActivity(name, busy, cycles - busy - blocked, blocked)


def _mark_at(stepper: _Stepper, frame: int) -> _Mark:
    marks, periodic = stepper.marks, stepper.periodic
    if frame < len(marks):
        return marks[frame]
    assert periodic is not None
    times, rest = divmod(frame - periodic.start, periodic.frames)
    return marks[periodic.start + rest].moved(marks[periodic.start], marks[periodic.start + periodic.frames], times)


def _records(stepper: _Stepper, recorded: np.ndarray) -> dict[str, np.ndarray]:
    """Return the records by FIFO, with the frames that were not stepped filled in."""
    stepped, periodic = len(stepper.marks) - 1, stepper.periodic
    records = {}
    for index, fifo in enumerate(stepper.network.fifos):
        times = recorded[stepper.record_start[index] : stepper.record_start[index + 1]]
        rows = times.reshape(stepper.recorded_frames, -1)
        for frame in range(stepped, stepper.recorded_frames):
            assert periodic is not None
            rows[frame] = rows[frame - periodic.frames] + periodic.cycles
        records[fifo.name] = times
    return records


def _interval(stepper: _Stepper, frames: int) -> tuple[Periodic | None, int | float, float]:
    """Return the periodic state, the cycles between frames, and their deviation.

    The search for the periodic state goes on behind the frames asked for, without touching their figures.
    """
    search = stepper.copy()
    while search.periodic is None and len(search.marks) <= frames + search_frames:
        search.step()
    periodic = stepper.periodic or search.periodic
    ends = np.array([mark.end for mark in search.marks[1:]])
    if periodic is None:
        gaps = np.diff(ends)
        return None, float(gaps.mean()), float(gaps.std())
    gaps = np.diff(ends[periodic.start - 1 : periodic.start + periodic.frames])
    whole, rest = divmod(periodic.cycles, periodic.frames)
    return periodic, periodic.cycles / periodic.frames if rest else whole, float(gaps.std())
