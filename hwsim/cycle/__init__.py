"""The cycle simulator: in which cycle every beat moves.

`simulate` is the fast one; `step_slowly` is the contract written out cycle by cycle, kept to test the fast one with.
"""

from hwsim.cycle.run import FifoUse, NodeActivity, Periodic, Run
from hwsim.cycle.simulator import simulate
from hwsim.cycle.slow import step_slowly

__all__ = ["FifoUse", "NodeActivity", "Periodic", "Run", "simulate", "step_slowly"]
