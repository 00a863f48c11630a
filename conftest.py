"""Settings of all tests, and what the simulations among them share."""

import gc
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from sim_tests.simulators import RUNTIME_VARIABLE
from tests.examples import MANY, QUICK

# How long an example takes depends on the machine and on what else it does: no test asserts on time.
for profile, count in (("test", 100), (QUICK, 20), (MANY, 150)):
    settings.register_profile(profile, max_examples=count, deadline=None, print_blob=True)
settings.load_profile("test")

#: Files whose tests take half a minute and more.
LONGEST = (
    *("notebooks/", "sim_tests/test_random.py", "sim_tests/test_sizes.py"),
    *("tests/xnorflow/test_zoo_rtl.py", "tests/rtl/bitstream/test_boards.py"),
)

#: Files all of whose tests are slow.
SLOW = ("notebooks/",)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import a file in which all tests train, where none is wanted: PyTorch and qonnx take seconds to import."""
    if collection_path.suffix != ".py" or "not train" not in config.getoption("markexpr"):
        return None
    return (
        True if re.search(r"^pytestmark = .*pytest\.mark\.train", collection_path.read_text(), re.MULTILINE) else None
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave notebooks to the slow suite, and run the longest tests first.

    At the end, one worker would wait for the other.
    """
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


def pytest_collection_finish() -> None:
    """Leave all that was imported and collected out of garbage collections: they took a twentieth of the suite."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def verilator_runtime(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[None]:
    """Compile Verilator's run-time library once for the suite: it costs more than a small design."""
    base = tmp_path_factory.getbasetemp()
    folder = base if worker_id == "master" else base.parent  # that of all workers
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RUNTIME_VARIABLE, os.environ.get(RUNTIME_VARIABLE) or str(folder / "verilator-runtime"))
        yield
