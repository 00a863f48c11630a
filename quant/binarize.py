"""Making a network of plain torch layers binary."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from brevitas.nn import QuantConv1d, QuantConv2d, QuantLinear
from torch import Tensor, nn

from dataflow import InputError
from quant.methods import BNN, BinaryConv1d, BinaryConv2d, BinaryLayer, BinaryLinear, BinarySign, Method, Shared
from quant.quantizers import ByteWeight, ChannelByteWeight

__all__ = ["Bias", "Change", "binarize"]


@dataclass(frozen=True)
class Change:
    """What `binarize` did with a module.

    Parameters
    ----------
    name : of the module in the network
    kind : its class
    binary : whether it is binary now
    reason : why it was kept, or what else was done
    """

    name: str
    kind: str
    binary: bool
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.kind}): {'binary' if self.binary else 'kept'}{self.reason and ', ' + self.reason}"


class Bias(nn.Module):
    """Numbers plus a learned number for each channel of the second axis."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.bias = nn.Parameter(values.detach().clone())

    def forward(self, numbers: Tensor) -> Tensor:
        return numbers + self.bias.reshape(-1, *[1] * (numbers.ndim - 2))


def binarize(network: nn.Module, method: Method | None = None, *, keep: Iterable[str] = ()) -> list[Change]:
    """Make the dense and convolutional layers of a network binary, in place; return what was done with each.

    Each `nn.Linear`, `nn.Conv1d` and `nn.Conv2d` becomes a sign of its input and a layer with binary weights, which
    are called ``sign`` and ``layer`` within its name; a bias becomes an addition after it, ``bias``. An `nn.ReLU`
    becomes an `nn.Hardtanh`: signs of numbers of at least 0 are all +1. Layers of other classes, such as Brevitas' own,
    stay as they are. Those to keep get weights of 8 bits, since hardware has none of floats.

    Parameters
    ----------
    method : of all binary layers; the default is BinaryNet's
    keep : patterns of names of modules whose layers, with those in them, do not become binary, such as ``stem*``

    Raises
    ------
    InputError
        A pattern fits no module.
    """
    patterns, shared = tuple(keep), Shared(method or BNN())
    names = [name for name, _ in network.named_modules() if name]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InputError(f"Name of a module to keep must be one of the network's, not {pattern!r}")
    changes: list[Change] = []
    _change(network, "", patterns, shared, changes)
    shared.method.prepare(network)
    return changes


def _change(module: nn.Module, path: str, patterns: tuple[str, ...], shared: Shared, changes: list[Change]) -> None:
    for name, child in module.named_children():
        full = f"{path}{name}"
        kind = type(child).__name__
        layer = type(child) in (nn.Linear, nn.Conv1d, nn.Conv2d)
        if any(fnmatchcase(full, pattern) for pattern in patterns):
            _keep(module, name, full, changes)
        elif layer and getattr(child, "padding_mode", "zeros") != "zeros":
            mode = child.padding_mode
            changes.append(Change(full, kind, binary=False, reason=f"its padding is {mode!r}, not zeros"))
        elif layer:
            setattr(module, name, _binary(child, shared))
            changes.append(Change(full, kind, binary=True))
        elif isinstance(child, nn.ReLU):
            setattr(module, name, nn.Hardtanh())
            changes.append(Change(full, kind, binary=False, reason="as a hard tanh: signs after a ReLU are all +1"))
        else:
            if isinstance(child, nn.Linear | nn.Conv1d | nn.Conv2d) and not isinstance(child, BinaryLayer):
                changes.append(Change(full, kind, binary=False, reason="not a layer of torch itself"))
            _change(child, f"{full}.", patterns, shared, changes)


def _keep(parent: nn.Module, name: str, path: str, changes: list[Change]) -> None:
    """Give a module, or all layers in it, weights of 8 bits."""
    child = parent.get_submodule(name)
    kind = type(child)
    if kind in (nn.Linear, nn.Conv1d, nn.Conv2d):
        setattr(parent, name, _of_8_bits(child))
        changes.append(Change(path, kind.__name__, binary=False, reason="named to be kept, with weights of 8 bits"))
    for inner, _ in list(child.named_children()):
        _keep(child, inner, f"{path}.{inner}", changes)


def _of_8_bits(layer: nn.Module) -> nn.Module:
    """Return Brevitas' layer with the sizes and the weights of a layer, which are rounded to 8 bits."""
    bias = isinstance(layer.bias, Tensor)
    kept: nn.Module
    if isinstance(layer, nn.Linear):
        kept = QuantLinear(layer.in_features, layer.out_features, bias=bias, weight_quant=ByteWeight)
    else:
        assert isinstance(layer, nn.Conv1d | nn.Conv2d)
        sizes = {name: getattr(layer, name) for name in ("stride", "padding", "dilation", "groups", "padding_mode")}
        kind = QuantConv1d if isinstance(layer, nn.Conv1d) else QuantConv2d
        channels = layer.in_channels, layer.out_channels, layer.kernel_size
        kept = kind(*channels, **sizes, bias=bias, weight_quant=ChannelByteWeight)
    kept.load_state_dict(layer.state_dict(), strict=False)
    return kept


def _binary(layer: nn.Module, shared: Shared) -> nn.Sequential:
    """Return a sign and a binary layer with the sizes and the weights of a layer."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    binary: BinaryLayer
    if isinstance(layer, nn.Linear):
        parts["sign"] = BinarySign(layer.in_features, shared=shared)
        binary = BinaryLinear(layer.in_features, layer.out_features, shared=shared)
    else:
        assert isinstance(layer, nn.Conv1d | nn.Conv2d)
        parts["sign"] = BinarySign(layer.in_channels, shared=shared)
        sizes = {name: getattr(layer, name) for name in ("stride", "padding", "dilation", "groups")}
        kind = BinaryConv1d if isinstance(layer, nn.Conv1d) else BinaryConv2d
        binary = kind(layer.in_channels, layer.out_channels, layer.kernel_size, **sizes, shared=shared)
    parts["layer"] = binary
    if isinstance(layer.bias, Tensor):
        parts["bias"] = Bias(layer.bias)
    return nn.Sequential(parts)
