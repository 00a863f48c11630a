"""What an exploration returns: its front, as a list of points that a notebook shows as a picture and a table."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xnorflow.exploring.building import built_points, point_network
from xnorflow.exploring.front import Point, front_of
from xnorflow.exploring.scatter import scatter_of
from xnorflow.exploring.space import OBJECTIVES, Space

if TYPE_CHECKING:
    from dataflow import Network

__all__ = ["Front", "text_of"]


class Front(list[Point]):
    """The front of an exploration: a list of points, by the first objective, the best first.

    Parameters
    ----------
    space : what was explored
    points : all points
    folder : of the exploration
    """

    def __init__(self, space: Space, points: list[Point], folder: str | os.PathLike[str]) -> None:
        first = space.objectives[0]
        super().__init__(
            sorted(
                front_of(space, points),
                key=lambda point: point.evaluation.figures[first],
                reverse=OBJECTIVES[first].grows,
            )
        )
        self.space = space
        self.points = tuple(points)
        self.folder = Path(folder)

    def network(self, point: Point) -> "Network":
        """Return the network of a point, trained and folded, with the smallest FIFOs that keep its interval.

        Raises
        ------
        InputError
            There is no such network.
        """
        return point_network(self.space, point, self.folder)

    def __repr__(self) -> str:
        lines = [f"<Front: {len(self)} of {len(self.points):,} points>"]
        for point in self:
            figures = (f"{name} {point.evaluation.figures[name]:,.6g}" for name in self.space.objectives)
            values = (f"{name}={text_of(value)}" for name, value in point.parameters.items())
            lines.append(f"  point {point.number}: {', '.join(figures)}; {', '.join(values)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the scatter of the first objective over the last one, and the table of the front."""
        from xnorflow.report.notebook import piece

        space = self.space
        names = [name for name in OBJECTIVES if any(name in point.evaluation.figures for point in self)]
        return piece(
            "front",
            name=Path(space.model).name if space.recipe is None else space.recipe.name,
            target=f"{space.board or space.family} at {space.clock_mhz:g} MHz",
            objectives=[OBJECTIVES[name].title for name in space.objectives],
            front=[_shown(point) for point in self],
            count=len(self.points),
            refused=sum(bool(point.evaluation.reason) for point in self.points),
            scatter=scatter_of(space, self.points, self),
            parameters=list(space.parameters),
            figures=[{"key": name, "title": OBJECTIVES[name].title} for name in names],
            built=built_points(self.folder),
            page=self.folder / "report.html",
        )


def text_of(value: Any) -> Any:
    """Return the value of a parameter for people."""
    return "-".join(map(str, value)) or "none" if isinstance(value, tuple) else value


def _shown(point: Point) -> dict[str, Any]:
    parameters = {name: text_of(value) for name, value in point.parameters.items()}
    return {"number": point.number, "parameters": parameters, "figures": point.evaluation.figures}
