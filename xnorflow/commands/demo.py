"""``xnorflow demo``."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xnorflow.commands._options import Json

if TYPE_CHECKING:
    from xnorflow.flow import Flow

__all__ = ["demo"]


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the results.")] = Path(
        "out/demo"
    ),
    json: Json = False,
) -> None:
    """Run all steps: zoo model, lowering, simulation, Verilog, proof on Verilator, iCE40 bitstream."""
    from xnorflow.console import Phases, print_json, print_table, table_of
    from xnorflow.flow import Settings, run_flow

    settings = Settings(model="tfc-w1a1", dataset="mnist-sample", board="icebreaker", fps=100_000, out=output)
    start = last = time.perf_counter()

    def done(name: str, text: str) -> None:
        nonlocal last
        now = time.perf_counter()
        phases.say(f"{name:10} {text} ({now - last:.1f} s)")
        last = now

    try:
        with Phases() as phases:
            flow = run_flow(settings, phases, done=done)
    except KeyboardInterrupt as interrupt:
        kept = f"{output} holds the results of the steps that are done; the same command starts again"
        raise KeyboardInterrupt(kept) from interrupt
    result = _closing(flow, time.perf_counter() - start)
    print_table(table_of("xnorflow demo", ("figure", "value"), [(key, _text(v)) for key, v in result.items()]))
    passed = flow.verification.passed and flow.bitstream.timing_met
    if json:
        print_json(result)
    raise typer.Exit(0 if passed else 1)


def _closing(flow: "Flow", seconds: float) -> dict[str, Any]:
    report = flow.bitstream
    return {
        "accuracy": flow.simulation["accuracy"],
        "frames": flow.simulation["frames"],
        "first_frame_latency": report.latency,
        "latency_us": report.latency_us,
        "interval": report.interval,
        "fps": report.fps,
        "value_mismatches": flow.verification.value_mismatches,
        "cycle_mismatches": flow.verification.cycle_mismatches,
        "luts": report.luts,
        "ffs": report.ffs,
        "brams": report.brams,
        "fmax_mhz": report.fmax_mhz,
        "clock_mhz": report.clock_mhz,
        "verilog": str(flow.verilog),
        "bitstream": str(report.bitstream),
        "seconds": seconds,
    }


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
