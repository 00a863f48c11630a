"""Damaged files of every input format: one sentence, no traceback, in bounded time and memory, with nothing left.

``XNORFLOW_FUZZ=3000 pytest -m slow tests/fuzz`` tries 3,000 files; `XNORFLOW_FUZZ_SEED` is the first seed.
"""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from random import Random

import numpy as np
import onnx
import pytest

from dataflow import Network, board_outputs, fold, save_network
from sim_tests.cases import dense_network
from sim_tests.conv_cases import conv_network
from tests.fuzz.mutations import MUTATIONS, damaged_bytes
from tests.fuzz.runs import context, outcome_of
from tests.quant.lowering import case_models
from tests.quant.lowering.oracle import Builder
from xnorflow.timing import timing_of

RUNS, SEED = int(os.environ.get("XNORFLOW_FUZZ", "120")), int(os.environ.get("XNORFLOW_FUZZ_SEED", "0"))

RECIPE = """dataset = "mnist-sample"
hidden = [8]
epochs = 1
batch_size = 100
method = "bnn"
learning_rate = 0.01
seed = 1
shift = 1
flip = false
threads = 1
validation = 0.1
rates = { "fc*" = 0.1 }
"""
FOLDING = """[nodes.fc0]
pe = 2
simd = 3
[nodes.fc1]
pe = 4
[fifos]
"fc1.width -> fc1" = 4
"""


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("originals")
    save_network(fold(dense_network((12, 6, 4), outputs="both"), {"fc0": {"pe": 2, "simd": 4}}), folder / "dense.xnf")
    save_network(conv_network((6, 5, 3), (4, 5), padding=(1, 1, 1, 1), pool=(2, 2)), folder / "conv.xnf")
    builders = {
        "average": case_models.average_meets_bits,
        "shuffle": case_models.shuffle,
        "bits": case_models.few_bits,
        "add": case_models.quantized_add,
        "float": case_models.unequal_add,
    }
    for name, build in builders.items():
        onnx.save(build(case_models.image()), folder / f"{name}.onnx")
    onnx.save(case_models.thermometer(case_models.vector()), folder / "thermometer.onnx")
    np.save(folder / "frames.npy", np.random.default_rng(0).integers(0, 256, (2, 12)).astype(np.uint8))
    (folder / "recipe.toml").write_text(RECIPE)
    (folder / "folding.toml").write_text(FOLDING)
    onnx.save(codes_of_onnx(), folder / "codes.onnx")
    onnx.save(in_functions(case_models.quantized_add(case_models.image())), folder / "functions.onnx")
    random = np.random.default_rng(0)
    parts = {"train": 40, "test": 20}
    images = {f"{part}_images": random.integers(0, 256, (n, 3, 4, 1), np.uint8) for part, n in parts.items()}
    np.savez(folder / "data.npz", **images, **{f"{part}_labels": np.arange(n) % 4 for part, n in parts.items()})
    images = {f"{part}_images": random.integers(0, 256, (n, 6, 6, 2), np.uint8) for part, n in parts.items()}
    np.savez(folder / "plain.npz", **images, **{f"{part}_labels": np.arange(n) % 4 for part, n in parts.items()})
    plain = dense_network((12, 6, 4))
    save_network(plain, folder / "plain.xnf")
    (folder / "bitstream.json").write_text(json.dumps(figures_of(plain)))
    model = case_models.few_bits(case_models.image())
    metrics = {
        "accuracy": 0.5,
        "test_frames": 20,
        "data": {"name": "mine"},
        "sha256": hashlib.sha256(model.SerializeToString()).hexdigest(),
        "recipe": {"padding": "zero", "kernel": 3},
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def codes_of_onnx() -> onnx.ModelProto:
    """Return a model with ONNX's own quantizers, whose codes are clipped, and with stored codes as weights."""
    net, random = Builder((1, 2, 6, 6)), np.random.default_rng(1)
    zero, scale = net.constant(0, np.int8), net.constant(0.03125)

    def rounded(x: str) -> str:
        codes = net("Clip", net("QuantizeLinear", x, scale, zero), net.constant(-4, np.int8), net.constant(3, np.int8))
        return net("DequantizeLinear", codes, scale, zero)

    weights = net("DequantizeLinear", net.constant(random.integers(-3, 4, (4, 2, 3, 3)), np.int8), scale, zero)
    x = net("Flatten", rounded(net("Conv", rounded(net.input), weights)))
    weights = net("DequantizeLinear", net.constant(random.integers(-3, 4, (5, 64)), np.int8), scale, zero)
    return net.model(net("Gemm", x, weights, transB=1))


def in_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose nodes are functions, each of which calls the one with the operator."""
    nodes = list(model.graph.node)
    del model.graph.node[:]
    domains = {node.domain for node in nodes}
    opsets = [each for each in model.opset_import if each.domain in domains]
    for number, node in enumerate(nodes):
        taken = list(dict.fromkeys(name for name in node.input if name))
        call = onnx.helper.make_node(f"inner{number}", taken, list(node.output), domain="ours")
        ours = onnx.helper.make_opsetid("ours", 1)
        model.functions.extend(
            [
                onnx.helper.make_function("ours", f"inner{number}", taken, list(node.output), [node], opsets),
                onnx.helper.make_function("ours", f"outer{number}", taken, list(node.output), [call], [ours]),
            ]
        )
        model.graph.node.append(
            onnx.helper.make_node(f"outer{number}", taken, list(node.output), name=node.name, domain="ours")
        )
    model.opset_import.append(onnx.helper.make_opsetid("ours", 1))
    return model


def figures_of(network: Network) -> dict[str, object]:
    """Return the figures of a build."""
    timing = timing_of(board_outputs(network))
    hop = {"place": "fc0", "cell": "popcount_0", "logic_ns": 1.5, "routing_ns": 2.5}
    return {
        "network": network.name,
        "board": "icebreaker",
        **{"luts": 1000, "ffs": 800, "brams": 5, "dsps": 0},
        **{"latency": timing.latency, "interval": timing.interval},
        **{"clock_mhz": 24.0, "fmax_mhz": 40.0, "timing_met": True},
        **{"critical_path": [hop, hop], "critical_ns": 8.0, "critical_way": "fc0"},
    }


def originals_of(folder: Path) -> list[Path]:
    """Return the files that are damaged."""
    return sorted(path for path in folder.iterdir() if path.stem != "plain")


def place(original: Path, content: bytes, folder: Path) -> str:
    """Write a file and what it needs beside it, and return its name."""
    damaged = folder / (original.name if original.suffix == ".json" else f"damaged{original.suffix}")
    if original.name == "metrics.json":
        shutil.copy(original.parent / "bits.onnx", folder / "model.onnx")
    if original.suffix == ".npz":
        (folder / "recipe.toml").write_text(RECIPE.replace('"mnist-sample"', f'"{damaged.name}"'))
    damaged.write_bytes(content)
    return damaged.name


def command_of(original: Path, damaged: str, random: Random) -> list[str]:
    plain = str(original.parent / "plain.xnf")
    if original.suffix == ".onnx":
        images = str(original.parent / "plain.npz")
        quantize = ["quantize", damaged, "-o", "q.onnx", "--dataset", images, "--frames", "8", "--test-frames", "4"]
        lowerings = (["lower", damaged, "-o", "out.xnf"], ["lower", damaged, "--check"])
        return random.choice((*lowerings, quantize) if original.stem in {"float", "codes", "add"} else lowerings)
    if original.suffix == ".json":
        page = ["report", plain, "-o", "page.html"]
        builds = (["show", plain, "--build", "."], [*page, "--build", "."])
        return random.choice(builds) if original.name == "bitstream.json" else ["lower", ".", "-o", "out.xnf"]
    if original.suffix == ".npz":
        return ["train", "recipe.toml", "--out", f"{damaged}/run"]
    if original.suffix == ".npy":
        return ["simulate", plain, "--input", damaged]
    if original.name == "folding.toml":
        return ["fold", plain, "-o", "out.xnf", "--config", damaged]
    if original.name == "recipe.toml":
        return ["train", damaged, "--out", f"{damaged}/run"]  # no folder: all is read and checked, nothing trained
    return random.choice(
        (
            ["show", damaged],
            ["fold", damaged, "-o", "out.xnf", "--interval", "40"],
            ["simulate", damaged, "--frames", "2"],
            ["verilog", damaged, "-o", "rtl"],
            ["report", damaged, "-o", "page.html"],
        )
    )


@pytest.mark.slow
def test_the_files_themselves_are_accepted(originals: Path, tmp_path: Path) -> None:
    made = context()
    for original in originals_of(originals):
        for seed in range(6 if original.suffix == ".xnf" else 2):
            folder = tmp_path / f"{original.name}{seed}"
            folder.mkdir()
            args = command_of(original, place(original, original.read_bytes(), folder), Random(seed))
            outcome = outcome_of(made, args, folder)
            if args[0] == "train":  # all was read
                assert re.search(r"^error: .*folder", outcome.errors, re.MULTILINE), outcome
            else:
                refused = original.stem == "float" and args[0] == "lower"
                assert outcome.code == (2 if refused else 0), (args, outcome)


@pytest.mark.slow
def test_damaged_files_end_in_one_sentence(originals: Path, tmp_path: Path) -> None:
    made, findings = context(), []
    names = originals_of(originals)
    for seed in range(SEED, SEED + RUNS):
        random = Random(seed)
        original = random.choice(names)
        mutate = damaged_bytes if random.random() < 0.2 else MUTATIONS[original.suffix]
        folder = tmp_path / f"run{seed}"
        folder.mkdir()
        args = command_of(original, place(original, mutate(original.read_bytes(), random), folder), random)
        outcome = outcome_of(made, args, folder)
        finding = outcome.finding(sentences=100 if args[0] == "lower" else 1)  # `lower` names all that it refuses
        if finding is None:
            for path in folder.iterdir():
                if path.is_file():
                    path.unlink()
        else:
            findings.append(f"seed {seed}, {original.name}: {' '.join(args)}: {finding}\n{outcome.errors[-600:]}")
    assert not findings, f"{len(findings)} findings\n" + "\n".join(findings[:20])
