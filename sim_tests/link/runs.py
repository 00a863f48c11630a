"""Runs the link's testbench on the Verilog of a network with a serial link."""

from pathlib import Path

from amaranth.back import verilog

from dataflow import Network, save_network
from rtl.link.serial import SerialNetwork
from sim_tests.link.tb_link import DIVISOR_VARIABLE, NETWORK_VARIABLE
from sim_tests.simulators import run_cocotb

__all__ = ["link_verilog", "run_link"]

_TOP = "serial_network"


def link_verilog(network: Network, divisor: int) -> str:
    """Return the Verilog of a network with a serial link."""
    top = SerialNetwork(network, divisor)
    text: str = verilog.convert(top, name=_TOP, emit_src=False, strip_internal_attrs=True)
    return text


def run_link(network: Network, folder: Path, *, simulator: str, divisor: int = 8, text: str | None = None) -> None:
    """Run all scenarios, and raise an error if one of them fails.

    Parameters
    ----------
    network : the network that the board must compute
    folder : folder for all output files
    simulator : "verilator" or "icarus"
    divisor : clock cycles per bit
    text : Verilog to use instead of the network's own
    """
    folder.mkdir(parents=True, exist_ok=True)
    design, control, description = (folder / name for name in ("link.v", "link.vlt", "network.xnf"))
    design.write_text(link_verilog(network, divisor) if text is None else text)
    control.write_text(
        "`verilator_config\n" + "".join(f'public_flat_rw -module "{_TOP}" -var "{name}"\n' for name in _PORTS)
    )
    save_network(network, description)
    run_cocotb(
        [design, control],
        _TOP,
        test_module="sim_tests.link.tb_link",
        build_dir=folder / "build",
        simulator=simulator,
        env={NETWORK_VARIABLE: str(description), DIVISOR_VARIABLE: str(divisor)},
    )


_PORTS = ("clk", "rst", "rx", "tx")
