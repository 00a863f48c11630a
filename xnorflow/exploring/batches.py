"""The evaluation of a batch of points: the hardware of all, then the training of those that may be on the front."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from xnorflow.exploring.front import losses
from xnorflow.exploring.halving import kept, rungs_of
from xnorflow.exploring.points import Evaluation, recipe_of
from xnorflow.exploring.space import Space
from xnorflow.exploring.work import estimated, evaluated, model_folder, trained, validated

__all__ = ["Evaluator", "each", "key_of"]

Result = TypeVar("Result")


def key_of(parameters: Mapping[str, Any]) -> str:
    """Return a text that is the same for points that are alike."""
    return json.dumps(parameters, sort_keys=True)


def each(
    executor: Executor | None, function: Callable[..., Result], arguments: Mapping[str, Sequence[Any]]
) -> dict[str, Result]:
    """Return the results of a function for arguments with names, computed by an executor, or here."""
    if executor is None:
        return {name: function(*given) for name, given in arguments.items()}
    futures = {name: executor.submit(function, *given) for name, given in arguments.items()}
    return {name: future.result() for name, future in futures.items()}


class Evaluator:
    """Evaluates batches of points. What a batch gets depends on the batches before, and not on who evaluates it.

    Parameters
    ----------
    base : folder of the exploration, in which trained models are kept
    data : folder of data sets
    executor : what evaluates points; None for this process
    """

    def __init__(
        self, space: Space, base: Path, data: str | os.PathLike[str] | None, executor: Executor | None
    ) -> None:
        self._space, self._base, self._data, self._executor = space, base, data, executor
        self._seen: dict[str, Evaluation] = {}

    def keep(self, parameters: Mapping[str, Any], evaluation: Evaluation) -> None:
        """Remember the evaluation of an earlier point."""
        self._seen[key_of(parameters)] = evaluation

    def __call__(self, batch: Sequence[Mapping[str, Any]]) -> list[Evaluation]:
        """Return the evaluations of points; those that are alike are evaluated once."""
        new = {key_of(parameters): parameters for parameters in batch if key_of(parameters) not in self._seen}
        arguments = {key: (self._space, parameters, self._data) for key, parameters in new.items()}
        hardware = each(self._executor, estimated, arguments)
        self._seen |= self._trained(new, hardware) if self._space.trains else hardware
        return [self._seen[key_of(parameters)] for parameters in batch]

    def _trained(
        self, points: Mapping[str, Mapping[str, Any]], hardware: Mapping[str, Evaluation]
    ) -> dict[str, Evaluation]:
        """Return the evaluations of points after the training of those that their hardware lets in."""
        found = dict(hardware)
        recipes = {key: recipe_of(self._space, points[key]) for key, estimate in hardware.items() if estimate.complete}
        folders = {key: str(model_folder(recipe, self._base)) for key, recipe in recipes.items() if recipe}
        one_of = {folder: recipes[key] for key, folder in folders.items()}  # points of one recipe are trained once
        for epochs in self._rungs():
            left = sorted(set(folders.values()))
            partly = {folder: (one_of[folder], self._base, self._data, epochs) for folder in left}
            self._compare(folders, each(self._executor, validated, partly), found, epochs)
        arguments = {folder: (one_of[folder], self._base, self._data) for folder in sorted(set(folders.values()))}
        reasons = each(self._executor, trained, arguments)
        for key, folder in folders.items():
            found[key] = replace(found[key], reason=reasons[folder])
        whole = [key for key in folders if not found[key].reason]
        figures = each(self._executor, evaluated, {key: (self._space, points[key], self._base) for key in whole})
        return found | {key: replace(figure, rungs=found[key].rungs) for key, figure in figures.items()}

    def _rungs(self) -> tuple[int, ...]:
        assert self._space.recipe is not None
        return rungs_of(self._space.recipe.epochs, self._space.halving) if self._space.halving > 1 else ()

    def _compare(
        self, folders: dict[str, str], shares: Mapping[str, float | str], found: dict[str, Evaluation], epochs: int
    ) -> None:
        """Note the accuracies of points after some epochs, and take away those that are not trained on."""
        candidates = {}
        for key, folder in list(folders.items()):
            share = shares[folder]
            if isinstance(share, str):
                found[key] = Evaluation(reason=share)
                del folders[key]
                continue
            found[key] = replace(found[key], rungs=(*found[key].rungs, share))
            candidates[key] = losses(self._space, found[key].figures | {"accuracy": share})
        place = self._rungs().index(epochs)
        before = [each for each in self._seen.values() if len(each.rungs) > place]
        others = sorted(losses(self._space, each.figures | {"accuracy": each.rungs[place]}) for each in before)
        going_on = kept(candidates, others, self._space.halving)
        for key in candidates.keys() - going_on:
            del folders[key]
            share = found[key].rungs[-1]
            assert self._space.recipe is not None
            found[key] = replace(
                found[key],
                figures=found[key].figures | {"accuracy": share},
                stopped=f"after {epochs} of {self._space.recipe.epochs} epochs",
                sources=found[key].sources | {"accuracy": "held out"},
            )
