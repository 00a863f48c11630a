"""Testbenches that prove the hardware equal to the reference and the cycle simulator."""
