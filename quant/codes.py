"""Real-valued streams in networks of one's own, which become codes where hardware needs integers.

Hardware adds and averages integers. So what a shortcut adds, and what an activation gives to an average or to a layer
of several bits, gets a quantizer; all have one grid, and training sees the same codes from the first step.
"""

import itertools
import operator

import torch
from brevitas.nn import QuantConv1d, QuantConv2d, QuantIdentity, QuantLinear
from torch import fx, nn
from torch.nn import functional as F
from torch.nn.modules import activation

from quant.quantizers import grid_activation

__all__ = ["with_codes"]

_ADDITIONS = {operator.add, operator.iadd, torch.add, "add", "add_"}
_AVERAGES = {F.avg_pool1d, F.avg_pool2d, F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, torch.mean, "mean"}
_AVERAGE_LAYERS = (nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
_LAYERS = (QuantLinear, QuantConv1d, QuantConv2d)

#: Functions and layers that bend numbers, and those that return some of the numbers they get.
_BENDS = {F.relu, F.hardtanh, F.prelu, F.leaky_relu, F.hardsigmoid, F.hardswish, torch.relu, "relu", "relu_", "clamp"}
_SAME = {torch.flatten, F.max_pool1d, F.max_pool2d, "flatten", "reshape", "view", "contiguous"}
_SAME_LAYERS = (nn.Identity, nn.Flatten, nn.MaxPool1d, nn.MaxPool2d, nn.Dropout, nn.Dropout2d)

#: Packages whose modules are computed as a whole.
_WHOLE = ("torch.nn.", "brevitas.", "quant.")


class _Tracer(fx.Tracer):
    """Follows the user's modules, but not those that lowering knows."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        known = type(m).__module__.startswith(_WHOLE)
        return known and not isinstance(m, nn.Sequential | nn.ModuleList)


def with_codes(network: nn.Module, *, bits: int, step: float) -> tuple[nn.Module, list[str]]:
    """Return a network whose streams are codes where hardware needs them, and the names of the quantizers that are new.

    An addition is left as it is if one of its addends comes from a quantizer of Brevitas. Without new quantizers, the
    network itself is returned; otherwise one with the same layers and names.

    Parameters
    ----------
    bits, step : of the codes, signed, as of `quant.quantizers.grid_activation`

    Raises
    ------
    Exception
        As torch.fx raises it for networks whose forward depends on values or sizes of tensors.
    """
    streams = _Streams(network)
    readers: dict[fx.Node, list[fx.Node]] = {}
    for reader in streams.graph.nodes:
        for node in streams.needed_by(reader):
            readers.setdefault(node, []).append(reader)
    if not readers:
        return network, []
    changed = fx.GraphModule(network, streams.graph)
    names: list[str] = []
    for node, needing in readers.items():
        name = next(f"codes{count}" for count in itertools.count() if not hasattr(changed, f"codes{count}"))
        changed.add_submodule(name, grid_activation(bits=bits, step=step))
        with streams.graph.inserting_after(node):
            code = streams.graph.call_module(name, (node,))
        # One code serves all readers of a stream. Of the frame itself, other layers read the pixels as they are.
        others = [] if node.op == "placeholder" else list(node.users)
        for reader in dict.fromkeys((*needing, *others)):
            if reader is not code:
                reader.replace_input_with(node, code)
        names.append(name)
    changed.recompile()
    return changed, names


class _Streams:
    """The operations of a network, and which of them need or give codes."""

    def __init__(self, network: nn.Module) -> None:
        self.graph = _Tracer().trace(network)
        self._modules = dict(network.named_modules())

    def needed_by(self, node: fx.Node) -> list[fx.Node]:
        """Return the operands of an operation that must be codes, and are none."""
        operands = [each for each in node.all_input_nodes if each.op != "get_attr"]
        if self._is(node, _ADDITIONS) and len(operands) == 2 and len(node.all_input_nodes) == 2:
            return [] if any(map(self._is_code, operands)) else operands
        if self._is(node, _AVERAGES, _AVERAGE_LAYERS) or self._is(node, set(), _LAYERS):
            return [each for each in operands[:1] if self._bends(each)]
        return []

    def _is(self, node: fx.Node, functions: set[object], layers: tuple[type[nn.Module], ...] = ()) -> bool:
        if node.op == "call_module":
            return isinstance(self._modules[str(node.target)], layers)
        return node.op in ("call_function", "call_method") and node.target in functions

    def _is_code(self, node: fx.Node) -> bool:
        if self._is(node, _SAME, _SAME_LAYERS):
            return self._is_code(node.all_input_nodes[0])
        return self._is(node, set(), (QuantIdentity,))

    def _bends(self, node: fx.Node) -> bool:
        """Return whether numbers come from an activation, perhaps by way of an operation that changes none of them."""
        if self._is(node, _SAME, _SAME_LAYERS):
            return self._bends(node.all_input_nodes[0])
        if node.op == "call_module":
            return type(self._modules[str(node.target)]).__module__ == activation.__name__
        return self._is(node, _BENDS)
