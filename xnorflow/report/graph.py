"""The picture of a network: nodes in ranks from left to right, ranks in bands from top to bottom.

This is a layered drawing after Sugiyama: a node's rank is the length of the longest path to it, an edge over several
ranks passes through empty places in the ranks between, and the order within a rank follows the order of the rank
before. A long row of ranks is broken into bands, like the lines of a text.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from dataflow import Fifo, Network

__all__ = ["BOX", "Box", "Drawing", "Link", "drawing_of"]

#: Sizes in pixels: width of a box, space to its left, height of a box, height of a lane, space between two bands.
BOX, GAP, BOX_HEIGHT, LANE, BETWEEN = 124, 64, 46, 70, 34

#: Pixels between two neighbouring ports of a box, between two edges that run side by side, and at the right edge.
PORT, SIDE, MARGIN = 16, 6, 30

#: A point of an edge's way: the name of a node, or a place (number of the FIFO, rank) that the edge passes through.
Place = str | tuple[int, int]


@dataclass(frozen=True)
class Box:
    """A node, or an end of the network, with the position of its upper left corner."""

    name: str
    x: float
    y: float
    is_end: bool


@dataclass(frozen=True)
class Link:
    """A FIFO: the path of its line, and the right end of its label."""

    fifo: Fifo
    path: str
    label_x: float
    label_y: float


@dataclass(frozen=True)
class Drawing:
    """The picture of a network.

    Parameters
    ----------
    width, height : in pixels
    """

    width: int
    height: int
    boxes: tuple[Box, ...]
    links: tuple[Link, ...]


def drawing_of(network: Network, *, width: int = 1160) -> Drawing:
    """Return the picture of a network, no wider than `width` pixels."""
    rank_of = _ranks(network)
    ways = [_way(number, fifo, rank_of) for number, fifo in enumerate(network.fifos)]
    lane_of = _lanes(network, rank_of, ways)
    per_band = max(1, (width - MARGIN) // (GAP + BOX))
    columns = min(per_band, max(rank_of.values()) + 1)
    tops, height = _bands(rank_of, ways, lane_of, per_band)

    def corner(place: Place) -> tuple[float, float]:
        rank = _rank(place, rank_of)
        band, column = divmod(rank, per_band)
        return GAP + column * (GAP + BOX), tops[band] + lane_of[place] * LANE

    ends = {terminal.name for terminal in (*network.inputs, *network.outputs)}
    boxes = tuple(Box(name, *corner(name), name in ends) for name in rank_of)
    crossing: dict[int, int] = defaultdict(int)
    links = []
    for fifo, way in zip(network.fifos, ways, strict=True):
        leave = _port(fifo.source_port, len(network.fifos_out_of(fifo.source)))
        enter = _port(fifo.target_port, len(network.fifos_into(fifo.target)))
        path = ""
        for start, end in pairwise(way):
            (x1, y1), (x2, y2) = corner(start), corner(end)
            y1 += BOX_HEIGHT / 2 + (leave if start == fifo.source else 0)
            y2 += BOX_HEIGHT / 2 + (enter if end == fifo.target else 0)
            # The line passes through a place; before a box it leaves room for the arrow's head.
            path += f"M{x1 if isinstance(start, tuple) else x1 + BOX:g} {y1:g}"
            if isinstance(start, tuple):
                path += f"h{BOX}"
            x2 -= 0 if isinstance(end, tuple) else 3
            band = _rank(end, rank_of) // per_band
            if band == _rank(start, rank_of) // per_band:
                path += f"C{x2 - GAP / 2:g} {y1:g} {x2 - GAP / 2:g} {y2:g} {x2:g} {y2:g}"
            else:
                side = SIDE * crossing[band]
                crossing[band] += 1
                path += f"h{10 + side}V{tops[band] - BETWEEN / 2 - side:g}H{2 + side}V{y2:g}H{x2:g}"
        links.append(Link(fifo, path, x2 - 7, y2 - 5))
    return Drawing(columns * (GAP + BOX) + MARGIN, int(height), boxes, tuple(links))


def _ranks(network: Network) -> dict[str, int]:
    """Return the rank of each end and node: the largest number of nodes on a path to it."""
    ranks = {terminal.name: 0 for terminal in network.inputs}
    for name in (*(node.name for node in network.nodes), *(terminal.name for terminal in network.outputs)):
        ranks[name] = 1 + max(ranks[fifo.source] for fifo in network.fifos_into(name))
    return ranks


def _rank(place: Place, rank_of: Mapping[str, int]) -> int:
    return rank_of[place] if isinstance(place, str) else place[1]


def _way(number: int, fifo: Fifo, rank_of: Mapping[str, int]) -> list[Place]:
    between = range(rank_of[fifo.source] + 1, rank_of[fifo.target])
    return [fifo.source, *((number, rank) for rank in between), fifo.target]


def _lanes(network: Network, rank_of: Mapping[str, int], ways: list[list[Place]]) -> dict[Place, int]:
    """Return the lane of each place: its position in the rank, by the mean lane of its sources, then by port."""
    before: dict[Place, list[tuple[Place, int]]] = defaultdict(list)
    ranks: dict[int, dict[Place, None]] = defaultdict(dict)
    for name, rank in rank_of.items():
        ranks[rank][name] = None
    for fifo, way in zip(network.fifos, ways, strict=True):
        for start, end in pairwise(way):
            before[end].append((start, fifo.source_port if start == fifo.source else 0))
            ranks[_rank(end, rank_of)][end] = None
    lanes: dict[Place, int] = {}

    def order(place: Place) -> tuple[float, float]:
        count = max(1, len(before[place]))
        ports = sum(port for _, port in before[place])
        return sum(lanes[start] for start, _ in before[place]) / count, ports / count

    for rank in sorted(ranks):
        lanes.update({place: lane for lane, place in enumerate(sorted(ranks[rank], key=order))})
    return lanes


def _bands(
    rank_of: Mapping[str, int], ways: list[list[Place]], lane_of: Mapping[Place, int], per_band: int
) -> tuple[list[float], float]:
    """Return the top of each band, and the total height."""
    last = max(rank_of.values()) // per_band
    lanes, crossing = [1] * (last + 1), [0] * (last + 1)
    for place, lane in lane_of.items():
        band = _rank(place, rank_of) // per_band
        lanes[band] = max(lanes[band], lane + 1)
    for way in ways:
        for start, end in pairwise(way):
            band = _rank(end, rank_of) // per_band
            crossing[band] += band != _rank(start, rank_of) // per_band
    tops: list[float] = []
    y = 8.0
    for band in range(last + 1):
        y += (BETWEEN + SIDE * crossing[band]) if band else 0
        tops.append(y)
        y += lanes[band] * LANE - (LANE - BOX_HEIGHT)
    return tops, y + 8


def _port(port: int, count: int) -> float:
    return (port - (count - 1) / 2) * PORT
