"""Runs cocotb tests of a compiled design; started as a process of its own with one JSON argument.

cocotb's runner reads the process' environment, acts differently under pytest and exits on errors: none of this
reaches the caller from here.
"""

import json
import sys

from cocotb_tools.runner import get_runner


def main() -> None:
    """Run the tests that the argument asks for; the results are in the file that it names."""
    request = json.loads(sys.argv[1])
    get_runner(request.pop("simulator")).test(hdl_toplevel_lang="verilog", timescale=("1ns", "1ps"), **request)


if __name__ == "__main__":
    main()
