"""Node kinds: every level has each of them, and a new one needs a file per level, the list and a row of the docs."""

import ast
import importlib
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import dataflow.nodes
import hwsim.packed
import hwsim.reference
import rtl.components
from dataflow import (
    BIPOLAR,
    Fifo,
    Integer,
    MatrixVector,
    Network,
    Node,
    Stream,
    Terminal,
    Threshold,
    fold,
    fold_to_interval,
    load,
    node_cost,
    save_network,
)
from dataflow.families import FAMILIES
from dataflow.kinds import implementation
from dataflow.nodes import KINDS
from hwsim import random_stalls
from rtl.components import component_of
from rtl.verilog_files import verilog
from sim_tests.cases import random_frames
from sim_tests.verification import verify_rtl

ROOT = Path(__file__).parents[1]

#: The packages of the levels: in each a kind has a module called by its word, and in that its function or class.
LEVELS = {
    "dataflow.nodes": "class",
    "hwsim.reference": "function",
    "hwsim.packed": "function",
    "rtl.components": "class",
}


def missing(kind: type[Node], level: str) -> str | None:
    """Return what a level lacks of a kind, in a sentence; None if it has all."""
    try:
        implementation(kind, level, kind.__name__ if LEVELS[level] == "class" else None)
    except TypeError as error:
        return str(error)
    return None


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_level_has_every_kind(kind: type[Node], level: str) -> None:
    assert missing(kind, level) is None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_has_a_row_in_the_table_of_what_is_supported(kind: type[Node]) -> None:
    assert f"\n| `{kind.__name__}` |" in (ROOT / "docs" / "support.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_kinds_are_exported(kind: type[Node]) -> None:
    assert getattr(dataflow, kind.__name__) is kind
    assert kind.__name__ in dataflow.__all__
    assert implementation(kind, "rtl.components", kind.__name__).kind is kind  # type: ignore[attr-defined]


#: Files that have a reason of their own to know a kind: what they do is about that kind.
ABOUT_A_KIND = {"xnorflow/networks.py": "compares the padding of convolutions with the recipe"}


@pytest.mark.parametrize("folder", ["dataflow", "hwsim", "rtl", "xnorflow"])
def test_nobody_asks_for_the_kind_of_a_node(folder: str) -> None:
    names = {kind.__name__ for kind in KINDS}
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        place = str(path.relative_to(ROOT))
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "isinstance":
                asked = {name.id for name in ast.walk(call.args[1]) if isinstance(name, ast.Name)}
                asked |= {name.attr for name in ast.walk(call.args[1]) if isinstance(name, ast.Attribute)}
                if asked & names and place not in ABOUT_A_KIND:
                    found.append(f"{place}:{call.lineno} asks for {', '.join(sorted(asked & names))}")
    assert not found, "\n".join(found)


TOY = Path(__file__).parent / "toy_kind"

#: The folder of the toy kind's file for each level.
TOY_LEVELS: dict[ModuleType, str] = {
    dataflow.nodes: "nodes",
    hwsim.reference: "reference",
    hwsim.packed: "packed",
    rtl.components: "components",
}


@pytest.fixture
def negate(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Node]]:
    """Add the toy kind as a developer would: a file for each level, and the list."""
    for package, folder in TOY_LEVELS.items():
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(TOY / folder)])
    kind: type[Node] = importlib.import_module("dataflow.nodes.negate").Negate
    monkeypatch.setattr(dataflow.nodes, "KINDS", (*KINDS, kind))
    yield kind
    for package in TOY_LEVELS:
        sys.modules.pop(f"{package.__name__}.negate", None)
        vars(package).pop("negate", None)


def network_with(kind: type[Node]) -> Network:
    """Return a network in which a node of the toy kind stands between two others, with inert lanes and converters."""
    element = Integer(5)
    node = kind("minus", element, (7,))  # type: ignore[call-arg]
    (stream,) = node.output_streams
    rng = np.random.default_rng(1)
    weights = rng.choice(np.array([-1, 1], np.int8), (3, 7))
    nodes = (
        node,
        Threshold("sign", stream.element, (7,), rng.integers(-24, -8, 7)),
        MatrixVector("fc", weights, np.array([4, 3, 4])),
    )
    ends = ["input", *(each.name for each in nodes), "bits"]
    network = Network(
        "toy",
        nodes,
        tuple(Fifo(*pair) for pair in pairwise(ends)),
        (Terminal("input", Stream(element, (7,))),),
        (Terminal("bits", Stream(BIPOLAR, (3,))),),
    )
    return fold(network, {"minus": {"pe": 3}, "sign": {"pe": 4}, "fc": {"pe": 2, "simd": 2}})


@pytest.mark.long
def test_a_new_kind_needs_a_file_per_level_and_the_list(negate: type[Node], tmp_path: Path) -> None:
    assert [missing(negate, level) for level in LEVELS] == [None] * len(LEVELS)
    network = network_with(negate)
    save_network(network, tmp_path / "toy.xnf")
    loaded = load(tmp_path / "toy.xnf")
    assert [node.kind for node in loaded.nodes][:1] == ["Negate"]
    frames = random_frames(loaded, 12)
    expected, values = hwsim.reference.evaluate(loaded, frames), hwsim.packed.evaluate(loaded, frames)
    assert (expected["minus -> sign.width"] == -frames).all()
    assert all((values[name] == expected[name]).all() for name in expected)
    assert 0 < expected["fc -> bits"].mean() < 1
    for stalls in (None, random_stalls(loaded, 3)):
        result = verify_rtl(loaded, frames, stalls=stalls, simulator="amaranth")
        assert result.passed, str(result)
    assert "minus" in verilog(loaded)
    assert all(node_cost(loaded.node("minus"), family).ffs > 0 for family in FAMILIES)
    assert fold_to_interval(loaded, 4)["minus"] == {"pe": 2}


@pytest.mark.parametrize(("package", "folder"), TOY_LEVELS.items(), ids=TOY_LEVELS.values())
def test_a_level_that_lacks_a_kind_is_named(
    package: ModuleType, folder: str, negate: type[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = package.__name__
    sys.modules.pop(f"{lacking}.negate", None)
    monkeypatch.setattr(package, "__path__", [path for path in package.__path__ if path != str(TOY / folder)])
    sentence = f"Node kind Negate must have a module {lacking}.negate, not none"
    assert [missing(negate, level) for level in LEVELS] == [sentence if level == lacking else None for level in LEVELS]
    if lacking == "rtl.components":
        with pytest.raises(TypeError, match=rf"^{sentence}$"):
            component_of(network_with(negate).node("minus"))


def test_a_module_without_the_function_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from hwsim.reference import add

    monkeypatch.delattr(add, "add")
    sentence = r"^Module hwsim\.reference\.add of node kind Add must have 'add', not lack it$"
    with pytest.raises(TypeError, match=sentence):
        implementation(dataflow.Add, "hwsim.reference")
