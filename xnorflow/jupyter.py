"""What IPython shows of networks, runs, proofs, bitstreams and trainings: pictures and tables instead of a line.

``import xnorflow`` in a notebook registers it. Where xnorflow was imported before IPython started,
``%load_ext xnorflow.jupyter`` does. The packages of these types need not know of it, and none is imported here.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["TYPES", "load_ipython_extension", "register"]

#: The function of `xnorflow.report.notebook` that returns the HTML of a type, by module and name of the type.
TYPES = {
    ("dataflow.network", "Network"): "network_html",
    ("hwsim.cycle.run", "Run"): "run_html",
    ("hwsim.timeline", "Timeline"): "timeline_html",
    ("sim_tests.verification", "Verification"): "verification_html",
    ("rtl.bitstream.report", "BitstreamReport"): "bitstream_html",
    ("quant.training", "TrainingResult"): "training_html",
}


def register() -> None:
    """Register with the IPython that runs this code, if there is one."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is not None:
        load_ipython_extension(shell)


def load_ipython_extension(shell: Any) -> None:
    """Register with a shell of IPython."""
    formatter = shell.display_formatter.formatters["text/html"]
    for (module, name), function in TYPES.items():
        formatter.for_type_by_name(module, name, _html_by(function))


def _html_by(name: str) -> Callable[[Any], str]:
    """Return a function that imports what it needs when something is shown."""

    def html(thing: Any) -> str:
        function: Callable[[Any], str] = getattr(import_module("xnorflow.report.notebook"), name)
        return function(thing)

    return html
