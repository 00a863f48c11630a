"""The files of a package."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dataflow import InputError, Network
from dataflow.naming import encodable, plain_names
from rtl.axi import clock_ports
from rtl.verilog_files import divided, top_name, verilog
from xnorflow import __version__
from xnorflow.package.facts import facts_of
from xnorflow.package.folder import FACTS, digest_of
from xnorflow.package.gates import gates_of
from xnorflow.package.vectors import Vectors, vectors_of
from xnorflow.target import Target

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["FILES", "Package", "package_of"]

#: How the Verilog is divided into files.
FILES = ("one", "split")

#: Templates of constraints, by suffix.
_CONSTRAINTS = ("xdc", "sdc", "lpf", "pcf")

#: Cycles of patience beyond the longest wait of the core.
_PATIENCE = 1000


@dataclass(frozen=True)
class Package:
    """A network as files for designs of one's own.

    Parameters
    ----------
    top : name of the top module
    verilog : paths of the core's Verilog, the top first
    files : text by path in the package
    facts : the content of its JSON file
    """

    top: str
    verilog: tuple[str, ...]
    files: dict[str, str]
    facts: dict[str, Any]


def package_of(
    network: Network,
    frames: np.ndarray,
    *,
    origin: str = "given",
    files: str = "one",
    reset: str = "active-high",
    target: Target | None = None,
    progress: Callable[[str], None] = lambda phase: None,
) -> Package:
    """Return the package of a network.

    Parameters
    ----------
    frames : (frames, *input stream shape) int64, the frames of the testbench
    origin : where they come from, for people
    files : "one" file of Verilog, or "split" by component
    reset : "active-high" (ports clk and rst) or "active-low" (aclk and aresetn)
    target : its clock is for printed times and constraints
    progress : called with the name of each phase

    Raises
    ------
    InputError
        An unknown way to divide files or polarity, or a network that deadlocks.
    """
    if files not in FILES:
        raise InputError(f"Files (--files) must be {' or '.join(FILES)}, not {files!r}")
    clock_ports(reset)
    progress("Verilog")
    text = verilog(network, reset=reset)
    top = top_name(network)
    sources = {
        f"rtl/{name}": part for name, part in (divided(text) if files == "split" else {f"{top}.v": text}).items()
    }
    progress("values and cycles of the testbench")
    vectors = vectors_of(network, frames)
    facts = facts_of(network, vectors, reset=reset, target=target or Target(), version=__version__)
    facts["testbench"] = {
        "top": f"{top}_tb",
        "frames": vectors.frames,
        "origin": origin,
        "oracle": vectors.oracle,
        "latency": vectors.latency,
        "interval": vectors.interval if vectors.steady else None,
    }
    facts["sources"] = list(sources)
    written = {
        **sources,
        f"{top}.f": _lines(sources),
        "sim/sim.f": _lines([*(f"../{name}" for name in sources), f"{top}_tb.v"]),
        f"sim/{top}_tb.v": _testbench(network, vectors, facts),
        **_vector_files(network, vectors),
        **_constraints(facts),
        "README.md": _templates().get_template("README.md").render(**facts),
    }
    facts["files"] = {name: digest_of(part) for name, part in written.items()}
    return Package(top, tuple(sources), {**written, FACTS: json.dumps(facts, indent=2) + "\n"}, facts)


def _testbench(network: Network, vectors: Vectors, facts: Mapping[str, Any]) -> str:
    gates, ends = gates_of(network), [*network.inputs, *network.outputs]
    plain = plain_names(end.name for end in ends)

    def ports(described: Iterable[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
        return [
            {
                **port,
                "plain_name": plain[port["name"]],
                "gate": gates[port["name"]],
                "files": {kind: f"{kind}_{index}.hex" for kind in kinds},
            }
            for index, port in enumerate(described)
        ]

    top = facts["top"]
    return (
        _templates()
        .get_template("testbench.v")
        .render(
            top=top,
            instance=f"\\{top} ",  # escaped, for it may be a word that Verilog reserves
            frames=vectors.frames,
            inputs=ports(facts["inputs"], "sent"),
            outputs=ports(facts["outputs"], "expected", "cycles"),
            clock=facts["clock"]["port"],
            reset=facts["reset"]["port"],
            active_low=facts["reset"]["active"] == "low",
            latency=vectors.latency,
            interval=facts["testbench"]["interval"],
            longest_wait=vectors.longest_wait,
            patience=2 * vectors.longest_wait + _PATIENCE,
            compared=2 * vectors.frames * sum(end.stream.beats for end in network.outputs),
        )
    )


def _vector_files(network: Network, vectors: Vectors) -> dict[str, str]:
    """Return the files that the testbench reads. `$readmemh` takes comments."""
    files = {}
    for index, end in enumerate(network.inputs):
        digits = -(-end.stream.width // 8) * 2
        files[f"sim/sent_{index}.hex"] = _lines(f"{word:0{digits}x}" for word in vectors.sent[end.name])
    for index, end in enumerate(network.outputs):
        digits = -(-end.stream.width // 8) * 2
        files[f"sim/expected_{index}.hex"] = _lines(f"{word:0{digits}x}" for word in vectors.words[end.name])
        files[f"sim/cycles_{index}.hex"] = _lines(f"{cycle:x}" for cycle in vectors.cycles[end.name].tolist())
    return files


def _constraints(facts: Mapping[str, Any]) -> dict[str, str]:
    clock, reset = facts["clock"]["port"], facts["reset"]["port"]
    signals = [
        {"port": reset, "bits": 1, "direction": "in", "vector": False},
        *(signal for port in (*facts["inputs"], *facts["outputs"]) for signal in port["signals"]),
        {"port": facts["frame_error"]["port"], "bits": 1, "direction": "out", "vector": False},
    ]
    pins = [
        f"{signal['port']}[{bit}]" if signal["vector"] else signal["port"]
        for signal in signals
        for bit in range(signal["bits"])
    ]
    mhz = facts["timing"]["clock_mhz"]
    values = {"signals": signals, "pins": [clock, *pins], "mhz": mhz, "period": 1000 / mhz}
    return {
        f"constraints/{facts['top']}.{suffix}": _templates()
        .get_template(f"constraints.{suffix}")
        .render(**{**facts, "clock": clock, **values})
        for suffix in _CONSTRAINTS
    }


def _lines(items: Iterable[str]) -> str:
    return "".join(f"{item}\n" for item in items)


def _templates() -> "Environment":
    """Return the templates of texts; an unknown name is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=PackageLoader("xnorflow.package"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters.update(figure=_figure, plain=_plain)
    return found


def _figure(value: float) -> str:
    return f"{value:,.{0 if value == int(value) or value >= 1000 else 2}f}"


def _plain(text: str) -> str:
    """Return a name as it may stand in a table of Markdown."""
    return " ".join(encodable(text).split()).replace("`", "'").replace("|", "/")
