"""Each package of an extra that our code imports is in the table from which a missing one gets its sentence."""

import ast
import sys
import tomllib
from pathlib import Path

from xnorflow.main import EXTRA_OF_PACKAGE

ROOT = Path(__file__).parents[2]
OURS = ("dataflow", "hwsim", "quant", "rtl", "sim_tests", "xnorflow", "zoo")

#: What the base install brings by other names, or with one of its dependencies.
BASE = {"google", "llvmlite", "click", "vcd"}

#: Only with tests, or only if it is there already.
ELSEWHERE = {"IPython", "_pytest", "hypothesis", "pytest"}


def imported() -> dict[str, Path]:
    """Return the packages that our modules import, each with a file that does."""
    found: dict[str, Path] = {}
    for path in (path for folder in OURS for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            found |= {name.partition(".")[0]: path for name in names}
    return found


def test_a_missing_package_of_an_extra_is_one_sentence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    base = {entry.partition(">")[0] for entry in project["dependencies"]}
    known = {*OURS, *base, *BASE, *ELSEWHERE, *sys.stdlib_module_names, "tests"}
    missing = {name: str(path) for name, path in imported().items() if name not in known | EXTRA_OF_PACKAGE.keys()}
    assert not missing
    assert set(EXTRA_OF_PACKAGE.values()) <= project["optional-dependencies"].keys()
