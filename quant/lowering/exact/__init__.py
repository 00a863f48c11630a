"""Exact arithmetic: numbers with square roots, arrays of them, enclosures, steps, and keys that keep an order."""
