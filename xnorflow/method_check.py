"""The checks of a binarization method, from its gradients to the RTL."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import hwsim
from dataflow import InputError
from quant.methods.check import KINDS, Finding, Lowered, MethodCheck, finding
from sim_tests.verification import verify_rtl

__all__ = ["checked"]

#: Frames of which every value and every cycle of the RTL is compared.
RTL_FRAMES = 2


def checked(check: MethodCheck, *, kinds: tuple[str, ...] = KINDS, rtl: bool = True) -> Iterator[Finding]:
    """Yield the result of each check of a method.

    Parameters
    ----------
    kinds : of networks, of `quant.methods.check.KINDS`
    rtl : whether the RTL is compared as well, in Amaranth's simulator
    """
    yield finding("channels", check.channels)
    for kind in kinds:
        yield finding(f"{kind}: gradients", partial(check.gradients, kind))
        yield finding(f"{kind}: inference", partial(check.inference, kind))
        with TemporaryDirectory(prefix="xnorflow-") as folder:
            yield from _lowered(check, kind, Path(folder), rtl=rtl)


def _lowered(check: MethodCheck, kind: str, folder: Path, *, rtl: bool) -> Iterator[Finding]:
    found: list[Lowered] = []

    def lowering() -> str:
        found.append(check.lowered(kind, folder))
        return f"trained, exported and lowered to {len(found[0].network.nodes)} nodes"

    yield finding(f"{kind}: lowering", lowering)
    for lowered in found:
        yield finding(f"{kind}: predictions", partial(_predictions, lowered))
        if rtl:
            yield finding(f"{kind}: RTL", partial(_rtl, lowered))


def _predictions(lowered: Lowered) -> str:
    predicted, count = hwsim.predict(lowered.network, lowered.frames).predictions, len(lowered.frames)
    differing = int((predicted != lowered.predictions).sum())
    if differing:
        raise InputError(
            f"Predictions must be those of the exported file, not others for {differing} of {count} frames"
        )
    return f"0 of {count} differ from those of the exported file"


def _rtl(lowered: Lowered) -> str:
    result = verify_rtl(lowered.network, lowered.frames[:RTL_FRAMES], simulator="amaranth")
    if not result.passed:
        raise InputError(f"RTL must equal the reference, not differ: {result}")
    return (
        f"{result.beats_compared:,} beats and {result.cycles_compared:,} cycle numbers equal in {result.frames} frames"
    )
