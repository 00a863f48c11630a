"""What a point of an exploration gets: its network, folded, with exact cycles and estimated resources."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import inf
from typing import Any

from dataflow import InputError, Network, board_outputs, fold, network_cost
from dataflow.choices import quick_foldings
from quant import recipes
from quant.recipes import Recipe
from xnorflow.exploring.sketch import can_sketch, sketch
from xnorflow.exploring.space import FOLDINGS, WIDTH, Space
from xnorflow.exploring.untrained import untrained

__all__ = ["Evaluation", "evaluate", "folded", "network_of", "recipe_of"]

#: Shapes of images (height, width, channels) and classes of the data sets with names.
SHAPES = {
    **dict.fromkeys(("mnist", "mnist-sample", "fashion-mnist"), ((28, 28, 1), 10)),
    **dict.fromkeys(("cifar10", "svhn"), ((32, 32, 3), 10)),
    "cifar100": ((32, 32, 3), 100),
}

#: Intervals that are looked at between one and its double, for a folding that fits a board.
STEPS = 8

#: Most beats of all streams in a frame of a network whose FIFOs are sized for each point.
SIZED = 20_000

#: Fields of recipes whose numbers `WIDTH` multiplies.
_SIZES = ("hidden", "convolutions", "widths")


@dataclass(frozen=True)
class Evaluation:
    """The figures of a point, and where they come from.

    Parameters
    ----------
    figures : by name of `xnorflow.exploring.space.OBJECTIVES`; empty if there is no such network or folding
    reason : why there are none, or why it breaks a constraint; empty if it does not
    stopped : after which epoch its training stopped because others were better; empty if it did not
    rungs : accuracies of the held-out images at the epochs at which points are compared, as far as it was trained
    interval, latency : cycles, by the cycle simulator; equal to the RTL's
    folding : parameters of each node's folding
    sources : "cycles": "simulated", "resources": "estimated", "accuracy": "trained" or "held out" of a stopped training
    """

    figures: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    stopped: str = ""
    rungs: tuple[float, ...] = ()
    interval: float = inf
    latency: int = 0
    folding: dict[str, dict[str, int]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether it has all figures, as required, and so may be on the front."""
        return bool(self.figures) and not self.reason and not self.stopped

    def to_json(self) -> dict[str, Any]:
        """Return the evaluation as values of JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Evaluation":
        """Return the evaluation with these values."""
        return cls(**{**content, "rungs": tuple(content["rungs"])})


def recipe_of(space: Space, parameters: Mapping[str, Any]) -> Recipe | None:
    """Return the recipe of a point, or None for a trained model.

    Raises
    ------
    InputError
        No recipe has these values.
    """
    if space.recipe is None:
        return None
    entries = space.recipe.to_dict()
    for name, value in parameters.items():
        table, dot, option = name.partition(".")
        if name in (WIDTH, *FOLDINGS):
            continue
        entries[table] = {**entries[table], option: value} if dot else value
    factor = parameters.get(WIDTH, 1)
    for name in _SIZES:
        if name in entries:
            sizes = [size if isinstance(size, str) else max(1, round(size * factor)) for size in entries[name]]
            entries[name] = tuple(sizes)
    return recipes.from_dict(entries)


def network_of(recipe: Recipe, data: str | os.PathLike[str] | None = None) -> Network:
    """Return the network of a recipe without its training: a sketch if there is one, which is faster.

    Parameters
    ----------
    data : folder of data sets; of those of one's own the images are looked at

    Raises
    ------
    InputError
        No network has the recipe's sizes, it cannot be lowered, or the data set cannot be read.
    """
    shape, classes = SHAPES.get(recipe.dataset) or _shape_of(recipe, data)
    return sketch(recipe, shape, classes) if can_sketch(recipe) else untrained(recipe, shape, classes)


def _shape_of(recipe: Recipe, data: str | os.PathLike[str] | None) -> tuple[tuple[int, int, int], int]:
    """Return the shape (height, width, channels) of a data set's images, and its classes or outputs."""
    from quant import datasets

    options: dict[str, Any] = {"image_size": recipe.image_size, "skip_broken": recipe.skip_broken, "task": recipe.task}
    training = datasets.load(recipe.dataset, "train", data=data, **options)
    height, width, channels = training.images.shape[1:]
    return (height, width, channels), datasets.outputs_of(recipe.task, training.labels)


def evaluate(
    space: Space, parameters: Mapping[str, Any], network: Network, accuracy: float | None = None
) -> Evaluation:
    """Return the figures of a point's network: folded as its parameters say, with cycles of the cycle simulator.

    FIFOs of small networks get the smallest depths that keep the interval. For others that takes seconds, so theirs
    are of depths that keep it in any case.
    """
    from hwsim import simulate
    from xnorflow.folding import with_smallest_fifos

    try:
        network = folded(space, parameters, network)
    except InputError as error:
        return Evaluation(reason=str(error))
    sized = sum(network.stream(fifo).beats for fifo in network.fifos) <= SIZED
    if sized:
        network = with_smallest_fifos(network)
    run = simulate(network, 3)
    cost, reasons = network_cost(network, space.family), []
    if space.board:
        from rtl.boards import board_of
        from rtl.link.cost import link_cost
        from xnorflow.board_use import use_of_board

        cost += link_cost(network, space.family)
        use = use_of_board(network, board_of(space.board))
        if not use.fits:
            reasons.append(f"the network must fit {use.excess}")
    figures = {
        "fps": space.clock_mhz * 1e6 / run.interval,
        "latency_us": run.first_frame_latency / space.clock_mhz,
        "luts": cost.luts,
        "brams": cost.brams,
        "energy": cost.cells(space.family) * run.interval / 1e6,
        **({} if accuracy is None else {"accuracy": accuracy}),
    }
    how = "estimated" if sized else "estimated, FIFOs not sized"
    sources = {"cycles": "simulated", "resources": how, **({} if accuracy is None else {"accuracy": "trained"})}
    for name, (least, most) in space.constraints.items():
        if name in figures and not least <= figures[name] <= most:
            reasons.append(f"{name} is {figures[name]:,.6g}")
    folding = {node.name: dict(node.folding) for node in network.nodes if node.folding}
    return Evaluation(
        figures,
        "; ".join(reasons),
        interval=float(run.interval),
        latency=run.first_frame_latency,
        folding=folding,
        sources=sources,
    )


def folded(space: Space, parameters: Mapping[str, Any], network: Network) -> Network:
    """Return a point's network, with the outputs that a board sends if there is one, folded as its parameters say.

    Raises
    ------
    InputError
        A node cannot reach the interval.
    """
    from xnorflow.folding import interval_of_rate, with_pipelining

    if space.board:
        network = with_pipelining(board_outputs(network), None, space.board)
    if "interval" in parameters:
        interval = int(parameters["interval"])
    elif "fps" in parameters:
        interval = interval_of_rate(parameters["fps"], space.clock_mhz)
    elif space.board:
        return _fold_for_board(space, network, parameters.get("utilization", 0.8))
    else:
        return network
    return fold(network, quick_foldings(network, interval, space.family))


def _fold_for_board(space: Space, network: Network, utilization: float) -> Network:
    """Return the fastest of the foldings that take at most a share of the board's cells, or the network unfolded."""
    from rtl.boards import board_of
    from xnorflow.board_use import use_of_board

    board, best = board_of(space.board), network
    low, high = 0, network.interval.bit_length() * STEPS
    while low < high:
        middle = (low + high) // 2
        try:
            folded = fold(network, quick_foldings(network, round(2 ** (middle / STEPS)), space.family))
        except InputError:
            low = middle + 1
            continue
        if use_of_board(folded, board, utilization=utilization).fits:
            best, high = folded, middle
        else:
            low = middle + 1
    return best
