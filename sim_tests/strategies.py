"""Whole random networks, for Hypothesis."""

from hypothesis import strategies as st

from dataflow import Network, fold
from dataflow.folding import without_converters
from sim_tests.cases import dense_network

__all__ = ["dense_networks"]


@st.composite
def dense_networks(draw: st.DrawFn) -> Network:
    """Draw a dense network with random sizes, foldings and FIFO depths, also too small ones."""
    sizes = tuple(draw(st.lists(st.integers(1, 30), min_size=2, max_size=5), label="sizes"))
    unfolded = dense_network(
        sizes,
        seed=draw(st.integers(0, 999), label="seed"),
        outputs=draw(st.sampled_from(["class", "scores", "both"]), label="outputs"),
        uneven=draw(st.booleans(), label="uneven"),
    )
    nodes = without_converters(unfolded).nodes
    foldings = {node.name: draw(st.sampled_from(list(node.foldings())), label=node.name) for node in nodes}
    folded = fold(unfolded, foldings)
    depths = {
        fifo.name: draw(st.integers(1, fifo.depth + 1), label=fifo.name)
        for fifo in folded.fifos
        if draw(st.booleans(), label=f"own depth of {fifo.name}")
    }
    return folded.with_depths(depths)
