"""A node kind that the project does not have, `Negate`: one file per level, as ``tests/test_kinds.py`` adds it."""
