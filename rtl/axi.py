"""AxiTop: the network with AXI4-Stream ports."""

from amaranth import ClockDomain, Module, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

import dataflow
from dataflow.naming import plain_names
from rtl.core import Core
from rtl.steps import advanced, ends_vector

__all__ = ["RESETS", "AxiTop", "axi_prefixes", "clock_ports"]

#: The names of the clock and of the synchronous reset, by the level at which the reset is active.
RESETS = {"active-high": ("clk", "rst"), "active-low": ("aclk", "aresetn")}


def clock_ports(reset: str) -> tuple[str, str]:
    """Return the names of the ports for clock and reset.

    Raises
    ------
    InputError
        The polarity is unknown.
    """
    if reset not in RESETS:
        raise dataflow.InputError(f"Reset must be {' or '.join(RESETS)}, not {reset!r}")
    return RESETS[reset]


def axi_prefixes(network: dataflow.Network) -> dict[str, str]:
    """Return the prefix of the AXI signals of each network input and output, by terminal name.

    It is ``s_axis`` or ``m_axis``, followed by the terminal's name if there is more than one input or output.
    """
    prefixes = {}
    for side, terminals in (("s_axis", network.inputs), ("m_axis", network.outputs)):
        names = plain_names(terminal.name for terminal in terminals)
        for terminal in terminals:
            prefixes[terminal.name] = side if len(terminals) == 1 else f"{side}_{names[terminal.name]}"
    return prefixes


class AxiTop(wiring.Component):
    """A network in hardware with AXI4-Stream ports: `Core`, and a mark at the end of each frame.

    The numbers of a beat are packed in ``tdata`` without gaps, channel 0 in the lowest bits. ``tdata`` is padded to
    whole bytes with zeros, which are ignored at inputs. Signed numbers are in two's complement of their own width. A
    vector of channels begins with a new beat; unused lanes of its last beat are zeros, and ignored at inputs.

    ``tready`` and ``tvalid`` depend only on registers, not on ports.

    Parameters
    ----------
    network : dataflow.Network
        It is verified first.
    reset : str
        ``active-high``: clock and reset are those of the domain ``sync``. ``active-low``: they are the ports ``aclk``
        and ``aresetn``.

    Members
    -------
    aclk, aresetn : ``In(1)``
        Clock, and synchronous reset at level 0; only with ``active-low``.
    s_axis_tdata, s_axis_tvalid, s_axis_tlast : ``In``
        Beats of the frames; with several inputs ``s_axis_<name>_tdata`` and so on.
    s_axis_tready : ``Out(1)``
        A beat is accepted.
    m_axis_tdata, m_axis_tvalid, m_axis_tlast : ``Out``
        Beats of the results; with several outputs ``m_axis_<name>_tdata`` and so on. ``tlast`` marks the last beat of
        a frame.
    m_axis_tready : ``In(1)``
        The beat is taken.
    frame_error : ``Out(1)``
        An accepted beat had ``tlast`` set before the end of a frame, or not set at the end. It stays 1 until reset,
        because frames are counted from reset and the network no longer agrees with the sender where they begin.
    """

    def __init__(self, network: dataflow.Network, *, reset: str = "active-high") -> None:
        ports = clock_ports(reset)
        self.core = Core(network)
        self.network = self.core.network
        self.reset = reset
        members = {name: In(1) for name in ports} if reset == "active-low" else {}
        members["frame_error"] = Out(1)
        for terminals, flow, back in ((network.inputs, In, Out), (network.outputs, Out, In)):
            for terminal in terminals:
                prefix = axi_prefixes(network)[terminal.name]
                members[f"{prefix}_tdata"] = flow(-(-terminal.stream.width // 8) * 8)
                members[f"{prefix}_tvalid"] = flow(1)
                members[f"{prefix}_tready"] = back(1)
                members[f"{prefix}_tlast"] = flow(1)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.reset == "active-low":
            m.domains.sync = sync = ClockDomain(local=True)
            sync.clk = self.aclk
            m.d.comb += ResetSignal().eq(~self.aresetn)
        m.submodules.core = self.core
        for terminal in self.network.inputs:
            self._input(m, terminal)
        for terminal in self.network.outputs:
            self._output(m, terminal)
        return m

    def _input(self, m: Module, terminal: dataflow.Terminal) -> None:
        port = self.core.input_port(terminal.name)
        prefix = axi_prefixes(self.network)[terminal.name]
        data, valid, ready, last = (getattr(self, f"{prefix}_t{end}") for end in ("data", "valid", "ready", "last"))
        m.d.comb += [
            Value.cast(port.payload).eq(data),
            port.valid.eq(valid),
            ready.eq(port.ready),
        ]
        accepted, stream = valid & ready, terminal.stream
        if stream.inert:
            # Nodes rely on zeros in inert lanes, and a sender may send anything there.
            with m.If(ends_vector(m, accepted, stream)):
                m.d.comb += Value.cast(port.payload)[-stream.inert * stream.element.width :].eq(0)
        with m.If(accepted & (last != self._ends_frame(m, terminal, accepted))):
            m.d.sync += self.frame_error.eq(1)

    def _output(self, m: Module, terminal: dataflow.Terminal) -> None:
        port = self.core.output_port(terminal.name)
        prefix = axi_prefixes(self.network)[terminal.name]
        data, valid, ready, last = (getattr(self, f"{prefix}_t{end}") for end in ("data", "valid", "ready", "last"))
        m.d.comb += [
            data.eq(Value.cast(port.payload)),
            valid.eq(port.valid),
            port.ready.eq(ready),
            last.eq(self._ends_frame(m, terminal, valid & ready)),
        ]

    def _ends_frame(self, m: Module, terminal: dataflow.Terminal, passes: Value) -> Signal:
        """Return whether the next beat is the last one of its frame."""
        beats = terminal.stream.beats
        name = plain_names([terminal.name])[terminal.name]
        beat, last = Signal(range(beats), name=f"{name}_beat"), Signal(name=f"{name}_last")
        with m.If(passes):
            m.d.sync += beat.eq(advanced(beat, beats))
        m.d.comb += last.eq(beat == beats - 1)
        return last
