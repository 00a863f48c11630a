"""Runs cocotb tests of a compiled design, as a separate process with one JSON argument.

cocotb's runner reads the process' environment, behaves differently under pytest and exits on errors. In a separate
process none of this affects the caller.
"""

import json
import sys

from cocotb_tools.runner import get_runner


def main() -> None:
    """Run the tests that the argument names, and write the results to the file that it names."""
    request = json.loads(sys.argv[1])
    get_runner(request.pop("simulator")).test(hdl_toplevel_lang="verilog", timescale=("1ns", "1ps"), **request)


if __name__ == "__main__":
    main()
