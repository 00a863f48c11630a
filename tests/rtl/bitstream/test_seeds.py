"""Several placements, of which the fastest is kept, with a program that stands for nextpnr."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from threading import Timer

import pytest

from dataflow import InputError, ToolError
from rtl.bitstream.seeds import checked_seeds, place_and_route

#: Writes what nextpnr writes, with a clock that depends on the seed; with some seeds it fails.
NEXTPNR = f"""#!{sys.executable}
import json, pathlib, sys
seed = int(sys.argv[sys.argv.index("--seed") + 1])
assert json.loads(pathlib.Path("top.json").read_text()) == {{"design": 1}}
pathlib.Path("top.tim").write_text(f"seed {{seed}}")
print("placed with", seed)
clocks = {{3: 30.0, 4: 41.5, 5: 41.5, 6: 20.0}}
if seed not in clocks:
    sys.exit(f"ERROR: seed {{seed}} cannot be routed")
pathlib.Path("top.asc").write_text(str(seed))
pathlib.Path("report.json").write_text(
    json.dumps({{"fmax": {{"clk": {{"achieved": clocks[seed], "constraint": 24.0}}}}}})
)
"""

COMMAND = ["nextpnr-ice40", "--json", "top.json", "--seed", "1", "--report", "report.json"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "nextpnr"
    program.write_text(NEXTPNR)
    program.chmod(0o755)
    monkeypatch.setenv("NEXTPNR_ICE40", str(program))
    work = tmp_path / "work"
    work.mkdir()
    (work / "top.json").write_text(json.dumps({"design": 1}))
    (work / "top.pcf").write_text("")
    (work / "tools.log").write_text("synthesis\n")
    return work


@pytest.mark.parametrize("seeds", [range(4, 5), range(3, 7), range(5, 9), range(2, 5)])
def test_the_fastest_is_kept_and_of_equals_the_first(folder: Path, seeds: range) -> None:
    told: list[str] = []
    found = place_and_route(COMMAND, folder, seeds, 24.0, told.append, lambda share: None)
    clocks = {seed: {3: 30.0, 4: 41.5, 5: 41.5, 6: 20.0}[seed] for seed in seeds if seed in range(3, 7)}
    assert found == clocks
    best = max(clocks, key=lambda seed: (clocks[seed], -seed))
    assert next(iter(found)) == best
    assert (folder / "top.asc").read_text() == str(best)
    assert (folder / "top.tim").read_text() == f"seed {best}"
    assert json.loads((folder / "report.json").read_text())["fmax"]["clk"]["achieved"] == clocks[best]
    assert (folder / "tools.log").read_text() == f"synthesis\nplaced with {best}\n"
    assert sorted(file.name for file in folder.iterdir()) == [
        "report.json", "tools.log", "top.asc", "top.json", "top.pcf", "top.tim",
    ]  # fmt: skip
    if len(seeds) > 1:
        assert told[0] == f"place and route (nextpnr-ice40): seeds {', '.join(map(str, seeds))}"
        results = {f"seed {seed}: {mhz:.2f} MHz" for seed, mhz in clocks.items()}
        failures = {
            f"seed {s}: nextpnr-ice40 failed: ERROR: seed {s} cannot be routed" for s in seeds if s not in clocks
        }
        assert set(told[1:]) == results | failures


def test_no_seed_that_routes(folder: Path) -> None:
    with pytest.raises(ToolError, match=r"^nextpnr-ice40 failed: ERROR: seed 7 cannot be routed$"):
        place_and_route(COMMAND, folder, range(7, 10), 24.0, lambda text: None, lambda share: None)
    assert (folder / "top.tim").read_text() == "seed 7"


def test_an_interruption_ends_all_of_them(folder: Path) -> None:
    program = folder.parent / "nextpnr"
    program.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(300)\n")
    start = time.monotonic()
    timer = Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    # A shell lets programs in the background ignore interruptions.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            place_and_route(COMMAND, folder, range(1, 7), 24.0, lambda text: None, lambda share: None)
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - start < 60


def test_numbers_of_seeds() -> None:
    assert checked_seeds(3, 2) == range(3, 5)
    with pytest.raises(InputError, match=r"^Seeds must be at least 1, not 0$"):
        checked_seeds(1, 0)
    with pytest.raises(InputError, match=r"^Seed must be at least 0, not -1$"):
        checked_seeds(-1, 2)
