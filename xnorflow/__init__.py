"""Binary neural networks from Brevitas to FPGA bitstreams, proved equal at every step."""

__version__ = "0.1.0"

__all__ = ["__version__"]
