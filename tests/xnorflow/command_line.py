"""Running a command as from a shell."""

import pytest

from xnorflow.__main__ import main


def run(*args: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(arg) for arg in args])
    return int(stop.value.code or 0)
