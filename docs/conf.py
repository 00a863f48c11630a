"""The documentation site, which `make docs` builds from the pages of docs/ and the docstrings."""

import re
from typing import Any

from sphinx.application import Sphinx

from xnorflow import __version__

project = "xnorflow"
copyright = "the authors of xnorflow, Apache-2.0"
version = release = __version__

# The sources are the whole repository: so relative links are the same in it and in the site.
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**", "notebooks/*.md"]
exclude_patterns = [".*", "build", "dist", "out", "runs", "node_modules"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3

# Texts in single backticks are links where there is something to link to, and code otherwise.
default_role = "py:obj"
highlight_language = "none"
smartquotes_action = "D"  # dashes only: quotes and dots are those of messages
autodoc_default_options = {"members": True, "imported-members": True}
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_attr_annotations = False
napoleon_custom_sections = [("Members", "params_style")]
python_maximum_signature_line_length = 80

html_theme = "furo"
html_title = "xnorflow"
html_extra_path = ["site"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False

#: Sections whose entries are ``name : text``.
NAMED = {"Parameters", "Attributes"}


def move_texts(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Put the text of ``name : text`` below the name, which napoleon takes for a type; types are annotations here."""
    if "Members" in lines:  # components have numpydoc's own form, with types
        return
    section = ""
    moved: list[str] = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if re.fullmatch(r"-{3,}", following):
            section = line
        found = re.fullmatch(r"([\w*][\w*, ]*) : (.+)", line) if section in NAMED else None
        moved += [found[1], f"    {found[2]}"] if found else [line]
    lines[:] = [re.sub(r"(?<=, )\*(?=\w)", r"\\*", line) for line in moved]  # (frames, *shape) begins no emphasis


def setup(app: Sphinx) -> None:
    """Move the texts before napoleon reads them."""
    app.connect("autodoc-process-docstring", move_texts, priority=400)
