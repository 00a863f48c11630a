"""``xnorflow run``."""

from typing import Annotated

import numpy as np
import typer

from xnorflow.commands._options import Data, DataSet, FrameCount, InputArray, Json

__all__ = ["run"]


def run(
    port: Annotated[str, typer.Option(help="Serial port of the board, such as /dev/ttyUSB1.")],
    net: Annotated[str, typer.Option("--net", metavar="NET", help="The network on the board, as an .xnf file.")],
    dataset: DataSet = None,
    input_array: InputArray = None,
    data: Data = None,
    frames: FrameCount = None,
    baud: Annotated[int, typer.Option(help="Baud rate of the serial link.")] = 1_000_000,
    json: Json = False,
) -> None:
    """Send frames to a board, and compare its answers with the reference."""
    from hwsim import predict
    from xnorflow.console import console, print_json
    from xnorflow.host import Board
    from xnorflow.inputs import frames_of_input
    from xnorflow.networks import open_network

    network = open_network(net)
    chosen = frames_of_input(network, dataset=dataset, array=input_array, data=data, frames=frames)
    with Board(port, baud=baud, network=network) as board:
        answer = board.infer(chosen.values)
    expected = predict(network, chosen.values)
    mismatches = int(np.sum(answer.classes != expected.predictions))
    accuracy = None if chosen.labels is None else float(np.mean(answer.classes == chosen.labels))
    result = {"frames": len(chosen), "accuracy": accuracy, "mismatches": mismatches, "seconds": answer.seconds}
    if json:
        print_json(result)
    console.print(f"{len(chosen)} frames, {mismatches} answers differ from the reference, accuracy {accuracy}")
    raise typer.Exit(1 if mismatches else 0)
