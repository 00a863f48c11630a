"""The arrows between the folders point one way."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[1]

OURS = {"dataflow", "quant", "hwsim", "rtl", "xnorflow", "sim_tests", "zoo", "benchmarks"}

#: What each place must not import, by the first part of the module's name.
FORBIDDEN = {
    "dataflow": (OURS - {"dataflow"}) | {"torch", "brevitas", "lightning", "onnx", "numba", "amaranth", "cocotb"},
    "hwsim": (OURS - {"hwsim", "dataflow"}) | {"torch", "brevitas", "lightning", "onnx", "amaranth", "cocotb"},
    "rtl": (OURS - {"rtl", "dataflow"}) | {"torch", "brevitas", "lightning", "onnx", "numba", "cocotb"},
    "quant": (OURS - {"quant", "dataflow"}) | {"numba", "amaranth", "cocotb"},
    "quant/lowering": (OURS - {"quant", "dataflow"})
    | {"torch", "brevitas", "lightning", "numba", "amaranth", "cocotb"},
    "sim_tests": (OURS - {"sim_tests", "rtl", "hwsim", "dataflow"}) | {"torch", "brevitas", "lightning"},
}

#: What may not be loaded by ``import xnorflow``, and is not there where training was not installed.
HEAVY = ("torch", "brevitas", "lightning", "numba")


def imports_of(path: Path) -> Iterator[str]:
    """Yield the names of all modules that a file imports, also inside functions."""
    for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, f"{path} must import by full names, not relative ones"
            assert statement.module is not None
            yield statement.module


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_no_module_imports_against_the_arrows(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imports_of(path)
        if name.split(".")[0] in FORBIDDEN[folder]
    ]
    assert not wrong, "\n".join(wrong)


def test_imports_inside_functions_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("import a.b\n\ndef f():\n    from c import d\n    if f:\n        import e as g\n")
    assert list(imports_of(path)) == ["a.b", "c", "e"]


def run(code: str) -> None:
    """Run code in a fresh interpreter and show what it says if it fails."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def modules_of(folder: str) -> list[str]:
    """Return the names of all modules of a folder."""
    names = (path.relative_to(ROOT).with_suffix("").parts for path in sorted((ROOT / folder).rglob("*.py")))
    return [".".join(parts[:-1] if parts[-1] == "__init__" else parts) for parts in names if parts[-1] != "__main__"]


@pytest.mark.parametrize("folder", ["dataflow", "hwsim", "rtl", "quant/lowering"])
def test_everything_but_training_imports_without_torch(folder: str) -> None:
    blocked = dict.fromkeys(["torch", "brevitas", "lightning"])
    imports = "\n".join(f"import {name}" for name in modules_of(folder))
    run(f"import sys\nsys.modules.update({blocked!r})\n{imports}")


def test_torch_is_really_blocked() -> None:
    with pytest.raises(AssertionError, match=r"import of torch halted"):
        run("import sys\nsys.modules['torch'] = None\nimport torch")


def test_the_command_line_loads_nothing_heavy() -> None:
    run(f"import sys, xnorflow\nassert not (loaded := set(sys.modules) & set({HEAVY!r})), loaded")


def test_the_description_loads_no_compiler() -> None:
    run(f"import sys, dataflow\nassert not (loaded := set(sys.modules) & set({HEAVY!r})), loaded")
