"""The cycle simulator: the cycle in which every beat moves.

`simulate` is fast. `step_slowly` follows the timing contract cycle by cycle, and is the oracle for `simulate` in tests.
"""

from hwsim.cycle.run import FifoUse, NodeActivity, Periodic, Run
from hwsim.cycle.simulator import simulate
from hwsim.cycle.slow import step_slowly

__all__ = ["FifoUse", "NodeActivity", "Periodic", "Run", "simulate", "step_slowly"]
