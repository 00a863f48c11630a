"""Exploring accuracy, speed and resources together: a space, its points, and the front of the best."""

from xnorflow.exploring.space import OBJECTIVES, Space, read_space
from xnorflow.exploring.study import Point, explore, front_of

__all__ = ["OBJECTIVES", "Point", "Space", "explore", "front_of", "read_space"]
