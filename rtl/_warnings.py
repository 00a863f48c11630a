"""Keeps to ourselves what Amaranth says of components that were made and then not needed."""

import re
import warnings
from pathlib import Path

__all__ = ["ignore_unused_components"]


def ignore_unused_components() -> None:
    """Ignore ``UnusedElaboratable`` for the components that this package makes.

    A build that is refused or interrupted leaves components behind. Amaranth takes this for a forgotten submodule, and
    would tell a user about each of them. Components that other code makes are not concerned.
    """
    ours = re.escape(str(Path(__file__).parent))
    warnings.filterwarnings("ignore", r".* created but never used", Warning, module=ours)
