"""Max pools behind a layer, on its bits.

Let F be the bit of a channel as a function of its integers, and a pool stand somewhere between them and the next layer:
``bit = h(max(g(T_i)))``. Where h rises that is ``max(h(g(T_i)))``, the OR of the bits ``F(T_i)``; where h falls it is
their AND. So the pool always moves behind the bit. Whether F rises has nothing to do with it: the threshold and the
sign of the row give F exactly.

Of bits the hardware takes the OR. Where an AND is asked for, the layer makes the other bit, ``not F``, and since
``AND(F_i) = not OR(not F_i)`` what leaves the pool is the other bit as well: its two values are exchanged, which ends
up as an inverted column of the next weights.

If g rises, h goes as F does; if g falls, the other way. A pool behind the quantizer takes the larger of two values:
h rises if bit 1 stands for the larger one.
"""

import numpy as np

from dataflow import InputError
from quant.lowering._switches import Switch
from quant.lowering.exact.numbers import Exact
from quant.lowering.graph.chains import Chain, Source, between, directions_of, values_behind
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.sites import Pooled

__all__ = ["takes_and"]


def takes_and(
    graph: Graph,
    pools: tuple[Pooled, ...],
    chain: Chain,
    source: Source,
    switch: Switch,
    values: tuple[Exact, Exact],
) -> np.ndarray:
    """Return the channels in which max pools are the AND of the bits, not their OR.

    Parameters
    ----------
    chain, source, switch : from the integers to the bit, and where it changes; see `codes_of`, `switch_of`
    values : what bits 0 and 1 behind the quantizer stand for, () or (channels,)

    Returns
    -------
    () or (channels,) bool

    Raises
    ------
    InputError
        A pool behind operators that neither rise nor fall, or two pools of which one takes the OR and one the AND.
    """
    chosen = np.zeros((), np.int64)
    constant = (switch.place == 0) | (switch.place == len(source.points))
    for pool in pools:
        before = between(graph, chain.start, pool.tensor)
        assert before is not None
        if chain.quantizer in before:
            behind = between(graph, chain.quantizer.output, pool.tensor)
            assert behind is not None
            zero, one = (values_behind(graph, behind, chain.quantizer.output, each) for each in values)
            direction = (one - zero).signs()
        else:
            inner = directions_of(graph, before, chain.start, source)
            _check(pool, np.where(constant, 1, inner) != 0, "operators that only rise or only fall in front of it")
            direction = np.where(constant, 0, inner * np.where(switch.rising, 1, -1))
        _check(pool, direction * chosen >= 0, "the direction of the pool in front of it up to the next quantizer")
        chosen = np.where(chosen == 0, direction, chosen)
    return np.asarray(chosen < 0)


def _check(pool: Pooled, good: np.ndarray, rule: str) -> None:
    if not good.all():
        raise InputError(
            f"Node {pool.name!r} (MaxPool) must have {rule}, not others as in channel {int((~good).argmax())}: "
            "put it directly behind the quantizer"
        )
