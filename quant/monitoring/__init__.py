"""What a training does: figures of each epoch, and warnings while there is time to stop it.

`Monitor` gathers the figures, `new_warnings` reads them, and `require_finite` stops a training that has failed.
"""

from quant.monitoring._losses import require_finite
from quant.monitoring._machine import machine_facts
from quant.monitoring._monitor import Monitor, log_entries
from quant.monitoring._warnings import new_warnings

__all__ = ["Monitor", "log_entries", "machine_facts", "new_warnings", "require_finite"]
