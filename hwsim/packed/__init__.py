"""The packed reference: the same values as `hwsim.reference`, with bits in 64-bit words.

Bits stay packed between layers. A tensor of bits is packed along its channels, so each position of a frame is a row
of whole words. Windows stay where they are in the image, unless somebody asks for them. Frames go through the network
in blocks that stay in a core's cache, as many at once as there are cores.

Each node kind has a function in a module of its own, both called by the kind's word.
"""

from hwsim.packed._tensors import Tensor, Windows, tensor_of
from hwsim.packed.network import apply, evaluate, evaluate_only

__all__ = ["Tensor", "Windows", "apply", "evaluate", "evaluate_only", "tensor_of"]
