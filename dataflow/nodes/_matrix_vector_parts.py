"""The parts of a product of a matrix and a vector: memories, products, sums, accumulators."""

from typing import TYPE_CHECKING

import numpy as np

from dataflow.logic import Adders, Groups
from dataflow.nodes._popcount import count_integer_sum, count_matches
from dataflow.parts import Parts, Structure, number_bits

if TYPE_CHECKING:
    from dataflow.nodes.matrix_vector import MatrixVector

__all__ = ["matrix_vector_structure"]

#: Units whose prices apply to forms of terms; otherwise those of the form's own name.
_UNITS = {"matches": "bits", "signs": "integers"}


def matrix_vector_structure(node: "MatrixVector", *, in_chains: bool) -> Structure:
    """Return the parts of a node.

    Parameters
    ----------
    in_chains : whether its sums are in carry chains
    """
    found = Parts()
    steps = node.vector_steps
    found.count(steps, node.synapse_folds)
    found.registers += 4 + node.sum_stages + node.latency
    repeated = node.neuron_folds > 1
    found.held_vector(node.synapse_folds if repeated else 1, node.simd * node.operand.width, repeated=repeated)
    if node.shares_sums:
        _count_graph(node, found)
        return found.structure("MatrixVector.bits.shared")
    before = found.registers
    luts = node.weights_in_luts
    fixed = found.read_only(steps, node.word_width, lambda: node.weight_words, luts=luts)
    weight_memories, found.blocks = tuple(found.blocks), []
    # Bits of weights that are equal are one.
    columns = found.registers - before + sum(width for _, width in weight_memories)
    if node.is_pipelined:
        counters = (steps - 1).bit_length() + (node.synapse_folds - 1).bit_length()
        found.registers += counters + 2 + 2 * node.simd * node.operand.width + columns
    if in_chains:
        _count_chains(node, found, fixed)
    elif node.counts_matches:
        count_matches(found, node.simd, node.pe, fixed)
    else:
        _count_terms(node, found, fixed, columns)
        multiplied = node.terms.form == "products"
        count_integer_sum(found, node.accumulator.term, node.simd, node.pe, multiplied=multiplied)
    _count_levels(node, found)
    if not in_chains:
        _count_accumulators(node, found)
    found.registers += node.pe * node.element.width
    if node.thresholds is not None:
        found.add(signs=node.pe)
    found.watch_inert(node.output_streams[0])
    if node.position_classes is not None:
        found.count(len(node.position_classes))
        found.add(class_bits=4 * int(node.position_classes.max()).bit_length())
    unit = _UNITS.get(node.terms.form, node.terms.form)
    return found.structure(
        f"MatrixVector.{unit}{'.chains' if in_chains else ''}",
        weight_memories=weight_memories,
        read_only=tuple(found.blocks),
        one_port=True,
        multipliers=_multipliers(node),
    )


def _multipliers(node: "MatrixVector") -> tuple[tuple[int, int], ...]:
    """Return the widths of the factors of each multiplication."""
    widths = (node.operand.width, node.weight_element.width)
    return (widths,) * (node.pe * node.simd if node.terms.form == "products" else 0)


def _count_terms(node: "MatrixVector", found: Parts, fixed: float, columns: int) -> None:
    """Add what makes the terms of integers.

    Parameters
    ----------
    fixed : part of the weights that never change
    columns : bits of a step's weights that differ from each other
    """
    terms, copies = node.terms, node.pe * node.simd
    number, weight, moving = node.operand.width, node.weight_element.width, copies * (1 - fixed)
    if terms.form == "signs":
        found.add(inverted_bits=moving * number)
    elif terms.form == "masks":
        found.add(masked_bits=number * _different(node, 0, weight, 1, fixed))
    elif terms.form == "digits":
        found.add(digit_bits=(number + 1) * _different(node, weight - 2, weight, 2, fixed))
        found.add(masked_bits=number * _different(node, 0, weight - 2, 1, fixed))
    if terms.parts > 1:
        wide = weight if terms.form == "masks" else number
        found.sums.append(Adders(terms.parts, wide, terms.element.width - 1, copies))
    if terms.form == "products":
        found.product_registers += node.simd * number + columns + copies * terms.element.width
    elif terms.stages:
        found.registers += copies * terms.element.width


def _different(node: "MatrixVector", start: int, stop: int, size: int, fixed: float) -> float:
    """Return how many groups of bits of the weights differ from each other in a lane, and from constants.

    In few steps many are equal, and what is made of them and of the lane's number is shared.

    Parameters
    ----------
    start, stop : bits of each weight that form groups of `size` bits
    fixed : part of the weights that never change
    """
    steps, groups = node.vector_steps, (stop - start) // size
    if steps > 8:
        return node.pe * node.simd * groups * (1 - fixed)
    words = node.weight_words.reshape(steps, node.pe, node.simd, node.weight_element.width)[..., start:stop]
    kinds = np.packbits(words.reshape(steps, node.pe, node.simd, groups, size), axis=4)
    lanes = kinds.transpose(2, 0, 1, 3, 4).reshape(node.simd, steps, -1)
    return sum(len({kind.tobytes() for kind in lane[:, (lane != lane[0]).any(axis=0)].T}) for lane in lanes)


def _count_chains(node: "MatrixVector", found: Parts, fixed: float) -> None:
    """Add sums and accumulators in carry chains.

    Parameters
    ----------
    fixed : part of the weights that never change
    """
    tree = node.adder_tree
    found.add(carry_luts=2 * node.pe * tree.cells)
    waiting = round(tree.lane_registers * node.pe * (1 - fixed)) + tree.lane_registers * node.operand.width
    found.registers += node.pe * tree.registers + waiting


def _count_graph(node: "MatrixVector", found: Parts) -> None:
    """Add shared sums, and what makes the results of them."""
    graph = node.adder_graph
    found.registers += graph.registers - node.sum_stages
    found.groups += [Groups(lanes, copies, 1, 1.0) for lanes, copies in sorted(graph.counts().items()) if lanes > 1]
    for (narrow, width), copies in sorted(graph.sums().items()):
        found.sums.append(Adders(2, narrow, width, copies))
    for width, copies in sorted(graph.differences().items()):
        found.sums.append(Adders(2, width, width, copies))
        found.add(subtracted_bits=width * copies)
    numbers = [graph.width(result.number) for result in graph.results]
    if node.thresholds is None:
        found.add(offset_bits=sum(numbers))
    else:
        found.add(limit_bits=sum(numbers))


def _count_levels(node: "MatrixVector", found: Parts) -> None:
    """Add the initial values of the accumulators."""
    each = node.accumulator.width
    rows = -node.neuron_words(node.accumulator.levels)
    if node.accumulator.mixed and not node.counts_matches:
        assert node.accumulator.odds is not None
        rows, each = 2 * rows + node.neuron_words(node.accumulator.odds), each + 1
        found.registers += node.pe
    if (rows != rows[0]).any():
        found.count(node.neuron_folds * node.groups)
        before, blocks = found.registers, len(found.blocks)
        found.read_only(len(rows), node.pe * each, lambda: number_bits(rows, each))
        if node.is_pipelined:
            found.registers += found.registers - before + sum(width for _, width in found.blocks[blocks:])


def _count_accumulators(node: "MatrixVector", found: Parts) -> None:
    """Add the accumulators."""
    width = node.accumulator.width
    if node.synapse_folds > 1:
        found.add(started_bits=node.pe * width)
    found.total((width, width), width, node.pe)
