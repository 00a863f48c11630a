"""Points with what they got, and the front: those that no other one betters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xnorflow.exploring.points import Evaluation
from xnorflow.exploring.space import OBJECTIVES, Space

__all__ = ["Point", "front_of", "losses"]


@dataclass(frozen=True)
class Point:
    """A point and what it got.

    Parameters
    ----------
    number : from 0, in the order in which they were chosen
    parameters : values by name
    """

    number: int
    parameters: Mapping[str, Any]
    evaluation: Evaluation

    @property
    def complete(self) -> bool:
        """Whether it has all figures, as required, and so may be on the front."""
        return self.evaluation.complete


def losses(space: Space, figures: Mapping[str, float]) -> tuple[float, ...]:
    """Return the objectives as numbers of which less is better."""
    return tuple(-figures[name] if OBJECTIVES[name].grows else figures[name] for name in space.objectives)


def front_of(space: Space, points: list[Point]) -> list[Point]:
    """Return the complete points that no other one equals or betters in all objectives and betters in one."""
    complete = [point for point in points if point.complete]
    values = [losses(space, point.evaluation.figures) for point in complete]
    chosen = []
    for place, (point, own) in enumerate(zip(complete, values, strict=True)):
        better = any(all(a <= b for a, b in zip(other, own, strict=True)) and other != own for other in values)
        if not better and own not in values[:place]:
            chosen.append(point)
    return chosen
