"""The reference: one slow, obvious function per node kind on plain integers.

Each function is in a module of its own. Both have the kind's name in lower case. Every faster version is tested against
the reference, so it is never optimized.
"""

from hwsim.reference.network import apply, evaluate

__all__ = ["apply", "evaluate"]
