"""``xnorflow lower``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dataflow import Network
from dataflow.errors import InputError
from dataflow.writing import check_writable
from xnorflow.commands._options import Json
from xnorflow.ends import has_plain_output, listed_outputs, outputs_line

__all__ = ["lower", "summary"]


def summary(network: Network) -> dict[str, Any]:
    """Return what there is to say of a lowered network: nodes and outputs with shapes, bits of weights, products."""
    nodes = [
        {
            "name": node.name,
            "kind": node.kind,
            "shape_in": list(node.input_streams[0].shape),
            "shape_out": list(node.output_streams[0].shape),
        }
        for node in network.nodes
    ]
    outputs = listed_outputs(network)
    return {"nodes": nodes, "outputs": outputs, "weights_bits": network.weight_bits, "macs": network.macs}


def lower(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A QONNX file, or a name of the zoo.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="NET.xnf", help="Where the description goes.")
    ] = None,
    input_kind: Annotated[
        str,
        typer.Option(
            "--input",
            help="What a frame holds: uint8/255, pixels that the model takes divided by 255; uint8, pixels that it "
            "takes as they are; quant, codes of the model's own quantizer; auto, what fits.",
        ),
    ] = "auto",
    outputs: Annotated[
        str,
        typer.Option(
            help="What the network emits: class, at each position if there are several; positions, of each channel's "
            "highest score; scores; both; or bits (score >= 0, or the model's own quantizer). auto: bits for a single "
            "score or a model that ends in bits, what its ArgMax gives, scores of several positions, else the class. "
            "Of several outputs each: NAME=KIND,NAME=KIND."
        ),
    ] = "auto",
    weight_tolerance: Annotated[
        float,
        typer.Option(help="Largest relative difference between the sizes of a neuron's weights to be taken for noise."),
    ] = 0.0,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether the model can be lowered, and all that prevents it.")
    ] = False,
    json: Json = False,
) -> None:
    """Lower a QONNX model to the XNOR-popcount dataflow description, exactly."""
    from dataflow import save_network
    from xnorflow.console import print_json, print_table, say, table_of
    from xnorflow.networks import lowered_network

    if (output is None) != check:
        raise InputError(
            "Command lower must have either -o NET.xnf or --check, not " + ("both" if check else "neither")
        )
    if output is not None:
        check_writable(output, "Network", ".xnf")
    network = lowered_network(model, input_kind=input_kind, outputs=outputs, weight_tolerance=weight_tolerance)
    if output is not None:
        save_network(network, output)
    result = summary(network)
    title = f"{network.name} can be lowered" if output is None else f"{network.name} in {output}"
    rows = [(n["name"], n["kind"], _shape(n["shape_in"]), _shape(n["shape_out"])) for n in result["nodes"]]
    print_table(table_of(title, ("node", "kind", "shape in", "shape out"), rows))
    say(f"{result['weights_bits']:,} bits of weights, {result['macs']:,} products per frame")
    if not has_plain_output(network):
        say(outputs_line(network))
    if json:
        print_json(result)


def _shape(sizes: list[int]) -> str:
    return "x".join(map(str, sizes))
