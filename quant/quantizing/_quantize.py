"""The way from a float model to one with Quant nodes."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from math import inf, log10
from typing import Any

import numpy as np
import onnx

from dataflow import InputError
from quant.lowering import NotLowerableError, lower
from quant.oracle import tensors_of_qonnx
from quant.quantizing.calibration import KEPT, RANGES, Range, range_of, scales_of_weights
from quant.quantizing.grids import Place, places_of
from quant.quantizing.signs import undecided_signs
from quant.quantizing.view import View, view_of
from quant.quantizing.writing import insert_quant, make_bipolar

__all__ = ["Inserted", "Quantized", "Settings", "quantize"]

#: Fewest calibration frames: with fewer, a range is that of some images.
LEAST_FRAMES = 16

_BITS = range(2, 17)


@dataclass(frozen=True)
class Settings:
    """Widths and ranges of the Quant nodes.

    Parameters
    ----------
    bits : of inputs of layers and averages
    stream_bits : of what is added
    weight_bits : of weights
    how : how ranges are chosen, one of `quant.quantizing.RANGES`
    """

    bits: int = 8
    stream_bits: int = 8
    weight_bits: int = 8
    how: str = "error"

    def __post_init__(self) -> None:
        for name, most in (("bits", _BITS[-1]), ("stream_bits", _BITS[-1]), ("weight_bits", 8)):
            if not _BITS[0] <= getattr(self, name) <= most:
                raise InputError(f"{name} must be {_BITS[0]} to {most}, not {getattr(self, name)}")
        if self.how not in RANGES:
            raise InputError(f"Range must be one of {', '.join(RANGES)}, not {self.how!r}")


@dataclass(frozen=True)
class Inserted:
    """A Quant node that was inserted.

    Parameters
    ----------
    tensor : what it quantizes
    reason : why lowering needs it
    bits, signed : of its codes
    scale : number of a code of 1; of weights, the largest of the neurons'
    clipped : share of the calibration's numbers that are beyond its range; of a sign, that are 0
    signal_to_noise : of the numbers to the error that it makes of them, in dB
    """

    tensor: str
    reason: str
    bits: int
    signed: bool
    scale: float
    clipped: float
    signal_to_noise: float

    def to_json(self) -> dict[str, Any]:
        """Return the node as values of JSON."""
        return asdict(self) | {"signal_to_noise": min(self.signal_to_noise, 999.0)}


@dataclass(frozen=True)
class Quantized:
    """A model with Quant nodes.

    Parameters
    ----------
    model : QONNX
    inserted : the new nodes, in the order of the graph, after these the signs whose 0 is now decided
    """

    model: onnx.ModelProto
    inserted: tuple[Inserted, ...]


def quantize(
    model: onnx.ModelProto,
    frames: np.ndarray,
    settings: Settings | None = None,
    *,
    outputs: str = "auto",
    progress: Callable[[float], None] = lambda share: None,
) -> Quantized:
    """Return a model with Quant nodes where lowering needs them, with ranges by the numbers of calibration frames.

    A model that can be lowered is returned as it is.

    Parameters
    ----------
    model : takes ``pixel / 255``
    frames : (frames, height, width, channels) uint8
    settings : widths and ranges
    outputs : what is to be made of the model's outputs, see `quant.lowering.lower`
    progress : called with the share of the frames that are done

    Raises
    ------
    InputError
        There are too few frames or they have another shape, numbers are infinite or all alike, or the model has
        several inputs, control flow, or operators that onnx cannot evaluate.
    """
    settings = settings or Settings()
    try:
        lower(model, outputs=outputs)
        return Quantized(model, ())
    except NotLowerableError:
        pass  # that is what this is for
    view = view_of(model)
    _check_frames(view, frames)
    places = places_of(view)
    signs = undecided_signs(view)
    tensors = [place.tensor for place in places if not place.of_weights] + [node.input[0] for node in signs]
    seen = _seen(view, [*dict.fromkeys(tensors)], frames, progress)
    ranges = _ranges(places, seen, settings)
    inserted = []
    for place in places:
        if place.of_weights:
            inserted.append(_insert_weights(view, place, settings.weight_bits))
            continue
        found = ranges[place.tensor]
        insert_quant(view, place.tensor, place.readers, np.array(found.scale), bits=found.bits, signed=found.signed)
        values = seen[place.tensor]
        beyond = (values < (found.least - 0.5) * found.scale) | (values > (found.greatest + 0.5) * found.scale)
        noise = _ratio(values, found.rounded(values))
        inserted.append(
            Inserted(place.tensor, place.reason, found.bits, found.signed, found.scale, float(beyond.mean()), noise)
        )
    inserted += [_decided(view, node, seen[node.input[0]]) for node in signs]
    return Quantized(view.model, tuple(inserted))


def _check_frames(view: View, frames: np.ndarray) -> None:
    if frames.ndim != 4 or frames.dtype != np.uint8:
        raise InputError(
            f"Calibration frames must be (frames, height, width, channels) uint8, not {frames.shape} {frames.dtype}"
        )
    if int(np.prod(frames.shape[1:])) != int(np.prod(view.shape)):
        raise InputError(
            f"Calibration frames must have the {int(np.prod(view.shape)):,} numbers of the model's input "
            f"{list(view.shape)}, not {' x '.join(map(str, frames.shape[1:]))}"
        )
    if len(frames) < LEAST_FRAMES:
        raise InputError(f"Calibration frames must be at least {LEAST_FRAMES}, not {len(frames)}")


def _seen(
    view: View, tensors: list[str], frames: np.ndarray, progress: Callable[[float], None]
) -> dict[str, np.ndarray]:
    """Return numbers of each tensor on the frames, at most `KEPT`, drawn evenly."""
    rng = np.random.default_rng(0)
    share = max(1, KEPT // len(frames))
    found: dict[str, list[np.ndarray]] = {name: [] for name in tensors}
    done = 0
    if not tensors:
        return {}
    for values in tensors_of_qonnx(view.model, frames, tensors):
        for name, numbers in values.items():
            rows = numbers.reshape(len(numbers), -1)
            columns = (
                rng.integers(0, rows.shape[1], min(share, rows.shape[1])) if rows.shape[1] > share else slice(None)
            )
            found[name].append(rows[:, columns].ravel())
        done += len(next(iter(values.values())))
        progress(done / len(frames))
    return {name: np.concatenate(parts).astype(np.float64) for name, parts in found.items()}


def _ranges(places: list[Place], seen: Mapping[str, np.ndarray], settings: Settings) -> dict[str, Range]:
    """Return the codes of each tensor; those of one group have one scale."""
    groups: dict[int, list[Place]] = {}
    for place in places:
        if place.group is not None:
            groups.setdefault(id(place.group.root()), []).append(place)
    found: dict[str, Range] = {}
    for members in groups.values():
        group = members[0].group
        assert group is not None
        root = group.root()
        values = np.concatenate([seen[place.tensor] for place in members])
        bits = settings.stream_bits if root.stream else settings.bits
        what = " and ".join(repr(place.tensor) for place in members[:3]) + (" and others" if len(members) > 3 else "")
        chosen = range_of(what, values, bits, settings.how)
        if root.scale is not None:  # of a quantizer of the model's own
            chosen = Range(root.scale, bits, chosen.signed)
        found |= {place.tensor: chosen for place in members}
    return found


def _insert_weights(view: View, place: Place, bits: int) -> Inserted:
    weights = view.constants[place.tensor].astype(np.float64)
    shape = [1] * weights.ndim
    if place.units is not None:
        shape[place.axis] = -1
        scales = place.units.reshape(shape)
        bits = int(np.abs(np.round(weights / scales)).max()).bit_length() + 1
    elif place.of_scores:
        scales = scales_of_weights(weights.reshape(1, -1), 0, bits).reshape(())
    else:
        shape[place.axis] = -1
        scales = scales_of_weights(weights, place.axis, bits).reshape(shape)
    insert_quant(view, place.tensor, place.readers, scales, bits=bits, signed=True, narrow=True)
    greatest = 2 ** (bits - 1) - 1
    codes = np.round(weights / scales)
    rounded = np.clip(codes, -greatest, greatest) * scales
    clipped = float((np.abs(codes) > greatest).mean())
    readers = " and ".join(node.name or node.output[0] for node, _ in place.readers)
    reason = f"{place.reason} ({readers})"
    return Inserted(place.tensor, reason, bits, True, float(scales.max()), clipped, _ratio(weights, rounded))


def _decided(view: View, node: onnx.NodeProto, values: np.ndarray) -> Inserted:
    """Let a Sign be +1 at 0, which codes often are and floats seldom."""
    zeros = float((values == 0).mean())
    name = node.name or node.output[0]
    make_bipolar(view, node)
    noise = inf if zeros == 0 else 10 * log10(max(1 - zeros, 1e-30) / zeros)
    return Inserted(node.output[0], f"is a sign that is 0 at 0, and now +1 ({name})", 1, True, 1.0, zeros, noise)


def _ratio(values: np.ndarray, rounded: np.ndarray) -> float:
    """Return how many decibels the squares of numbers are above those of their errors."""
    noise = float(np.square(rounded - values).mean())
    return inf if noise == 0 else 10 * log10(float(np.square(values).mean()) / noise)
