"""Streams of integers: what stands for a tensor in hardware, what a layer makes of it, and where it ends.

Three endings exist: points become bits (`thresholds`), points become scores (`scores`), and points stay as they are.
"""
