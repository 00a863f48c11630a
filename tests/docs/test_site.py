"""The site builds without a warning, loads nothing from elsewhere, and has every public name."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from sphinx.util.inventory import InventoryFile

pytestmark = [pytest.mark.slow]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs", "-d", str(folder / "cache")]
    built = subprocess.run([*command, ".", str(folder / "html")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (built.returncode, built.stderr) == (0, "")
    return folder / "html"


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        loaded = re.findall(r"<(?!a\b)\w+[^>]*\b(?:src|srcset|href)=\"([^\"]*)\"", page.read_text(encoding="utf-8"))
        assert not [each for each in loaded if re.match(r"(\w+:)?//", each)], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"@import|url\(['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_the_front_page(site: Path) -> None:
    (target,) = re.findall(r"url=([^\"]*)", (site / "index.html").read_text(encoding="utf-8"))
    assert "Getting started" in (site / target).read_text(encoding="utf-8")


def test_every_public_name_is_described(site: Path) -> None:
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="").data
    described = {name for kind, names in inventory.items() if kind.startswith("py:") for name in names}
    for page in (ROOT / "docs" / "api").glob("*.rst"):
        module = import_module(page.stem)
        assert {f"{page.stem}.{name}" for name in module.__all__ if not name.startswith("__")} <= described
