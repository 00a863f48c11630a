"""Traces for people: waveforms, tracks of frames, and a diagram in the terminal."""

from xnorflow.traces.diagram import diagram
from xnorflow.traces.write import FORMATS, format_of, write_trace

__all__ = ["FORMATS", "diagram", "format_of", "write_trace"]
