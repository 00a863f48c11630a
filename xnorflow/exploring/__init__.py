"""Exploring accuracy, speed and resources together: a space, its points, and the front of the best."""

from xnorflow.exploring.building import Built, built_points
from xnorflow.exploring.front import Point, front_of
from xnorflow.exploring.result import Front
from xnorflow.exploring.space import OBJECTIVES, Space, narrowed, read_space, space_of
from xnorflow.exploring.study import build_front, explore

__all__ = [
    "OBJECTIVES",
    "Built",
    "Front",
    "Point",
    "Space",
    "build_front",
    "built_points",
    "explore",
    "front_of",
    "narrowed",
    "read_space",
    "space_of",
]
