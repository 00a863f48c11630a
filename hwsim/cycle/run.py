"""The results of a simulation."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from dataflow import Network
from hwsim.stalls import Stalls

__all__ = ["FifoUse", "NodeActivity", "Periodic", "Run"]


@dataclass(frozen=True)
class NodeActivity:
    """How a node spends the cycles 0 to ``Run.cycles - 1``; the three counts add up to ``Run.cycles``.

    A `Buffered` node does two things at once. These are the cycles of its `drain`, for which a beat is missing as
    long as the buffer does not hold everything that the step needs.

    Parameters
    ----------
    name : the node
    busy : cycles in which it issues a step
    starved : cycles in which a beat that the next step consumes is missing, also after the last frame
    blocked : cycles in which all beats are present, but a place downstream is missing
    """

    name: str
    busy: int
    starved: int
    blocked: int


@dataclass(frozen=True)
class FifoUse:
    """The occupancy of a FIFO.

    Parameters
    ----------
    name : the FIFO, ``FROM -> TO``
    depth : its places
    max_occupancy : most beats stored at the start of a cycle
    max_taken : most places taken at the start of a cycle, by stored beats and by beats in flight
    mean_occupancy : beats stored, averaged over ``Run.cycles``
    """

    name: str
    depth: int
    max_occupancy: int
    max_taken: int
    mean_occupancy: float


@dataclass(frozen=True)
class Periodic:
    """The periodic state: from frame `start` on, everything repeats every `frames` frames, `cycles` cycles later."""

    start: int
    frames: int
    cycles: int


@dataclass(frozen=True, eq=False)
class Run:
    """The cycles of a run of a network.

    Cycle 0 is the first in which a source may offer a beat. A beat is *written* in the cycle at whose end it enters a
    FIFO and *read* in the cycle at whose end it leaves. At an input the write is the transfer from outside, at an
    output the read is the transfer to outside.

    Parameters
    ----------
    frames : frames that pass
    first_beat_latency : cycles from the first write at an input to the read of the first frame's first beat at the
        outputs, for the last of them if there are several
    first_frame_latency : the same for the first frame's last beat
    interval : cycles between frames in steady state: an int if it is whole and known exactly, a float if it is not
        whole, or the mean over the frames stepped if `periodic` is None
    interval_deviation : standard deviation of the cycles between frames in steady state; 0.0 if they are all equal
    total : cycles from cycle 0 up to and including the last read at an output
    cycles : cycles until nothing moves: `total`, or more if a node still issues steps that emit nothing
    nodes : activity, in the network's order
    fifos : occupancy, in the network's order
    periodic : the periodic state, or None if none was reached
    simulated_frames : frames stepped; the others follow from the periodic state, or from even drift before it
    network, stalls : what ran
    writes, reads : the cycle of each beat's write and read, int64, by FIFO name; empty unless recorded
    """

    frames: int
    first_beat_latency: int
    first_frame_latency: int
    interval: int | float
    interval_deviation: float
    total: int
    cycles: int
    nodes: tuple[NodeActivity, ...] = field(repr=False)
    fifos: tuple[FifoUse, ...] = field(repr=False)
    periodic: Periodic | None
    simulated_frames: int
    network: Network = field(repr=False)
    stalls: Stalls = field(repr=False)
    writes: Mapping[str, np.ndarray] = field(repr=False)
    reads: Mapping[str, np.ndarray] = field(repr=False)
