"""The last step: operations of the hardware become nodes of a network, with names and FIFOs."""
