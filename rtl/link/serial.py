"""The complete link, and a network with a link."""

from amaranth import Module, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from dataflow import Network, Stream
from rtl.core import Core
from rtl.link.frame_buffer import FrameBuffer
from rtl.link.protocol import Info, info_of
from rtl.link.receiver import MessageReceiver, Outcome, Ticket
from rtl.link.sender import MessageSender, result_ports
from rtl.link.slip import SlipDecoder, SlipEncoder
from rtl.link.uart import UartReceiver, UartTransmitter

__all__ = ["TICKETS", "SerialLink", "SerialNetwork"]

#: Maximum number of pending replies. The last place is for an error, so one fewer frames may be unanswered.
TICKETS = 4


class SerialLink(wiring.Component):
    """The link: requests on `rx`, replies on `tx` in the order of the requests.

    Parameters
    ----------
    info : the board's description of its network
    divisor : clock cycles per bit of the line, at least 8
    pixels : stream of the network's input
    scores, answer : as of `MessageSender`

    Members
    -------
    rx : In(1)
    tx : Out(1)
    active : Out(1), toggles with every valid request
    damaged : Out(1), the last request was answered with an error
    o : Out(stream.Signature(data.ArrayLayout(8, pixels.lanes)))
    i_scores, i_class or i_bits : as of `MessageSender`
    """

    def __init__(self, info: Info, divisor: int, *, pixels: Stream, scores: Stream | None, answer: Stream) -> None:
        self._receiver = UartReceiver(divisor)
        self._transmitter = UartTransmitter(divisor)
        self._messages = MessageReceiver(info.frame_size)
        self._buffer = FrameBuffer(info.frame_size, pixels.lanes, pixels.vector)
        self._sender = MessageSender(info, scores, answer)
        self._results = result_ports(scores, answer)
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "active": Out(1),
                "damaged": Out(1),
                "o": Out(stream.Signature(data.ArrayLayout(8, pixels.lanes))),
                **self._results,
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.uart_receiver = receiver = self._receiver
        m.submodules.uart_transmitter = transmitter = self._transmitter
        m.submodules.decoder = decoder = SlipDecoder()
        m.submodules.encoder = encoder = SlipEncoder()
        m.submodules.messages = messages = self._messages
        m.submodules.frame = buffer = self._buffer
        m.submodules.sender = sender = self._sender
        m.submodules.tickets = tickets = fifo.SyncFIFO(width=Ticket.size, depth=TICKETS)
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]
        wiring.connect(m, receiver.o, decoder.i)
        wiring.connect(m, decoder.o, messages.i)
        wiring.connect(m, sender.o, encoder.i)
        wiring.connect(m, encoder.o, transmitter.i)
        wiring.connect(m, buffer.o, wiring.flipped(self.o))
        for name in self._results:
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(sender, name))
        good = Signal()
        m.d.comb += [
            buffer.write.eq(messages.write),
            buffer.index.eq(messages.index),
            buffer.pixel.eq(messages.pixel),
            messages.full.eq(buffer.full),
            messages.busy.eq(tickets.level >= TICKETS - 1),
            buffer.commit.eq(messages.o.valid & (messages.o.payload.outcome == Outcome.RESULT)),
            # A ticket without a place is dropped: the protocol promises no reply if four are pending.
            tickets.w_data.eq(messages.o.payload),
            tickets.w_en.eq(messages.o.valid),
            sender.i_ticket.payload.eq(tickets.r_data),
            sender.i_ticket.valid.eq(tickets.r_rdy),
            tickets.r_en.eq(sender.i_ticket.ready),
            good.eq((messages.o.payload.outcome == Outcome.RESULT) | (messages.o.payload.outcome == Outcome.INFO)),
        ]
        with m.If(messages.o.valid):
            m.d.sync += [self.damaged.eq(~good), self.active.eq(self.active ^ good)]
        return m


class SerialNetwork(wiring.Component):
    """A network with a serial link.

    Parameters
    ----------
    network : a network with one uint8 or int8 input and the outputs ``scores`` and ``class``, or an output of bits
    divisor : clock cycles per bit of the line, at least 8

    Members
    -------
    rx : In(1)
    tx : Out(1)
    active : Out(1), toggles with every valid request
    damaged : Out(1), the last request was answered with an error

    Raises
    ------
    InputError
        The network cannot have a serial link.
    """

    def __init__(self, network: Network, divisor: int) -> None:
        info = info_of(network)
        outputs = {terminal.name: terminal.stream for terminal in network.outputs}
        answer = "class" if network.bits is None else network.bits.name
        #: The link's port for each output.
        self._ports = {answer: "i_bits" if info.bits else "i_class"}
        if "scores" in outputs:
            self._ports["scores"] = "i_scores"
        self._network = network
        self._link = SerialLink(
            info,
            divisor,
            pixels=network.inputs[0].stream,
            scores=outputs.get("scores"),
            answer=outputs[answer],
        )
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "active": Out(1), "damaged": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.link = link = self._link
        m.submodules.core = core = Core(self._network)
        wiring.connect(m, link.o, core.input_port(self._network.inputs[0].name))
        for output, port in self._ports.items():
            wiring.connect(m, core.output_port(output), getattr(link, port))
        m.d.comb += [
            link.rx.eq(self.rx),
            self.tx.eq(link.tx),
            self.active.eq(link.active),
            self.damaged.eq(link.damaged),
        ]
        return m
