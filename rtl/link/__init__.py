"""The serial link: frames to a board, class and scores back. `docs/serial-protocol.md` defines it.

`rtl.link.protocol` is plain Python for both ends of the line; the gateware is in the other modules.
"""
