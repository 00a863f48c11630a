"""The reference: one slow, obvious function per node kind on plain integers, kept for ever.

Every faster version is tested against these.
"""

from hwsim.reference.add import add
from hwsim.reference.arg_max import arg_max
from hwsim.reference.concat import concat
from hwsim.reference.fork import fork
from hwsim.reference.matrix_vector import matrix_vector
from hwsim.reference.max_pool import max_pool
from hwsim.reference.network import apply, evaluate
from hwsim.reference.sliding_window import sliding_window
from hwsim.reference.sum_pool import sum_pool
from hwsim.reference.threshold import threshold
from hwsim.reference.width_converter import width_converter

__all__ = [
    "add",
    "apply",
    "arg_max",
    "concat",
    "evaluate",
    "fork",
    "matrix_vector",
    "max_pool",
    "sliding_window",
    "sum_pool",
    "threshold",
    "width_converter",
]
