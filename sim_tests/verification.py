"""Proves that the hardware equals reference and cycle simulator: every beat's value, and every beat's cycle."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import hwsim.packed
import hwsim.reference
from dataflow import Buffered, InputError, Network, Schedule
from dataflow.families import family_of
from hwsim import Stalls, simulate
from hwsim.frames import frames_for
from sim_tests.comparison import Expectation, Mismatch, compare, word_rows
from sim_tests.recording import FifoSetup, InputSetup, OutputSetup, Recording, Setup

__all__ = [
    "SIMULATORS",
    "Verification",
    "expectation_of",
    "record_rtl",
    "setup_of",
    "verify_recording",
    "verify_rtl",
    "verify_rtl_runs",
]

#: The simulators that can run the RTL.
SIMULATORS = ("amaranth", "icarus", "verilator")

#: Largest number of evaluated synapses for which the slow reference is the default oracle.
REFERENCE_LIMIT = 20_000_000

_OPEN = np.ones(1, bool)


@dataclass(frozen=True)
class Verification:
    """The result of a comparison of the RTL with the reference and the cycle simulator.

    Parameters
    ----------
    level : the level that was compared, "rtl"
    simulator : the simulator of the RTL
    oracle : the source of the expected values, "reference" or "packed"
    frames, streams : numbers of frames and of streams (FIFOs)
    beats_compared : beats of all streams whose values were compared, once at the write and once at the read
    cycles_compared : cycle numbers compared: of every beat at the write and at the read, and at the two ends
    value_mismatches : transfers with another value, missing or additional beats, and wrong signals of frames
    cycle_mismatches : transfers in another cycle, and missing or additional beats
    cycles : simulated clock cycles
    first : the earliest mismatches of the run; each prints as a sentence
    stood : the state in which the run stopped without progress; empty if it finished
    """

    level: str
    simulator: str
    oracle: str
    frames: int
    streams: int
    beats_compared: int
    cycles_compared: int
    value_mismatches: int
    cycle_mismatches: int
    cycles: int
    first: tuple[Mismatch, ...] = ()
    stood: str = ""

    @property
    def passed(self) -> bool:
        """Whether something was compared, and everything was equal."""
        compared = self.frames > 0 and self.beats_compared > 0 and self.cycles_compared > 0
        return compared and not self.value_mismatches and not self.cycle_mismatches and not self.stood

    def to_json(self) -> dict[str, object]:
        """Return the result as JSON values."""
        plain = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "first"}
        return {**plain, "passed": self.passed, "first": [str(mismatch) for mismatch in self.first]}

    def __str__(self) -> str:
        verdict = "equal" if self.passed else "NOT equal" if self.beats_compared else "nothing compared"
        lines = [
            f"{self.level} in {self.simulator}: {verdict}; {self.frames} frames in {self.cycles} cycles, "
            f"{self.beats_compared} beats of {self.streams} streams and {self.cycles_compared} cycle numbers compared, "
            f"{self.value_mismatches} value mismatches, {self.cycle_mismatches} cycle mismatches"
        ]
        return "\n".join([*lines, *([self.stood] if self.stood else []), *map(str, self.first)])


def verify_rtl(
    network: Network,
    frames: np.ndarray,
    *,
    simulator: str = "verilator",
    stalls: Stalls | None = None,
    build_dir: str | os.PathLike[str] | None = None,
    oracle: str | None = None,
    family: str | None = None,
    cells: Sequence[Path] = (),
    progress: Callable[[str], None] | None = None,
    advance: Callable[[float], None] = lambda share: None,
) -> Verification:
    """Run a network's RTL on frames and compare every beat's value and cycle number on every stream.

    Parameters
    ----------
    frames : (frames, *frame_shape) integers
    simulator : "verilator", "icarus" or "amaranth"
    stalls : gates at the two ends; the default is none
    build_dir : folder for all output files. It is kept, so that another run need not compile again; the default is a
        temporary folder
    oracle : source of the expected values, "reference" or "packed"; the default is the reference unless it takes long
    family : device family that the hardware is for; the default is any
    cells : Verilog of the family's cells, for a simulator of Verilog; the default is that models replace them
    progress : called with a sentence at each step
    advance : called with the share of the simulation that is done, 0 to 1, from time to time

    Raises
    ------
    InputError
        The frames do not fit the network, or the simulator cannot run here.
    SimulationError
        The simulator did not finish.
    """
    return verify_rtl_runs(
        network,
        frames,
        [stalls or Stalls()],
        simulator=simulator,
        build_dir=build_dir,
        oracle=oracle,
        family=family,
        cells=cells,
        progress=progress,
        advance=advance,
    )[0]


def verify_rtl_runs(
    network: Network,
    frames: np.ndarray,
    stalls: Sequence[Stalls],
    *,
    simulator: str = "verilator",
    build_dir: str | os.PathLike[str] | None = None,
    oracle: str | None = None,
    family: str | None = None,
    cells: Sequence[Path] = (),
    progress: Callable[[str], None] | None = None,
    advance: Callable[[float], None] = lambda share: None,
) -> list[Verification]:
    """Verify like `verify_rtl`, once for each of several stalls; the design is compiled once and reset before each."""
    report = progress or (lambda sentence: None)
    if simulator not in SIMULATORS:
        raise InputError(f"Simulator must be one of {', '.join(SIMULATORS)}, not {simulator!r}")
    frames = frames_for(network, frames)
    for each in stalls:
        each.check(network)
    if family is not None:
        family_of(family)
    if simulator != "amaranth":
        from sim_tests.simulators import require

        require(simulator)
    oracle = oracle or _oracle_for(network, len(frames))
    report(f"Expected values of {len(frames)} frames from the {oracle} oracle, cycles from the cycle simulator")
    values = _values_of(network, frames, oracle)
    setups = [setup_of(network, frames, each) for each in stalls]
    expectations = [_expectation(network, len(frames), each, values) for each in stalls]
    expected = sum(max(int(cycles.max()) for cycles in each.reads.values()) for each in expectations)
    with TemporaryDirectory(prefix="xnorflow-") as scratch:
        recordings = record_rtl(
            network,
            setups,
            simulator=simulator,
            build_dir=Path(build_dir or scratch),
            family=family,
            cells=cells,
            progress=report,
            watch=lambda cycles: advance(min(1.0, cycles / max(1, expected))),
        )
    return [
        verify_recording(network, expectation, recording, simulator=simulator, oracle=oracle, frames=len(frames))
        for expectation, recording in zip(expectations, recordings, strict=True)
    ]


def verify_recording(
    network: Network, expectation: Expectation, recording: Recording, *, simulator: str, oracle: str, frames: int
) -> Verification:
    """Return the comparison of a recorded run with the expected results."""
    comparison = compare(network, expectation, recording)
    return Verification(
        level="rtl",
        simulator=simulator,
        oracle=oracle,
        frames=frames,
        streams=len(network.fifos),
        beats_compared=comparison.beats,
        cycles_compared=comparison.cycles,
        value_mismatches=comparison.value_mismatches + bool(len(recording.frame_errors)),
        cycle_mismatches=comparison.cycle_mismatches,
        cycles=recording.cycles,
        first=comparison.first,
        stood=recording.stood,
    )


def expectation_of(network: Network, frames: np.ndarray, stalls: Stalls, *, oracle: str = "reference") -> Expectation:
    """Return the values of the oracle and the cycles of the cycle simulator."""
    return _expectation(network, len(frames), stalls, _values_of(network, frames, oracle))


def _expectation(network: Network, frames: int, stalls: Stalls, values: dict[str, np.ndarray]) -> Expectation:
    run = simulate(network, frames=frames, stalls=stalls, record=True)
    return Expectation(values, run.writes, run.reads)


def _values_of(network: Network, frames: np.ndarray, oracle: str) -> dict[str, np.ndarray]:
    oracles = {"reference": hwsim.reference.evaluate, "packed": hwsim.packed.evaluate}
    if oracle not in oracles:
        raise InputError(f"Oracle must be one of {', '.join(oracles)}, not {oracle!r}")
    return oracles[oracle](network, frames)


def record_rtl(
    network: Network,
    setups: Sequence[Setup],
    *,
    simulator: str,
    build_dir: Path,
    family: str | None = None,
    cells: Sequence[Path] = (),
    progress: Callable[[str], None] | None = None,
    watch: Callable[[int], None] = lambda cycles: None,
) -> list[Recording]:
    """Run a network's RTL once for each setup and return the recordings.

    Parameters
    ----------
    family, cells : see `verify_rtl`
    watch : called with the number of cycles that are simulated so far, from time to time
    """
    if simulator == "amaranth":
        from sim_tests.amaranth_simulator import record

        return record(network, setups, progress=progress, watch=watch, family=family)
    from sim_tests.verilog_simulator import record as record_verilog

    return record_verilog(
        network,
        setups,
        simulator=simulator,
        build_dir=build_dir,
        progress=progress,
        watch=watch,
        family=family,
        cells=cells,
    )


def setup_of(network: Network, frames: np.ndarray, stalls: Stalls) -> Setup:
    """Return the setup of the testbench for frames of the network's first input."""
    count = len(frames)
    inputs = tuple(
        InputSetup(word_rows(frames, terminal.stream), terminal.stream.beats, stalls.inputs.get(terminal.name, _OPEN))
        for terminal in network.inputs
    )
    outputs = tuple(
        OutputSetup(terminal.stream.width, count * terminal.stream.beats, stalls.outputs.get(terminal.name, _OPEN))
        for terminal in network.outputs
    )
    fifos = tuple(
        FifoSetup(fifo.name, network.stream(fifo).width, count * network.stream(fifo).beats) for fifo in network.fifos
    )
    schedules = [node.schedule() for node in network.nodes]
    # The longest time without a beat in a working design: closed gates, a node between two beats, pipelines.
    closed = sum(_longest_closure(gate) for gate in [*(end.gate for end in inputs), *(end.gate for end in outputs)])
    silent = max((_longest_silence(schedule) for schedule in schedules), default=0)
    margin = silent + sum(schedule.latency for schedule in schedules) + 16
    return Setup(fifos, inputs, outputs, patience=closed + margin + 64, margin=closed + margin)


def _longest_silence(schedule: Schedule | Buffered) -> int:
    """Return the longest sequence of steps in which a node neither consumes nor emits a beat."""
    steps = schedule.drain if isinstance(schedule, Buffered) else schedule
    return _longest_closure(np.logical_or(steps.consumes.any(0), steps.emits.any(0)))


def _longest_closure(gate: np.ndarray) -> int:
    """Return the longest sequence of cycles in which a cyclic gate is closed."""
    opened = np.flatnonzero(gate)
    return int(np.diff(opened, append=opened[0] + len(gate)).max()) - 1


def _oracle_for(network: Network, frames: int) -> str:
    synapses = sum(node.macs for node in network.nodes)
    return "reference" if frames * synapses <= REFERENCE_LIMIT else "packed"
