"""MatrixVector on packed tensors."""

from dataflow import MatrixVector
from hwsim.packed._matrices import grouped_product, product
from hwsim.packed._tensors import Tensor, Windows

__all__ = ["matrix_vector"]


def matrix_vector(node: MatrixVector, x: Tensor | Windows) -> Tensor:
    """Multiply the node's matrix with the vector at each position, in compiled tiles."""
    return grouped_product(node, x.plain) if node.groups > 1 else product(node, x.windows)
