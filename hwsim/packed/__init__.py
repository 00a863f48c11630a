"""The packed reference: the same values as `hwsim.reference`, with bits in 64-bit words.

Bits stay packed between layers. A tensor of bits is packed along its channels, so each position of a frame is a row
of complete words. Windows are read in place from the image, and copied only on request. Frames pass through the
network in blocks that fit into a core's cache, one block per core at a time.

Each node kind has a function in a module of its own. Both have the kind's name in lower case.
"""

from hwsim.packed._tensors import Tensor, Windows, tensor_of
from hwsim.packed.network import apply, evaluate, evaluate_only

__all__ = ["Tensor", "Windows", "apply", "evaluate", "evaluate_only", "tensor_of"]
