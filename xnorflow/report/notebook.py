"""What notebooks show: pieces of HTML with the drawings and tables of the reports, which stand alone in any page."""

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from dataflow import InputError, Network, network_cost
from hwsim import Run, Timeline, unroll
from xnorflow.report.texts import templates
from xnorflow.report.views import critical_view, fifos_cost, graph_view, pipeline_view, rows_of, sizes_of, use_of
from xnorflow.target import Target, remembered
from xnorflow.timing import Timing, routed_clock

if TYPE_CHECKING:
    from quant.training import TrainingResult
    from rtl.bitstream import BitstreamReport
    from sim_tests.verification import Verification

__all__ = ["bitstream_html", "network_html", "piece", "run_html", "timeline_html", "training_html", "verification_html"]

#: Widths of the network's picture in pixels, in a wide and in a narrow column.
WIDTH, NARROW = 800, 420

#: Nodes whose table is open.
MOST_ROWS = 16

#: Frames of a run whose pipeline is drawn, and its maximum number of cycles: more take seconds.
FRAMES, MOST_CYCLES = 3, 2_000_000

#: Columns of a pipeline, fewer than in a report: every output is kept in the notebook's file.
COLUMNS = 230


def piece(kind: str, **content: Any) -> str:
    """Return the HTML of a kind of things; no two pieces have an id in common."""
    return templates().get_template(f"notebook/{kind}.html").render(kind=kind, unique=uuid4().hex[:12], **content)


def network_html(network: Network) -> str:
    """Return a network's picture and its table of nodes. Nothing is simulated: a node's share of busy cycles is that
    of its steps in the interval.
    """
    target = _target(network)
    use = {node.name: (node.steps / network.interval, 0.0, 0.0) for node in network.nodes}
    return piece(
        "network",
        subject={
            "network": network,
            "family": target.family,
            "estimate": network_cost(network, target.family),
            "fifos": fifos_cost(network, target.family),
            "rows": rows_of(network, use, target.family),
            "build": None,
            "board": None,
        },
        target=target,
        graphs={"broad": graph_view(network, use, WIDTH), "narrow": graph_view(network, use, NARROW)},
        most_rows=MOST_ROWS,
    )


def _target(network: Network) -> Target:
    try:
        return remembered(network) or Target()
    except InputError:
        return Target()


def run_html(run: Run) -> str:
    """Return a run's latency and interval, its first frames in the pipeline, and how nodes and FIFOs are used."""
    frames = min(FRAMES, run.frames)
    cycles = run.first_frame_latency + (frames - 1) * run.interval
    view = None
    if cycles <= MOST_CYCLES:
        view = pipeline_view(unroll(run.network, frames, stalls=run.stalls), columns=COLUMNS)
    rows = [
        {"name": name, "busy": busy, "starved": starved, "blocked": blocked}
        for name, (busy, starved, blocked) in use_of(run).items()
    ]
    return piece("run", run=run, view=view, rows=rows, sizes=sizes_of([node.name for node in run.nodes]), first=cycles)


def timeline_html(timeline: Timeline) -> str:
    """Return the pipeline of a run that is unrolled over time."""
    return piece("run", run=None, view=pipeline_view(timeline, columns=COLUMNS))


def verification_html(proof: "Verification") -> str:
    """Return the counts of a comparison, and the first that differ."""
    verdict = "equal" if proof.passed else "NOT equal" if proof.beats_compared else "nothing compared"
    return piece("verification", proof=proof, verdict=verdict)


def bitstream_html(report: "BitstreamReport") -> str:
    """Return clock, speed, resources and critical path of a bitstream."""
    clock = routed_clock(report.clock_mhz, report.fmax_mhz, met=report.timing_met)
    return piece(
        "build",
        build=report,
        timing=Timing(report.latency, report.interval, clock),
        has=_resources(report.board),
        subject={"critical": critical_view(report.to_json())},
    )


def _resources(name: str) -> dict[str, int] | None:
    """Return what a board has, or None for one that is not known here."""
    from rtl.boards import board_of

    try:
        board = board_of(name)
    except InputError:
        return None
    cells = board.luts
    return {"luts": cells, "ffs": cells, "cells": cells, "brams": board.brams, "dsps": board.dsps}


def training_html(result: "TrainingResult") -> str:
    """Return the accuracy and the curves of a training."""
    from xnorflow.report.training import curves_view

    return piece("training", result=result, **curves_view(result.metrics))
