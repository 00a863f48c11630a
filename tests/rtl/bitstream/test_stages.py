"""The stages of Yosys and nextpnr, read from logs that grow."""

from pathlib import Path

from rtl.bitstream.stages import LogWatch

ROUTED = """Info: Packing constants..
Info: Packing IOs..
Info: Running main analytical placer, max placement attempts per cell = 176121.
Info: Routing..
Info: Routing 3000 arcs.
Info:            |   (re-)routed arcs  |   delta    | remaining|       time spent     |
Info:       1000 |      114        882 |  114   882 |      2250|       0.51       0.51|
Info:       4797 |      845       3837 |   72   712 |         0|       0.72       2.20|
Info: Packing of nothing
"""


def test_stages_of_place_and_route(tmp_path: Path) -> None:
    log, said = tmp_path / "top.tim", []
    watch = LogWatch(log, "nextpnr-ice40", said.append, said.append)
    watch.look()
    assert said == []
    for start in range(0, len(ROUTED), 7):  # however the log is cut
        with log.open("a") as file:
            file.write(ROUTED[start : start + 7])
        watch.look()
    assert said == ["packing of cells", "placement", "routing", 0.25, 1.0]


def test_stages_of_synthesis_may_be_skipped(tmp_path: Path) -> None:
    (tmp_path / "top.rpt").write_text("2.5. Executing ABC9 pass.\n2.6. Executing FLATTEN pass (flatten design).\n")
    said: list[str] = []
    LogWatch(tmp_path / "top.rpt", "yosys", said.append, lambda share: None).look()
    assert said == ["logic cells"]


def test_other_programs_have_no_stages(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text(ROUTED)
    said: list[object] = []
    LogWatch(tmp_path / "x.log", "icepack", said.append, lambda share: None).look()
    assert said == []
