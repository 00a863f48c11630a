"""A folder is locked by one process at a time."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dataflow import InputError
from dataflow.writing import locked

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no locks of folders there")

HOLD = """
import sys
from dataflow.writing import locked
with locked(sys.argv[1], "training"):
    print("held", flush=True)
    input()
"""


@pytest.mark.long
def test_another_process_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    rule = f"Output folder {str(tmp_path)!r} must not be in use by another training, which still runs"
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"^{re.escape(rule)}$"), locked(tmp_path, "training"):
            pass
        first.kill()
    with locked(tmp_path, "training"):
        pass
    assert not list(tmp_path.iterdir())
