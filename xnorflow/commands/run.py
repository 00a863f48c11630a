"""``xnorflow run``."""

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from dataflow import InputError, Network, board_outputs
from xnorflow.commands._options import BuildFolder, ClockMhz, Data, DataSet, FrameCount, InputArray, Json
from xnorflow.target import choose_target
from xnorflow.timing import Timing, open_build, timing_of

if TYPE_CHECKING:
    from rtl.link.protocol import Info, Part
    from xnorflow.host import Answers

__all__ = ["run"]


def run(
    port: Annotated[str, typer.Option(help="Serial port of the board, such as /dev/ttyUSB1.")],
    net: Annotated[
        str | None, typer.Option("--net", metavar="NET", help="The board's network, to compare the answers with.")
    ] = None,
    dataset: DataSet = None,
    input_array: InputArray = None,
    data: Data = None,
    frames: FrameCount = None,
    baud: Annotated[int, typer.Option(help="Baud rate of the serial link.")] = 1_000_000,
    clock_mhz: ClockMhz = None,
    build: BuildFolder = None,
    json: Json = False,
) -> None:
    """Send frames to a board; with --net, compare its answers with the reference."""
    from xnorflow.console import Phases, note, print_json, say
    from xnorflow.host import BoardConnection
    from xnorflow.inputs import frames_of_input, raw_frames
    from xnorflow.networks import open_network
    from xnorflow.simulation import accuracy_of

    network = None if net is None else open_network(net)
    timing = None if network is None else _timing(network, clock_mhz, build)
    source: dict[str, Any] = {"dataset": dataset, "array": input_array, "data": data, "frames": frames}
    chosen = raw_frames(**source) if network is None else frames_of_input(network, **source)
    if chosen is None:
        raise InputError("Frames must come from --dataset or --input if --net is not given, not be left out")
    for each in chosen.notes:
        note(each)
    with Phases() as phases, BoardConnection(port, baud=baud, network=network) as board:
        phases(f"{len(chosen):,} frames to the board at {port}")
        answers = board.infer(chosen.values, progress=lambda count: phases.advance(count / len(chosen)))
        info = board.info()
    result: dict[str, Any] = {
        "frames": len(chosen),
        "accuracy": accuracy_of(_shaped(answers.predictions, network), chosen.labels),
        "mismatches": None,
        "score_mismatches": None,
        "seconds": answers.seconds,
        "timing": None if timing is None else timing.to_json(),
    }
    if network is not None:
        wrong, wrong_scores = _differing(network, chosen.values, answers, info)
        result |= {"mismatches": int((wrong | wrong_scores).sum()), "score_mismatches": int(wrong_scores.sum())}
    rate = len(chosen) / answers.seconds
    say(f"{len(chosen):,} frames in {answers.seconds:.1f} s over the line ({rate:,.0f} a second)" + _verdict(result))
    if timing is not None:
        say(f"the network alone: {timing}")
    if json:
        print_json(result)
    raise typer.Exit(1 if result["mismatches"] else 0)


def _timing(network: Network, clock_mhz: float | None, build: Path | None) -> Timing:
    """Return the timing of a network as built for a board, with all outputs that it sends."""
    built = None if build is None else open_build(build, network)
    target = choose_target(network, clock_mhz=clock_mhz, build=built)
    return timing_of(board_outputs(network), target.clock)


def _shaped(predictions: np.ndarray, network: Network | None) -> np.ndarray:
    """Return predictions as positions of an image, where the network has several."""
    if network is None or predictions.ndim < 2:
        return predictions
    head = network.every_head[0]
    shapes = [
        end.stream.shape for end in network.outputs if end.name in head.outputs and end.name != head.scores_output
    ]
    if not shapes or prod(shapes[0]) != predictions.shape[1]:
        return predictions
    shape = shapes[0][:-1] if shapes[0][-1] == 1 else shapes[0]
    return predictions.reshape(len(predictions), *shape)


def _differing(network: Network, frames: np.ndarray, answers: "Answers", info: "Info") -> tuple[np.ndarray, np.ndarray]:
    """Return for each frame whether its answers, and whether its scores differ from the reference."""
    from hwsim import packed
    from rtl.link.protocol import Meaning, info_of, sent_outputs

    whole = board_outputs(network)
    expected = info_of(whole).parts
    described = [[(part.head, part.meaning, part.count) for part in parts] for parts in (info.parts, expected)]
    if described[0] != described[1]:
        raise InputError(
            f"Outputs of the board must be those of network {network.name!r} ({_listed(expected)}), "
            f"not {_listed(info.parts)}"
        )
    fifos = [whole.fifos_into(end.name)[0].name for end in sent_outputs(whole)]
    values = packed.evaluate_only(whole, frames, fifos)
    wrong, wrong_scores = (np.zeros(len(frames), bool) for _ in range(2))
    for part, fifo, numbers in zip(info.parts, fifos, answers.outputs, strict=True):
        differs = (numbers != values[fifo].reshape(numbers.shape)).any(axis=1)
        (wrong_scores if part.meaning == Meaning.SCORES else wrong)[differs] = True
    return wrong, wrong_scores


def _listed(parts: "tuple[Part, ...]") -> str:
    return ", ".join(f"{part.count} {part.meaning.name.lower()}" for part in parts)


def _verdict(result: dict[str, Any]) -> str:
    accuracy = "" if result["accuracy"] is None else f", accuracy {result['accuracy']:.2%}"
    if result["mismatches"] is None:
        return accuracy
    scores = f", {result['score_mismatches']} of them in their scores" if result["score_mismatches"] else ""
    return f"{accuracy}, {result['mismatches']} answers differ from the reference{scores}"
