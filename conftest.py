"""Settings of all tests, and what the simulations among them share."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from sim_tests.simulators import RUNTIME_VARIABLE

# How long an example takes depends on the machine and on what else it does: no test asserts on time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def verilator_runtime(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[None]:
    """Compile Verilator's run-time library once for the suite: it costs more than a small design."""
    base = tmp_path_factory.getbasetemp()
    folder = base if worker_id == "master" else base.parent  # that of all workers
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RUNTIME_VARIABLE, os.environ.get(RUNTIME_VARIABLE) or str(folder / "verilator-runtime"))
        yield
