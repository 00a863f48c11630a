"""The reference: one slow, obvious function per node kind on plain integers, kept for ever.

Each stands in a module of its own; both are called by the kind's word. Every faster version is tested against these.
"""

from hwsim.reference.network import apply, evaluate

__all__ = ["apply", "evaluate"]
