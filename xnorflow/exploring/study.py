"""The search: Optuna chooses points, processes evaluate them, and a journal keeps all that is known.

Points are chosen in batches, each before any of its points is evaluated, and by a sampler whose seed is that of the
point. So the same space gives the same points, however many processes evaluate them and however often they are stopped.
"""

import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dataflow import InputError
from dataflow.writing import atomic_write, locked, output_folder
from xnorflow.exploring.batches import Evaluator, each
from xnorflow.exploring.building import Built, build_point, built_points
from xnorflow.exploring.front import Point, front_of
from xnorflow.exploring.points import Evaluation
from xnorflow.exploring.space import OBJECTIVES, Choice, Range, Space
from xnorflow.exploring.tables import ENDLESS, FRONT, POINTS, write_table
from xnorflow.exploring.work import require_sources

if TYPE_CHECKING:
    import optuna

__all__ = ["build_front", "explore"]

#: Files of an exploration's folder.
JOURNAL, SPACE = "points.journal", "space.json"

#: Least points of a generation of NSGA-II; with Optuna's usual 50, a search of 100 points is little but random.
_POPULATION = 10

_STUDY, _EVALUATION, _PLACE = "points", "evaluation", "place"


def explore(
    space: Space,
    folder: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    told: Callable[[Point], None] = lambda point: None,
) -> list[Point]:
    """Evaluate the points of a space that a folder does not have yet, and return all.

    Parameters
    ----------
    folder : keeps the points; those of an earlier call are taken from there
    data : folder of data sets, for trainings
    workers : processes of this machine that evaluate points
    scheduler : address of a Dask scheduler, whose workers evaluate them instead
    told : called with each point, also with those that the folder has

    Raises
    ------
    InputError
        The folder is one of another space, is in use or cannot be written to, the scheduler is out of reach, or the
        model or the data set of all points is missing.
    """
    import optuna  # before the folder is made: without the package nothing is left

    assert optuna
    require_sources(space, data)
    base = output_folder(folder)
    with locked(base, "exploration"), _executor(workers, scheduler) as executor:
        _claim(base, space)
        study = _study(base, space)
        known = {point.number: point for point in _points(study)}
        for point in known.values():
            told(point)
        evaluator = Evaluator(space, base, data, executor)
        for point in known.values():
            evaluator.keep(point.parameters, point.evaluation)
        chosen = _abandon(study, space)
        if space.sampler == "grid":
            grid = _grid_points(space)
            chosen = dict(enumerate(grid)) | chosen
            space = replace(space, points=min(space.points, len(grid)))
        while len(known) < space.points:
            batch = _asked(study, space, len(known), chosen)
            found = evaluator([parameters for _, parameters in batch.values()])
            for (place, (trial, parameters)), evaluation in zip(batch.items(), found, strict=True):
                known[place] = Point(place, parameters, evaluation)
                _tell(study, trial, space, evaluation)
                told(known[place])
        points = [known[number] for number in sorted(known)]
        write_table(base / POINTS, space, points)
        write_table(base / FRONT, space, front_of(space, points), built_points(base))
    return points


def build_front(
    space: Space,
    points: list[Point],
    folder: str | os.PathLike[str],
    count: int,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    told: Callable[[Built], None] = lambda built: None,
) -> dict[int, Built]:
    """Prove, synthesize and route points of the front, and return all that the folder then has, by number.

    Parameters
    ----------
    points : all points of the exploration
    count : how many, evenly from one end of the front to the other by the first objective
    workers, scheduler : as of `explore`
    told : called with each point that is built; those that the folder has are not built again

    Raises
    ------
    InputError
        The space has no board, or the folder is in use or cannot be written to.
    """
    if not space.board:
        raise InputError("Space must have a board for bitstreams, not a family alone")
    base, front = Path(folder), front_of(space, points)
    chosen = _spread(space, front, count)
    with locked(base, "exploration"), _executor(workers, scheduler) as executor:
        for start in range(0, len(chosen), workers):
            part = chosen[start : start + workers]
            for built in each(executor, build_point, {str(each.number): (space, each, base) for each in part}).values():
                told(built)
        all_built = built_points(base)
        write_table(base / FRONT, space, front, all_built)
    return all_built


def _spread(space: Space, front: list[Point], count: int) -> list[Point]:
    ordered = sorted(front, key=lambda point: point.evaluation.figures[space.objectives[0]])
    places = np.unique(np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int))
    return [ordered[place] for place in places]


def _claim(base: Path, space: Space) -> None:
    """Write which space the folder is of, or check that it is this one."""
    path, digest = base / SPACE, space.digest()
    if path.exists():
        try:
            there = json.loads(path.read_text(encoding="utf-8"))["space"]
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise InputError(f"Folder {str(base)!r} must be one of an exploration, not of another kind") from error
        if there != digest:
            raise InputError(f"Folder {str(base)!r} must be one of this space, not of another one; nothing was changed")
        return
    if any(base.iterdir()):
        raise InputError(f"Folder {str(base)!r} must be empty or one of an exploration, not of another kind")
    with atomic_write(path, "Space") as part:
        part.write_text(json.dumps({"space": digest}) + "\n", encoding="utf-8")


def _study(base: Path, space: Space) -> "optuna.Study":
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # The folder is locked, so a lock of the journal is one that a killed process left.
    for left in base.glob(f"{JOURNAL}.lock*"):
        left.unlink(missing_ok=True)
    path = str(base / JOURNAL)
    storage = JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))
    directions = ["maximize" if OBJECTIVES[name].grows else "minimize" for name in space.objectives]
    return optuna.create_study(storage=storage, study_name=_STUDY, load_if_exists=True, directions=directions)


def _points(study: "optuna.Study") -> Iterator[Point]:
    for trial in study.get_trials(deepcopy=False):
        if trial.state.is_finished() and _EVALUATION in trial.user_attrs:
            parameters = {name: _value(value) for name, value in trial.params.items()}
            yield Point(trial.user_attrs[_PLACE], parameters, Evaluation.from_json(trial.user_attrs[_EVALUATION]))


def _abandon(study: "optuna.Study", space: Space) -> dict[int, dict[str, Any]]:
    """End the trials of a process that was stopped, and return what it had chosen, by place."""
    import optuna

    chosen = {}
    for trial in study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
        if len(trial.params) == len(space.parameters):
            chosen[trial.user_attrs[_PLACE]] = dict(trial.params)
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return chosen


def _asked(
    study: "optuna.Study", space: Space, first: int, chosen: Mapping[int, Mapping[str, Any]]
) -> dict[int, tuple["optuna.Trial", dict[str, Any]]]:
    """Return the trials and parameters of a batch, by place.

    Parameters
    ----------
    first : the first place that has no point
    chosen : what a stopped process had chosen for places
    """
    batch = {}
    for place in range(first, min(space.points, (first // space.batch + 1) * space.batch)):
        study.sampler = _sampler(space, place)
        if place in chosen:
            study.enqueue_trial(dict(chosen[place]))
        trial = study.ask()
        trial.set_user_attr(_PLACE, place)
        batch[place] = trial, {name: _value(_suggest(trial, name, values)) for name, values in space.parameters.items()}
    return batch


def _suggest(trial: "optuna.Trial", name: str, values: Choice | Range) -> Any:
    if isinstance(values, Choice):
        return trial.suggest_categorical(name, [json.dumps(value) for value in values.values])
    if values.whole:
        return trial.suggest_int(
            name, int(values.low), int(values.high), step=1 if values.log else int(values.step or 1), log=values.log
        )
    return trial.suggest_float(name, values.low, values.high, step=values.step or None, log=values.log)


def _value(stored: Any) -> Any:
    """Return the value of a parameter from what Optuna stores: JSON for one of several values."""
    if not isinstance(stored, str):
        return stored
    value = json.loads(stored)
    return tuple(value) if isinstance(value, list) else value


def _sampler(space: Space, number: int) -> "optuna.samplers.BaseSampler":
    from optuna import samplers

    seed = (space.seed * 1_000_003 + number) % 2**32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constraints are said to be experimental
        if space.sampler in ("random", "grid"):
            return samplers.RandomSampler(seed=seed)
        if space.sampler == "nsga2":
            size = max(_POPULATION, space.batch)
            return samplers.NSGAIISampler(population_size=size, seed=seed, constraints_func=_violations)
        return samplers.TPESampler(seed=seed, constraints_func=_violations)


def _grid_points(space: Space) -> list[dict[str, Any]]:
    """Return all combinations of values, as Optuna stores them; the last parameter varies first."""
    values = [_grid(values) for values in space.parameters.values()]
    return [dict(zip(space.parameters, each, strict=True)) for each in product(*values)]


def _grid(values: Choice | Range) -> list[Any]:
    if isinstance(values, Choice):
        return [json.dumps(value) for value in values.values]
    count = int((values.high - values.low) / values.step + 1e-9) + 1
    return [values.low + place * values.step for place in range(count)]


def _violations(trial: "optuna.trial.FrozenTrial") -> tuple[float, ...]:
    return (1.0 if trial.user_attrs[_EVALUATION]["reason"] else -1.0,)


def _tell(study: "optuna.Study", trial: "optuna.Trial", space: Space, found: Evaluation) -> None:
    import optuna

    trial.set_user_attr(_EVALUATION, {**found.to_json(), "interval": min(found.interval, ENDLESS)})
    if found.figures:
        # What breaks a constraint is not trained; samplers compare such points by the constraint.
        study.tell(trial, [found.figures.get(name, 0.0) for name in space.objectives])
    else:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)


@contextmanager
def _executor(workers: int, scheduler: str | None) -> Iterator[Executor | None]:
    """Yield what evaluates points: None for this process, or processes of Dask."""
    if scheduler is None and workers == 1:
        yield None
        return
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(f"Scheduler must be one that is within reach, not {scheduler!r}") from error
        with client:
            yield client.get_executor(pure=False)
        return
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor(pure=False)
