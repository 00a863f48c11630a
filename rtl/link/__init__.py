"""The serial link: frames to a board, class and scores, or bits, back. `docs/serial-protocol.md` defines the protocol.

`rtl.link.protocol` implements it in plain Python for both ends of the line. The other modules are gateware.
"""
