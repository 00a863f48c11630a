"""Draw the waveforms of docs/integration.md: ``python docs/waves.py`` writes ``docs/waves/*.svg``.

Every cycle in them is one of the cycle simulator, and for `frame_error` one of Amaranth's simulator. They are those of
a small network: 8 pixels in beats of 2, 3 hidden neurons, and the scores of 4 classes in beats of 2.

`waves` returns a waveform as the JSON of WaveDrom, which its editor shows too. `svg` draws the part of that language
that is used here; the drawings of WaveDrom's package on PyPI have fifteen times the size.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from amaranth import ResetInserter, Signal
from amaranth.sim import Simulator

from dataflow import Network, Terminal, fold
from hwsim import Stalls, simulate, unroll
from rtl.axi import AxiTop
from sim_tests.cases import dense_network
from xnorflow.folding import with_smallest_fifos

__all__ = ["FOLDER", "drawings", "svg", "waves"]

FOLDER = Path(__file__).parent / "waves"

#: Colours of the frames' beats, by WaveDrom's digits.
_COLOURS = {"3": "#f0e442", "4": "#7fc4ee", "5": "#f2b45c"}

#: Sizes in pixels: a cycle, a signal's row and its height, the names on the left, the title above.
_CYCLE, _ROW, _HEIGHT, _LEFT, _TOP = 18, 28, 18, 120, 48

_STYLE = """text { font: 12px sans-serif; fill: #1f2328 } .grid { stroke: #8a96a3; stroke-opacity: .3 }
.line { fill: none; stroke: #1f2328; stroke-width: 1.3 } .beat { stroke: #1f2328 }
.none { fill: #8a96a3; fill-opacity: .25 }
@media (prefers-color-scheme: dark) { text:not(.in) { fill: #e6edf3 } .line { stroke: #e6edf3 } }"""


def example() -> Network:
    """Return the network of the pictures."""
    folding = {"binarize": {"pe": 2}, "fc0": {"pe": 3, "simd": 1}, "fc1": {"pe": 2, "simd": 3}}
    return with_smallest_fifos(fold(dense_network((8, 3, 4), outputs="scores"), folding))


def drawings() -> dict[str, dict[str, Any]]:
    """Return the waveforms by the name of their picture."""
    network = example()
    run = simulate(network, 3)
    (source,), (sink,) = network.inputs, network.outputs
    text = f"full speed: latency {run.first_frame_latency} cycles, interval {run.interval} cycles"
    gaps = Stalls(
        {source.name: _gate("1101001110011111")},
        {sink.name: _gate("00100000110000000001")},
    )
    return {
        "full_speed": waves(network, 3, Stalls.none(), text),
        "gaps": waves(network, 3, gaps, "gaps of the sender, and a receiver that is often not ready"),
        "frame_error": frame_error_waves(network, "tlast too early, and the recovery: a reset, and a new frame"),
    }


def _gate(bits: str) -> np.ndarray:
    return np.array([bit == "1" for bit in bits])


def waves(network: Network, frames: int, stalls: Stalls, text: str) -> dict[str, Any]:
    """Return the signals at the ends of a network with one input and one output, as WaveDrom's JSON."""
    timeline = unroll(network, frames, stalls=stalls)
    run = simulate(network, frames, stalls=stalls, record=True)
    (source,), (sink,) = network.inputs, network.outputs
    tracks = {fifo.name: fifo for fifo in timeline.fifos}
    (first,), (last,) = network.fifos_out_of(source.name), network.fifos_into(sink.name)
    cycles = run.total + 1
    stored = {fifo.name: _levels(*tracks[fifo.name].levels, cycles) for fifo in (first, last)}
    moves = tracks[first.name].writes.ravel()
    gate = np.resize(stalls.inputs.get(source.name, np.ones(1, bool)), cycles)
    opened = np.resize(stalls.outputs.get(sink.name, np.ones(1, bool)), cycles)
    taken = tracks[last.name].reads.ravel()
    return {
        "head": {"text": text, "tick": 0},
        "signal": [
            {"name": "clk", "wave": "p" + "." * (cycles - 1)},
            {},
            _side("s_axis_", source, _beats_offered(moves, gate, cycles), stored[first.name] < first.depth),
            {},
            _side("m_axis_", sink, _beats_stored(taken, stored[last.name]), opened),
        ],
    }


def frame_error_waves(network: Network, text: str) -> dict[str, Any]:
    """Return the signals around a wrong end of a frame, from the RTL in Amaranth's simulator.

    The sender ends its first frame a beat too early, stops when it sees the error, and resets the core for two cycles.
    """
    top, reset = AxiTop(network), Signal()
    beats = network.inputs[0].stream.beats
    states: dict[str, list[str | tuple[str, int]]] = {}
    data: list[str] = []

    def show(name: str, state: str | tuple[str, int]) -> None:
        states.setdefault(name, []).append(state)

    async def send(ctx: Any) -> None:
        beat, frame, phase = 0, 0, "first frame"
        for cycle in range(22):
            error = ctx.get(top.frame_error)
            if phase == "first frame" and error:
                phase, until = "stopped", cycle + 2
            elif phase == "stopped" and cycle == until:
                phase, until = "reset", cycle + 2
            elif phase == "reset" and cycle == until:
                phase, beat, frame = "second frame", 0, 1
            offers = phase.endswith("frame") and frame < 2
            last = offers and beat == (beats - 2 if phase == "first frame" else beats - 1)
            ctx.set(reset, phase == "reset")
            ctx.set(top.s_axis_tvalid, offers)
            ctx.set(top.s_axis_tlast, last)
            ready = ctx.get(top.s_axis_tready)
            show("rst", str(int(phase == "reset")))
            show("s_axis_tdata", (list(_COLOURS)[frame], beat) if offers else "x")
            show("s_axis_tvalid", str(int(offers)))
            show("s_axis_tready", str(ready))
            show("s_axis_tlast", str(int(last)) if offers else "x")
            show("frame_error", str(error))
            if offers and (not data or states["s_axis_tdata"][-2:-1] != states["s_axis_tdata"][-1:]):
                data.append(str(beat))
            if offers and ready:
                beat, frame = (0, frame + 1) if beat == beats - 1 else (beat + 1, frame)
            await ctx.tick()

    simulator = Simulator(ResetInserter(reset)(top))
    simulator.add_clock(1e-6)
    simulator.add_testbench(send)
    simulator.run()
    signals = [{"name": name, "wave": _wave(each)} for name, each in states.items()]
    signals[1]["data"] = data
    clock = {"name": "clk", "wave": "p" + "." * (len(states["rst"]) - 1)}
    return {"head": {"text": text, "tick": 0}, "signal": [clock, {}, *signals]}


def _levels(changes: np.ndarray, values: np.ndarray, cycles: int) -> np.ndarray:
    """Return the beats stored at the start of each cycle."""
    return values[np.searchsorted(changes, np.arange(cycles), side="right") - 1]


def _beats_offered(moves: np.ndarray, gate: np.ndarray, cycles: int) -> list[int | None]:
    """Return for each cycle the number of the beat that the sender offers, or None.

    A beat is offered from the first open cycle on after the transfer of the one before it.
    """
    beats: list[int | None] = [None] * cycles
    free = 0
    for beat, move in enumerate(moves.tolist()):
        start = free + int(gate[free:].argmax())
        beats[start : move + 1] = [beat] * (move + 1 - start)
        free = move + 1
    return beats


def _beats_stored(taken: np.ndarray, stored: np.ndarray) -> list[int | None]:
    """Return for each cycle the number of the beat that the core offers, or None."""
    numbers = np.searchsorted(taken, np.arange(len(stored)))
    return [int(number) if level else None for number, level in zip(numbers, stored.tolist(), strict=True)]


def _side(prefix: str, end: Terminal, beats: Sequence[int | None], ready: np.ndarray) -> list[Any]:
    """Return the signals of one end; beats are numbered within their frame, and each frame has a colour."""
    count = end.stream.beats
    shown = [None if beat is None else (list(_COLOURS)[beat // count % len(_COLOURS)], beat) for beat in beats]
    lasts = ["x" if beat is None else str(int(beat % count == count - 1)) for beat in beats]
    data = [str(beat % count) for beat in dict.fromkeys(beats) if beat is not None]
    return [
        "sender" if prefix == "s_axis_" else "receiver",
        {"name": f"{prefix}tdata", "wave": _wave("x" if each is None else each for each in shown), "data": data},
        {"name": f"{prefix}tvalid", "wave": _wave(str(int(beat is not None)) for beat in beats)},
        {"name": f"{prefix}tready", "wave": _wave(str(int(each)) for each in ready)},
        {"name": f"{prefix}tlast", "wave": _wave(lasts)},
    ]


def _wave(states: Iterable[str | tuple[str, int]]) -> str:
    """Return a wave: a sign for each new state, and a dot where it stays."""
    wave, before = "", None
    for state in states:
        wave += "." if state == before else state[0]
        before = state
    return wave


def svg(drawing: dict[str, Any]) -> str:
    """Return the picture of a waveform."""
    signals = list(_signals(drawing["signal"]))
    cycles = len(signals[0][1]["wave"])
    width, height = _LEFT + cycles * _CYCLE + 8, _TOP + (signals[-1][0] + 1) * _ROW
    shapes = [f'<text x="8" y="16">{drawing["head"]["text"]}</text>']
    for cycle in range(cycles + 1):
        x = _LEFT + cycle * _CYCLE
        shapes.append(f'<path class="grid" d="M{x} {_TOP - 8}V{height - 4}"/>')
        if cycle % 5 == 0 and cycle < cycles:
            shapes.append(f'<text x="{x + _CYCLE / 2:g}" y="{_TOP - 12}" text-anchor="middle">{cycle}</text>')
    for row, signal in signals:
        y = _TOP + row * _ROW
        shapes.append(f'<text x="{_LEFT - 8}" y="{y + 13}" text-anchor="end">{signal["name"]}</text>')
        shapes += _shapes(signal["wave"], iter(signal.get("data", ())), y)
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><style>{_STYLE}</style>'
    return "\n".join([head, *shapes, "</svg>", ""])


def _signals(items: Sequence[Any]) -> Iterator[tuple[float, dict[str, Any]]]:
    """Yield the signals with their rows; an empty one is half a row."""
    row = 0.0
    for item in items:
        for signal in item[1:] if isinstance(item, list) else [item]:
            if signal:
                yield row, signal
            row += 1 if signal else 0.4


def _shapes(wave: str, data: Iterator[str], y: float) -> Iterator[str]:
    """Yield the shapes of one signal: a line for its levels, and a box for each beat."""
    line, high = "", {"0": y + _HEIGHT, "1": y}
    for start, stop, state in _spells(wave):
        left, right = _LEFT + start * _CYCLE, _LEFT + stop * _CYCLE
        if state == "p":
            half = _CYCLE / 2
            line += "".join(f"M{x} {y + _HEIGHT}V{y}h{half:g}v{_HEIGHT}h{half:g}" for x in range(left, right, _CYCLE))
        elif state in high:
            line += f"V{high[state]}H{right}" if _joins(line) else f"M{left} {high[state]}H{right}"
        elif state == "x":
            line += " "
            yield f'<path class="none" d="M{left} {y + 4}H{right}v{_HEIGHT - 8}H{left}z"/>'
        else:
            box = f'd="M{left + 1} {y}H{right - 1}v{_HEIGHT}H{left + 1}z" fill="{_COLOURS[state]}"'
            yield f'<path class="beat" {box}/>'
            middle = (left + right) / 2
            yield f'<text class="in" x="{middle:g}" y="{y + 13}" text-anchor="middle">{next(data)}</text>'
    if line.strip():
        yield f'<path class="line" d="{line.strip()}"/>'


def _joins(line: str) -> bool:
    """Return whether a level is drawn directly after another one."""
    return bool(line) and not line.endswith(" ")


def _spells(wave: str) -> Iterator[tuple[int, int, str]]:
    """Yield the cycles from the first to the one after the last in which a state stays, and the state."""
    starts = [cycle for cycle, sign in enumerate(wave) if sign != "."]
    for start, stop in zip(starts, [*starts[1:], len(wave)], strict=True):
        yield start, stop, wave[start]


def main() -> None:
    """Write the pictures."""
    FOLDER.mkdir(exist_ok=True)
    for name, drawing in drawings().items():
        (FOLDER / f"{name}.svg").write_text(svg(drawing), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
