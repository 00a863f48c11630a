"""Accuracies of all methods at an equal short budget: ``python -m benchmarks.method_accuracy RECIPE --out FILE``.

Each cell is a method, an optimizer and a seed, trained by one recipe. The accuracy is that of the last epoch on the
test images; nothing is chosen by it. Cells that the file holds already are not trained again.
"""

import argparse
import json
import platform
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from quant import methods, recipes
from quant.recipes import Recipe
from quant.training import train

__all__ = ["cells", "main", "table"]

#: Learning rates of the optimizers, the same for all methods.
RATES = {"adam": 0.01, "sgd": 0.1}

Results = dict[str, dict[str, float]]


def cells(names: list[str], seeds: int) -> list[tuple[str, str, int]]:
    """Return methods, optimizers and seeds, all with each other; one seed of all comes first, with one optimizer."""
    return [(name, optimizer, seed) for seed, optimizer, name in product(range(seeds), RATES, names)]


def run(recipe: Recipe, cell: tuple[str, str, int], data: str | None) -> dict[str, float]:
    """Train a cell; return its accuracy, 0 to 1, and the seconds that it took."""
    name, optimizer, seed = cell
    changed = replace(
        recipe, name="cell", method=name, optimizer=optimizer, learning_rate=RATES[optimizer], seed=seed, options={}
    )
    with TemporaryDirectory() as folder:
        result = train(changed, data=data, out=Path(folder) / "run", progress=False)
    return {"accuracy": result.accuracy, "seconds": result.metrics["seconds"]}


def table(results: Results) -> str:
    """Return a Markdown table: mean accuracy and spread over the seeds for each optimizer, the better one in bold."""
    lines = ["| method | " + " | ".join(RATES) + " | seconds |", "|---|" + "---|" * (len(RATES) + 1)]
    for name in dict.fromkeys(key.split()[0] for key in results):
        of = {each: [v for key, v in results.items() if key.split()[:2] == [name, each]] for each in RATES}
        means = {each: mean(v["accuracy"] for v in cells) for each, cells in of.items() if cells}
        best = max(means, key=lambda each: means[each])
        texts = []
        for each, cells_of in of.items():
            accuracies = [100 * v["accuracy"] for v in cells_of]
            spread = f" ({min(accuracies):.2f} to {max(accuracies):.2f})" if len(accuracies) > 1 else ""
            figure = f"{mean(accuracies):.2f}" if accuracies else "-"
            texts.append((f"**{figure}**" if each == best else figure) + spread)
        seconds = mean(cell["seconds"] for many in of.values() for cell in many)
        lines.append(f"| `{name}` | " + " | ".join(texts) + f" | {seconds:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.method_accuracy", description=__doc__)
    parser.add_argument("recipe", help="a recipe's name, or a TOML file")
    parser.add_argument("--data", help="folder of data sets; default: $XNORFLOW_DATA")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON with one entry per cell")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="another value of the recipe")
    arguments = parser.parse_args()
    recipe = replace(recipes.load(arguments.recipe), epochs=arguments.epochs, validation=0)
    recipe = recipes.changed(recipe, arguments.set)
    results: Results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for cell in cells(list(methods.METHODS), arguments.seeds):
        key = " ".join(map(str, cell))
        if key not in results:
            results[key] = run(recipe, cell, arguments.data)
            arguments.out.write_text(json.dumps(results, indent=1))
    print(
        f"{recipe.name}, {recipe.epochs} epochs, {arguments.seeds} seeds, {platform.processor() or platform.machine()}"
    )
    print(table(results))


if __name__ == "__main__":
    main()
