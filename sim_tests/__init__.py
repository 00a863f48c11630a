"""Testbenches that prove that the hardware equals the reference and the cycle simulator."""
