"""Names of nodes after the modules of the network that was exported.

torch's exporter numbers its nodes (``node_Conv_76``) and stores beside each the modules in which it was computed. A
module's path is what its author called it, and stays when something else in the network changes.
"""

import ast
from collections import Counter
from collections.abc import Sequence

import onnx

__all__ = ["module_of", "names_by_module"]

_SCOPES = "pkg.torch.onnx.name_scopes"

#: Brevitas' own modules inside a layer, which are left out of names.
_INNER_SUFFIXES = (".export_handler", ".act_quant")

#: More characters than the scopes of a node have: an honest file's modules are not nested without end.
_MOST_CHARACTERS = 10_000


def module_of(node: onnx.NodeProto) -> str:
    """Return the path of the module that computes a node, or "" if there is none or the file does not say."""
    text = next((entry.value for entry in node.metadata_props if entry.key == _SCOPES), "")
    try:
        scopes = ast.literal_eval(text) if 0 < len(text) < _MOST_CHARACTERS else []
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ""
    if not (isinstance(scopes, list) and len(scopes) > 1 and isinstance(scopes[-2], str)):
        return ""
    module = scopes[-2]
    for suffix in _INNER_SUFFIXES:
        module = module.removesuffix(suffix)
    return module


def names_by_module(nodes: Sequence[onnx.NodeProto]) -> list[str]:
    """Return for each node the name of its module, with the operator appended if the module has several nodes.

    Several of one operator are numbered from 0 in the order in which they are computed; so are the calls of a module
    that the network uses several times. Nodes outside of modules have the name of their operator.
    """
    modules = [module_of(node) for node in nodes]
    nodes_of_module = Counter(modules)
    names = [
        (module or node.op_type.lower()) if nodes_of_module[module] == 1 else f"{module}.{node.op_type.lower()}"
        for node, module in zip(nodes, modules, strict=True)
    ]
    nodes_of_name = Counter(names)
    numbers: Counter[str] = Counter()
    numbered = []
    for name in names:
        numbered.append(name if nodes_of_name[name] == 1 else f"{name}{numbers[name]}")
        numbers[name] += 1
    return numbered
