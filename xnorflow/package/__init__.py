"""A network as a package for designs of one's own: Verilog, a testbench, constraints, and a description."""

from xnorflow.package.folder import write_folder
from xnorflow.package.package import FILES, Package, package_of, write_package

__all__ = ["FILES", "Package", "package_of", "write_folder", "write_package"]
