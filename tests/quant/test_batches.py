"""Batches: every image once, an order that depends only on seed and epoch, and shifts by whole pixels."""

from typing import Any

import numpy as np
import pytest
import torch

from quant._batches import EpochBatches
from quant.moving import mirrored, shifted
from quant.recipes import ConvolutionalRecipe, DenseRecipe, Recipe, ResidualRecipe
from quant.tasks import task_of

pytestmark = pytest.mark.train

IMAGES = torch.arange(1, 12, dtype=torch.uint8)[:, None, None, None] * torch.ones(1, 4, 3, 1, dtype=torch.uint8)
LABELS = torch.arange(11)
TASK = task_of("classify", 11, (4, 3))


def batches(epoch: int, **changes: float) -> list[tuple[torch.Tensor, torch.Tensor]]:
    entries = {"batch_size": 4, **changes}
    return list(EpochBatches(IMAGES, LABELS, recipe_of(**entries), epoch, task=TASK))


def recipe_of(**entries: Any) -> DenseRecipe:
    return DenseRecipe(name="r", dataset="mnist-sample", hidden=(2,), epochs=1, **entries)


def labels(epoch: int, **changes: float) -> list[int]:
    return torch.cat([batch[1] for batch in batches(epoch, **changes)]).tolist()


def test_an_epoch_has_each_image_once_in_nearly_equal_batches() -> None:
    assert [len(batch[1]) for batch in batches(0)] == [4, 4, 3]
    assert sorted(labels(0)) == list(range(11))
    for images, rows in batches(0):
        assert images.dtype == torch.float32
        torch.testing.assert_close(images[:, 0, 0, 0], (rows + 1) / 255)


def test_the_length_is_the_number_of_batches() -> None:
    assert len(EpochBatches(IMAGES, LABELS, recipe_of(batch_size=5), 0, task=TASK)) == 3


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    orders = [tuple(labels(epoch, seed=seed)) for seed in range(3) for epoch in range(3)]
    assert len(set(orders)) == 9
    assert tuple(labels(2, seed=1)) == orders[5]


def test_shifts_move_part_of_the_images() -> None:
    full = torch.cat([images for images, _ in batches(0)])
    for chance, least, most in ((0.0, 0, 0), (0.5, 1, 10), (1.0, 5, 11)):
        moved = torch.cat([images for images, _ in batches(0, shift=1, shift_chance=chance)])
        assert least <= int((moved != full).flatten(1).any(1).sum()) <= most


@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, 0), (0, -2), (-1, 2), (3, 1)])
def test_a_shift_moves_by_whole_pixels_and_fills_with_zeros(down: int, right: int) -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(1, 256, (2, 3, 4, 5), np.uint8))
    expected = torch.zeros_like(images)
    for row in range(4):
        for column in range(5):
            if 0 <= row - down < 4 and 0 <= column - right < 5:
                expected[0, :, row, column] = images[0, :, row - down, column - right]
    expected[1] = images[1]
    moved = shifted(images, torch.tensor([down, 0]), torch.tensor([right, 0]), 3)
    assert torch.equal(moved, expected)


def test_mirrored_images_have_left_and_right_exchanged() -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 2, 4, 5), np.uint8))
    found = mirrored(images, torch.tensor([True, False, True])).numpy()
    expected = images.numpy().copy()
    expected[[0, 2]] = expected[[0, 2], :, :, ::-1]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "recipe",
    [
        ConvolutionalRecipe(name="r", dataset="mnist-sample", hidden=(), epochs=1, convolutions=(2,), flip=True),
        ResidualRecipe(name="r", dataset="mnist-sample", epochs=1, widths=(2,), depth=1, flip=True),
    ],
)
def test_half_of_an_epochs_images_are_mirrored_anew_each_time(recipe: Recipe) -> None:
    ramp = torch.arange(5, dtype=torch.uint8)[:, None].expand(200, 2, 5, 1)
    chosen = []
    for epoch in (0, 1):
        rows = [
            (images[:, 0, 0, 0] > 0, labels)
            for images, labels in EpochBatches(ramp, torch.arange(200), recipe, epoch, task=TASK)
        ]
        flips, labels = (torch.cat(parts) for parts in zip(*rows, strict=True))
        chosen.append(flips[labels.argsort()])
        assert 70 < int(flips.sum()) < 130
    assert not torch.equal(*chosen)


def test_without_flip_no_image_is_mirrored() -> None:
    ramp = torch.arange(5, dtype=torch.uint8)[:, None].expand(50, 2, 5, 1)
    recipe = ConvolutionalRecipe(name="r", dataset="mnist-sample", hidden=(), epochs=1, convolutions=(2,))
    for images, _ in EpochBatches(ramp, torch.arange(50), recipe, 0, task=TASK):
        assert (images[..., 0] == 0).all()


def test_several_processes_get_equal_parts_of_each_batch() -> None:
    recipe = recipe_of(batch_size=4, shift=1)
    whole = list(EpochBatches(IMAGES, LABELS, recipe, 3, task=TASK))
    parts = [list(EpochBatches(IMAGES, LABELS, recipe, 3, task=TASK, part=part, parts=2)) for part in range(2)]
    for (images, labels), *of_parts in zip(whole, *parts, strict=True):
        for part, (own_images, own_labels) in enumerate(of_parts):
            assert torch.equal(own_images, images[part::2])
            assert torch.equal(own_labels, labels[part::2])


def test_mixed_images_have_mixed_labels() -> None:
    recipe = recipe_of(batch_size=11, mixup=1.0)
    ((images, mixed),) = EpochBatches(IMAGES, LABELS, recipe, 0, task=TASK)
    assert mixed.shape == (11, 11)
    torch.testing.assert_close(mixed.sum(1), torch.ones(11))
    assert sorted((mixed > 0).sum(1).tolist())[-1] == 2
    # The brightness of an image of class k is (k + 1) / 255, so that of a mixture is the mean over its labels.
    torch.testing.assert_close(images[:, 0, 0, 0], (mixed * torch.arange(1, 12)).sum(1) / 255)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["rand", "trivial"])
def test_augmented_images_depend_on_seed_and_epoch_only(kind: str, channels: int) -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (40, 12, 12, channels), np.uint8))
    recipe = recipe_of(augment=kind, batch_size=40)

    def epoch(number: int) -> torch.Tensor:
        torch.manual_seed(number + 7)  # of no effect
        before = torch.get_rng_state()
        ((batch, _),) = EpochBatches(images, torch.arange(40), recipe, number, task=TASK)
        assert torch.equal(torch.get_rng_state(), before)
        return batch

    first, again, other = epoch(0), epoch(0), epoch(1)
    assert torch.equal(first, again)
    assert first.shape == (40, channels, 12, 12)
    assert not torch.equal(first, other)
    assert 0 <= float(first.min()) <= float(first.max()) <= 1
    ((plain, labels),) = EpochBatches(images, torch.arange(40), recipe_of(batch_size=40), 0, task=TASK)
    assert int((plain != first).flatten(1).any(1).sum()) > 20
    torch.testing.assert_close(plain[0], images[labels[0]].permute(2, 0, 1) / 255)


def test_crops_are_parts_of_images_at_their_size() -> None:
    """A ramp stays one: what is cropped is scaled, so its least and largest values move together."""
    ramp = (torch.arange(32)[:, None] * torch.ones(1, 32)).to(torch.uint8)[None, :, :, None].repeat(40, 1, 1, 1)
    recipe = recipe_of(batch_size=40, crop=0.2)
    ((images, labels),) = EpochBatches(ramp, torch.arange(40), recipe, 0, task=TASK)
    ((again, _),) = EpochBatches(ramp, torch.arange(40), recipe, 0, task=TASK)
    assert torch.equal(images, again)
    assert images.shape == (40, 1, 32, 32)
    assert sorted(labels.tolist()) == list(range(40))
    columns = images[:, 0, :, 5] * 255
    steps = columns[:, 1:] - columns[:, :-1]
    assert bool((steps >= -1e-3).all())
    heights = columns[:, -1] - columns[:, 0]
    assert float(heights.min()) < 22
    assert float(heights.max()) > 24
    assert float(columns.max()) <= 31.001
