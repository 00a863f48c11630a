"""The .xnf file: round trip, and the messages for damaged files."""

import copy
import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from dataflow import (
    BIPOLAR,
    Fifo,
    InputError,
    Integer,
    MatrixVector,
    Network,
    Stream,
    Terminal,
    fold,
    load,
    save_network,
    verify,
)
from hwsim import predict, simulate
from sim_tests.cases import CASES, Case, dense_network
from sim_tests.conv_cases import conv_network

NETWORK = replace(dense_network((12, 6, 4)), name="net")


#: Message about a file that is not a complete .xnf file, by its path.
INCOMPLETE = r"^Network file '{}' must be a complete \.xnf file, not one with: .+$"


def parts(network: Network) -> list[object]:
    """Return everything in a network, in a form that can be compared."""
    nodes = [
        (node.kind, [getattr(node, each.name) for each in fields(node) if each.name not in node.array_fields])
        for node in network.nodes
    ]
    scores = network.scores and (network.scores.node, network.scores.scale.tolist(), network.scores.bias.tolist())
    ends = network.inputs, network.outputs, network.frame_shape
    return [network.name, nodes, network.fifos, *ends, scores, dict(network.metadata)]


def arrays(network: Network) -> list[np.ndarray | None]:
    return [getattr(node, name) for node in network.nodes for name in node.array_fields]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_round_trip(case: Case, tmp_path: Path) -> None:
    network = replace(case.network(), metadata={"from": "a test", "clock": "48"})
    save_network(network, tmp_path / "net.xnf")
    back = load(tmp_path / "net.xnf")
    assert parts(back) == parts(network)
    for one, other in zip(arrays(back), arrays(network), strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            np.testing.assert_array_equal(one, other, strict=True)
    assert [path.name for path in tmp_path.iterdir()] == ["net.xnf"]


CONVOLUTIONS: dict[str, dict[str, Any]] = {
    "bits": {},
    "integers": {"integers": True},
    "zero-padding": {"zero": True},
    "groups": {"groups": 2, "zero": True, "sums": (True,)},
    "sum-pool": {"pool_kinds": ("sum",)},
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_round_trip_of_a_convolutional_network(name: str, tmp_path: Path) -> None:
    network = fold(
        conv_network(
            (9, 8, 2),
            (4, 6),
            kernel=(2, 3),
            stride=(1, 2),
            dilation=(2, 1),
            padding=(1, 0, 2, 1),
            pad=1,
            pool=(2, 1),
            **CONVOLUTIONS[name],
        ),
        {"conv0": {"pe": 2, "simd": 2}, "conv1.window": {"pe": 2}, "pool0": {"pe": 2}},
    )
    save_network(network, tmp_path / "net.xnf")
    assert written_version(tmp_path / "net.xnf") == (1 if name in {"bits", "integers"} else 2)
    back = load(tmp_path / "net.xnf")
    assert parts(back) == parts(network)
    for one, other in zip(arrays(back), arrays(network), strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            np.testing.assert_array_equal(one, other, strict=True)
    assert back.interval == network.interval


def written_version(path: Path) -> object:
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["xnorflow"])["format_version"]


def test_inert_lanes_come_back(tmp_path: Path) -> None:
    """Converters and ends may have parts: here the channels of a group at the input, its neurons at the output."""
    rng = np.random.default_rng(0)
    weights = rng.choice(np.array([-1, 1], np.int8), (10, 3))
    matrix = MatrixVector("m", weights, positions=(2,), operand=Integer(8), groups=2)
    ends = (Terminal("i", Stream(Integer(8), (2, 6))),), (Terminal("o", matrix.output_streams[0]),)
    bare = verify(Network("net", (matrix,), (Fifo("i", "m"), Fifo("m", "o")), *ends))
    network = fold(bare, {"m": {"pe": 3, "simd": 2}})
    assert (network.inputs[0].stream.parts, network.outputs[0].stream.parts) == (2, 2)
    for each in (network, fold(NETWORK, {"fc0": {"pe": 4, "simd": 5}, "fc1": {"simd": 4}})):
        save_network(each, tmp_path / "net.xnf")
        assert written_version(tmp_path / "net.xnf") == 3
        assert parts(load(tmp_path / "net.xnf")) == parts(each)
    again = fold(network, {"m": {"pe": 5, "simd": 3}})
    assert (again.inputs[0].stream.parts, again.outputs[0].stream.parts) == (1, 1)


def test_a_file_names_the_oldest_version_that_knows_its_fields(tmp_path: Path) -> None:
    save_network(NETWORK, tmp_path / "net.xnf")
    assert written_version(tmp_path / "net.xnf") == 1

    def check(structure: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        entry = next(each for each in structure["nodes"] if each["kind"] == "MatrixVector")
        assert entry.keys() == {
            *("kind", "name", "weights", "thresholds", "pe", "simd", "positions", "operand"),
        }

    loaded_after(check, tmp_path)


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_network(NETWORK, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_without_scores_and_frame_shape(tmp_path: Path) -> None:
    save_network(replace(NETWORK, scores=None, frame_shape=()), tmp_path / "net.xnf")
    back = load(tmp_path / "net.xnf")
    assert back.scores is None
    assert back.frame_shape == ()


def test_a_path_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    missing, folder = tmp_path / "missing" / "net.xnf", tmp_path / "folder"
    folder.mkdir()
    root = Path(tmp_path.anchor)
    for path, cause in ((missing, "No such file or directory"), (folder, "Is a directory"), (root, "Is a directory")):
        with pytest.raises(InputError, match=rf"^Network file '{path}' must be writable, not: {cause}$"):
            save_network(NETWORK, path)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_an_old_file_stays_whole_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.xnf"
    save_network(NETWORK, path)
    before = path.read_bytes()

    def fail(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(InputError, match=r"^Network file '.*' must be writable, not: No space left on device$"):
        save_network(replace(NETWORK, name="other"), path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["net.xnf"]


Change = Callable[[dict[str, Any], dict[str, np.ndarray]], None]


def loaded_after(change: Change, tmp_path: Path) -> Network:
    """Load the network's file after a change to its structure or its tensors."""
    path = tmp_path / "net.xnf"
    save_network(NETWORK, path)
    with safe_open(path, framework="numpy") as file:
        structure = json.loads(file.metadata()["xnorflow"])
        tensors = {name: file.get_tensor(name) for name in file.offset_keys()}
    structure = copy.deepcopy(structure)
    change(structure, tensors)
    path.write_bytes(save(tensors, metadata={"xnorflow": json.dumps(structure)}))
    return load(path)


def refused(change: Change, tmp_path: Path, sentence: str) -> None:
    with pytest.raises(InputError, match=rf"^Network file '{tmp_path / 'net.xnf'}' {sentence}$"):
        loaded_after(change, tmp_path)


@pytest.mark.parametrize("version", [8, 0, "1", True, None])
def test_other_versions(version: object, tmp_path: Path) -> None:
    sentence = rf"^Format version of '{tmp_path / 'net.xnf'}' must be at most 7, not {version!r}: update xnorflow$"
    with pytest.raises(InputError, match=sentence):
        loaded_after(lambda structure, _: structure.update(format_version=version), tmp_path)


@pytest.mark.parametrize("entry", ["name", "nodes", "fifos", "inputs", "outputs", "frame_shape", "scores", "metadata"])
def test_missing_entries(entry: str, tmp_path: Path) -> None:
    refused(lambda structure, _: structure.pop(entry), tmp_path, f"must have '{entry}', not lack it")


def node(structure: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entry for entry in structure["nodes"] if entry["name"] == name)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s, t: t.update(extra=np.zeros(1)), "Tensors must all belong to the structure, not 'extra'"),
        (lambda s, t: t.pop("fc0.weights"), "weights of node 'fc0' must be a tensor of the file, not missing"),
        (
            lambda s, t: t.update({"fc0.weights": t["fc0.weights"][:, :3]}),
            r"thresholds of node 'fc0' must be 0 to 4, not \(0, 13\)",
        ),
        (
            lambda s, t: t.update({"fc1.weights": t["fc1.weights"][:, :3]}),
            r"Node 'fc1' must read what 'fc0' writes \(bipolar 6, 1 at once\), not \(bipolar 3, 1 at once\)",
        ),
        (
            lambda s, t: t.update({"scores.bias": t["scores.bias"] * np.nan}),
            "Scores' bias must be finite, not nan",
        ),
        (
            lambda s, t: node(s, "fc0").update(kind="Node"),
            "Kind of node 'fc0' must be one this version knows, not 'Node'",
        ),
        (
            lambda s, t: node(s, "fc0").update(kind="Conv"),
            "Kind of node 'fc0' must be one this version knows, not 'Conv'",
        ),
        (lambda s, t: node(s, "fc0").update(kind=None), "Kind of node 'fc0' must be one this version knows, not None"),
        (
            lambda s, t: node(s, "fc0").update(kind="popcount_stages"),
            "Kind of node 'fc0' must be one this version knows, not 'popcount_stages'",
        ),
        (
            lambda s, t: node(s, "binarize").update(element="float8"),
            "Element must be bipolar, intN or uintN, not 'float8'",
        ),
        (lambda s, t: node(s, "binarize").update(element="uint99"), "Integer width must be 1 to 63, not 99"),
        (
            lambda s, t: node(s, "binarize").update(shape=[]),
            r"shape of node 'binarize' must be positive sizes, not \(\)",
        ),
        (lambda s, t: node(s, "fc0").update(pe=7), "pe of node 'fc0' must be 1 to 6, the number of its neurons, not 7"),
        (
            lambda s, t: node(s, "fc0").update(pe="2"),
            "pe of node 'fc0' must be 1 to 6, the number of its neurons, not '2'",
        ),
        (
            lambda s, t: node(s, "fc0").update(weight_element="uint2"),
            "weight_element of node 'fc0' must be bipolar or int2 to int8, not 'uint2'",
        ),
        (lambda s, t: node(s, "fc0").update(name="fc1"), "Name of a node must be unique, .*, not 'fc1'"),
        (
            lambda s, t: s["fifos"][0].update(depth=0),
            "Depth of FIFO 'input -> binarize' must be at least 1, not 0",
        ),
        (lambda s, t: s["fifos"].pop(), "Output 0 of 'arg_max' must have exactly one FIFO, not 0"),
        (
            lambda s, t: s["scores"].update(node="fc9"),
            "Scores of network 'net' must come from one of its nodes, not 'fc9'",
        ),
        (lambda s, t: s.update(scores=None), r"Tensors must all belong to the structure, not 'scores\.bias'"),
        (lambda s, t: s.update(name=3), "Name of a network must be a text, not 3"),
        (lambda s, t: s.update(frame_shape=[5]), r"Frame shape of network 'net' must have 12 numbers, not \(5,\)"),
        (
            lambda s, t: s["inputs"][0]["stream"].update(lanes=13),
            "Stream lanes must be 1 to 12, the channels of a vector, not 13",
        ),
    ],
)
def test_structures_that_disagree(change: Change, sentence: str, tmp_path: Path) -> None:
    refused(change, tmp_path, f"is inconsistent: {sentence}")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s, t: node(s, "fc0").pop("pe"), None),
        (lambda s, t: node(s, "fc0").pop("weights"), "must have 'weights', not lack it"),
        (lambda s, t: t.pop("scores.scale"), r"must have 'scores\.scale', not lack it"),
        (
            lambda s, t: t.update({"fc0.weights": t["fc0.weights"].astype(np.float32)}),
            "must hold the right kinds of values, not: Arrays of a node must hold integers, not float32",
        ),
        (lambda s, t: node(s, "fc0").update(seed=1), "must hold the right kinds of values, not: .*'seed'"),
        (lambda s, t: s.update(nodes=5), "must hold the right kinds of values, not: .*"),
        (lambda s, t: s.update(nodes=[5]), "must hold the right kinds of values, not: .*"),
        (lambda s, t: s.update(nodes="abc"), "must hold the right kinds of values, not: .*"),
        (lambda s, t: s.update(metadata=[1]), "must hold the right kinds of values, not: .*"),
        (lambda s, t: node(s, "binarize").update(element=8), "must hold the right kinds of values, not: .*"),
    ],
)
def test_structures_of_another_form(change: Change, sentence: str | None, tmp_path: Path) -> None:
    if sentence is None:  # a field with a default may be left out
        assert parts(loaded_after(change, tmp_path)) == parts(NETWORK)
    else:
        refused(change, tmp_path, sentence)


def test_missing_file(tmp_path: Path) -> None:
    for path in (tmp_path / "no.xnf", tmp_path):
        with pytest.raises(InputError, match=rf"^Network file must exist, not '{path}'$"):
            load(path)


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> object:
        raise PermissionError(13, "Permission denied")

    save_network(NETWORK, tmp_path / "net.xnf")
    monkeypatch.setattr("dataflow.file.safe_open", refuse)
    sentence = rf"^Network file '{tmp_path / 'net.xnf'}' must be readable, not: Permission denied$"
    with pytest.raises(InputError, match=sentence):
        load(tmp_path / "net.xnf")


def test_truncated_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "net.xnf"
    save_network(NETWORK, path)
    whole = path.read_bytes()
    for size in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=INCOMPLETE.format(path)):
            load(path)


def test_other_files(tmp_path: Path) -> None:
    path = tmp_path / "net.xnf"
    for content in (b"PK\x03\x04" * 50, save({"a": np.zeros(2)}, metadata={"xnorflow": "{"})):
        path.write_bytes(content)
        with pytest.raises(InputError, match=INCOMPLETE.format(path)):
            load(path)
    for content in (save({"a": np.zeros(2)}), save({}, metadata={"xnorflow": "[]"})):
        path.write_bytes(content)
        sentence = rf"^Network file '{path}' must be an \.xnf file, not another safetensors file$"
        with pytest.raises(InputError, match=sentence):
            load(path)


def test_the_weights_element_is_stored_only_if_it_is_another(tmp_path: Path) -> None:
    save_network(NETWORK, tmp_path / "net.xnf")
    with safe_open(tmp_path / "net.xnf", framework="numpy") as file:
        assert "weight_element" not in file.metadata()["xnorflow"]
    loaded = load(tmp_path / "net.xnf").node("fc0")
    assert isinstance(loaded, MatrixVector)
    assert loaded.weight_element == BIPOLAR
    assert loaded.weight_bits == loaded.weights.size


def test_integer_weights_come_back(tmp_path: Path) -> None:
    weights = np.array([[-2, 1, 0], [1, -1, 1]], np.int8)
    node = MatrixVector("m", weights, operand=Integer(8), weight_element=Integer(2, signed=True))
    ends = (Terminal("i", node.input_streams[0]),), (Terminal("o", node.output_streams[0]),)
    network = verify(Network("net", (node,), (Fifo("i", "m"), Fifo("m", "o")), *ends))
    save_network(network, tmp_path / "net.xnf")
    assert written_version(tmp_path / "net.xnf") == 5
    back = load(tmp_path / "net.xnf").node("m")
    assert isinstance(back, MatrixVector)
    assert back.weight_element == Integer(2, signed=True)
    np.testing.assert_array_equal(back.weights, weights, strict=True)


SAMPLES = Path(__file__).parent / "samples"


@pytest.mark.parametrize(
    ("version", "scores", "cycles"),
    [
        (1, [[-1, 1, 1], [-1, 1, 1], [3, 1, -3], [-3, -1, 3]], 64),
        (2, [[-8, 0, -12], [8, -8, -8], [-4, -4, -8], [-4, -4, -4]], 1240),
        (3, [[-2, 4, 2, 0], [-4, 2, 0, 2], [-4, 2, 0, 2], [-2, 4, 2, 0]], 220),
    ],
)
def test_files_of_earlier_versions_open(version: int, scores: list[list[int]], cycles: int) -> None:
    path = SAMPLES / f"version{version}.xnf"
    assert written_version(path) == version
    network = load(path)
    stream = network.inputs[0].stream
    frames = (np.arange(4 * stream.size) * 37 % 256).reshape(4, *stream.shape)
    prediction = predict(network, frames)
    assert prediction.scores is not None
    assert prediction.scores.tolist() == scores
    assert simulate(network, 4).total == cycles
