"""A network as a package for designs of one's own: Verilog, a testbench, constraints, and a description."""

from xnorflow.package.folder import require_folder, write_folder
from xnorflow.package.package import FILES, Package, package_of

__all__ = ["FILES", "Package", "package_of", "require_folder", "write_folder"]
