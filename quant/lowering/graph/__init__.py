"""The graph that the passes rewrite: operations of the model, operations of the hardware, and walks along them."""
