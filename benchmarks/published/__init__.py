"""Binary networks in plain torch as their authors write them, trained shortly on CIFAR-10 and exported.

Stems, shortcuts and classifiers are float, so `xnorflow quantize` has all of its work to do on them.
"""

from benchmarks.published.bireal import BiReal
from benchmarks.published.meliusnet import MeliusNet
from benchmarks.published.reactnet import ReActNet

__all__ = ["NETWORKS", "BiReal", "MeliusNet", "ReActNet"]

#: The networks by name.
NETWORKS = {"bireal": BiReal, "reactnet": ReActNet, "meliusnet": MeliusNet}
