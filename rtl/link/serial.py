"""The complete link, and a network with a link."""

from collections.abc import Sequence
from typing import Any

from amaranth import Module, Shape, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from dataflow import Network, Stream
from rtl.core import Core
from rtl.link.frame_buffer import FrameBuffer
from rtl.link.output_buffer import OutputBuffer
from rtl.link.protocol import Info, info_of, sent_outputs
from rtl.link.receiver import MessageReceiver, Outcome, Ticket
from rtl.link.sender import MessageSender, result_ports
from rtl.link.slip import SlipDecoder, SlipEncoder
from rtl.link.uart import UartReceiver, UartTransmitter
from rtl.streams import payload_of

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
    results : streams of the network's outputs, one for each part of a result

    Members
    -------
    rx : In(1)
    tx : Out(1)
    active : Out(1), toggles with every valid request
    damaged : Out(1), the last request was answered with an error
    o : Out(stream.Signature(data.ArrayLayout(8, pixels.lanes)))
    i_0, i_1, ... : as of `MessageSender`; before all but the first is a FIFO for a frame, where it has several beats
    """

    def __init__(self, info: Info, divisor: int, *, pixels: Stream, results: Sequence[Stream]) -> None:
        self._receiver = UartReceiver(divisor)
        self._transmitter = UartTransmitter(divisor)
        self._messages = MessageReceiver(info.frame_size)
        self._buffer = FrameBuffer(info.frame_size, pixels.lanes, pixels.vector)
        self._sender = MessageSender(info, results)
        self._results = tuple(results)
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "active": Out(1),
                "damaged": Out(1),
                "o": Out(stream.Signature(data.ArrayLayout(8, pixels.lanes))),
                **result_ports(results),
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
        m.submodules.tickets = tickets = fifo.SyncFIFOBuffered(width=Ticket.size, depth=TICKETS)
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]
        wiring.connect(m, receiver.o, decoder.i)
        wiring.connect(m, sender.o, encoder.i)
        wiring.connect(m, encoder.o, transmitter.i)
        wiring.connect(m, buffer.o, wiring.flipped(self.o))
        for index, each in enumerate(self._results):
            name = f"i_{index}"
            source = wiring.flipped(getattr(self, name))
            if index and each.beats > 1:
                m.submodules[f"buffer_{index}"] = waiting = OutputBuffer(each)
                wiring.connect(m, source, waiting.i)
                source = waiting.o
            else:
                source = _registered(m, f"register_{index}", source, payload_of(each))
            wiring.connect(m, source, getattr(sender, name))
        good = Signal()
        # A character comes every 80 cycles or later, so a cycle more is no loss, and the paths from here are short.
        m.d.sync += [messages.i.payload.eq(decoder.o.payload), messages.i.valid.eq(decoder.o.valid)]
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


def _registered(m: Module, name: str, source: Any, shape: ShapeLike) -> Any:
    """Return a stream with a place for one beat in between: no path crosses it, and every second cycle has a beat."""
    m.submodules[name] = place = fifo.SyncFIFOBuffered(width=Shape.cast(shape).width, depth=1)
    target = stream.Signature(shape).create()
    m.d.comb += [
        place.w_data.eq(source.payload),
        place.w_en.eq(source.valid),
        source.ready.eq(place.w_rdy),
        target.payload.eq(place.r_data),
        target.valid.eq(place.r_rdy),
        place.r_en.eq(target.ready),
    ]
    return target


class SerialNetwork(wiring.Component):
    """A network with a serial link.

    Parameters
    ----------
    network : a network with one uint8 or int8 input
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
        self._outputs = sent_outputs(network)
        self._network = network
        self._link = SerialLink(
            info,
            divisor,
            pixels=network.inputs[0].stream,
            results=[end.stream for end in self._outputs],
        )
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "active": Out(1), "damaged": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.link = link = self._link
        m.submodules.core = core = Core(self._network)
        wiring.connect(m, link.o, core.input_port(self._network.inputs[0].name))
        for index, end in enumerate(self._outputs):
            wiring.connect(m, core.output_port(end.name), getattr(link, f"i_{index}"))
        m.d.comb += [
            link.rx.eq(self.rx),
            self.tx.eq(link.tx),
            self.active.eq(link.active),
            self.damaged.eq(link.damaged),
        ]
        return m
