"""What the simulations of the suite share."""

import os

import pytest

from sim_tests.simulators import RUNTIME_VARIABLE


@pytest.fixture(scope="session", autouse=True)
def verilator_runtime(tmp_path_factory: pytest.TempPathFactory, worker_id: str):
    """Compile Verilator's run-time library once for the suite: it costs more than a small design."""
    base = tmp_path_factory.getbasetemp()
    folder = base if worker_id == "master" else base.parent  # that of all workers
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RUNTIME_VARIABLE, os.environ.get(RUNTIME_VARIABLE) or str(folder / "verilator-runtime"))
        yield
