"""The base class of the components of all node kinds: a node, and the ports for its streams."""

from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

import dataflow
from dataflow.kinds import implementation
from rtl.streams import Reserved, payload_of

__all__ = ["NodeComponent", "component_of"]

N = TypeVar("N", bound=dataflow.Node)
T = TypeVar("T")


class NodeComponent(wiring.Component, Generic[N]):
    """The component of a node; one subclass per node kind.

    Parameters
    ----------
    node : dataflow.Node
        The node, of the kind with the subclass' name. Its constructor has checked shape and folding.

    Members
    -------
    i, or i_0, i_1 ... : ``In(stream.Signature(payload))``
        The beats read, one port for each of the node's input streams.
    o, or o_0, o_1 ... : ``Out(Reserved(payload))``
        The beats written, one port for each of the node's output streams.
    """

    kind: ClassVar[type[dataflow.Node]]

    def __init__(self, node: N) -> None:
        if not isinstance(node, self.kind):
            name, kind = type(self).__name__, self.kind.__name__
            raise TypeError(f"Node of component {name} must be a dataflow.{kind}, not {type(node).__name__}")
        self.node = node
        inputs = [In(stream.Signature(payload_of(each))) for each in node.input_streams]
        outputs = [Out(Reserved(payload_of(each))) for each in node.output_streams]
        super().__init__({**_numbered("i", inputs), **_numbered("o", outputs)})

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The input ports, in the order of the node's input streams."""
        return tuple(getattr(self, name) for name in _numbered("i", self.node.input_streams))

    @property
    def outputs(self) -> tuple[Any, ...]:
        """The output ports, in the order of the node's output streams."""
        return tuple(getattr(self, name) for name in _numbered("o", self.node.output_streams))


def component_of(node: dataflow.Node) -> NodeComponent[dataflow.Node]:
    """Return the component of a node: the class with its kind's name, in the module with its kind's word."""
    if not isinstance(node, dataflow.Node):
        raise TypeError(f"Node of a component must be a dataflow.Node, not {type(node).__name__}")
    kind = type(node)
    component: NodeComponent[dataflow.Node] = implementation(kind, "rtl.components", kind.__name__)(node)
    return component


def _numbered(letter: str, ports: Sequence[T]) -> dict[str, T]:
    """Return ports by name: the letter alone for a single port, else numbered."""
    if len(ports) == 1:
        return {letter: ports[0]}
    return {f"{letter}_{index}": port for index, port in enumerate(ports)}
