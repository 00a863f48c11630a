"""The places of key points, one object in each image.

A network returns a heat map for each point, as the networks of Xiao, Wu and Wei 2018 (arXiv:1804.06208) do: its size is
the image's divided by an integer, and the point is at its largest value.
"""

import contextlib
import io
from math import prod

import numpy as np
import torch
from torch import Tensor

from quant.tasks._task import Metric, Shape, Task

__all__ = ["Keypoints", "heat_maps", "places"]

#: Standard deviation of a heat map's peak, as a part of the root of its area: 2 of 64 x 48 positions.
_PEAK = 1 / 28

#: Spread of the places of a point between people who mark it, as a part of the root of the object's area. COCO has its
#: own for its 17 points; for others, this is about their mean.
_SPREAD, _POINTS_OF_COCO = 0.07, 17


class Keypoints(Task):
    """Mean square error of heat maps, and COCO's average precision of object key-point similarity (OKS).

    The area of an object is that of the image. Points that are not visible count for nothing.
    """

    def shape_rule(self, targets: Shape) -> str:
        height, width = self.image
        return f"{self.outputs} heat maps whose height and width are {height} and {width} divided by one integer"

    def fits(self, found: Shape, targets: Shape) -> bool:
        if len(found) != 3 or found[0] != self.outputs or not all(found):
            return False
        height, width = self.image
        return height % found[1] == 0 and width % found[2] == 0 and height // found[1] == width // found[2]

    def loss(self, outputs: Tensor, targets: Tensor, *, smoothing: float = 0.0) -> Tensor:
        wanted = heat_maps(targets, self.image, (outputs.shape[2], outputs.shape[3]))
        visible = targets[..., 2][..., None, None]
        # Peaks are small: as a mean over positions their error would be too small to learn from.
        return ((outputs - wanted) ** 2 * visible).sum((2, 3)).mean()

    def metric(self) -> Metric:
        return _AveragePrecision(self.image)


def heat_maps(points: Tensor, image: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Return the heat maps of points: Gaussian peaks of height 1.

    Parameters
    ----------
    points : (n, points, 3): x, y in pixels, visible
    image, size : height and width of the image and of a heat map

    Returns
    -------
    maps : (n, points, height, width) float32
    """
    deviation = max(1.0, _PEAK * prod(size) ** 0.5)
    places = [(points[..., axis] + 0.5) * size[1 - axis] / image[1 - axis] - 0.5 for axis in (0, 1)]
    x, y = (
        torch.exp(-((torch.arange(count, device=points.device) - place[..., None]) ** 2) / (2 * deviation**2))
        for place, count in zip(places, (size[1], size[0]), strict=True)
    )
    return y[..., :, None] * x[..., None, :]


def places(maps: Tensor, image: tuple[int, int]) -> Tensor:
    """Return where heat maps have their largest values, a quarter of a position towards the larger neighbour.

    Parameters
    ----------
    maps : (n, points, height, width)
    image : height and width of the image

    Returns
    -------
    places : (n, points, 3) float64: x and y in pixels of the image, and the largest value
    """
    count, points, height, width = maps.shape
    numbers = maps.detach().double().cpu()
    best, index = numbers.flatten(2).max(2)
    y, x = index // width, index % width
    n, point = torch.arange(count)[:, None], torch.arange(points)[None]
    found = []
    for at, size, along in ((x, width, 1), (y, height, 0)):
        before, after = (at - 1).clamp_min(0), (at + 1).clamp_max(size - 1)
        lower, upper = (
            numbers[n, point, y, other] if along else numbers[n, point, other, x] for other in (before, after)
        )
        inside = (at > 0) & (at < size - 1)
        offset = 0.25 * torch.sign(upper - lower) * inside
        found.append((at + offset + 0.5) * (image[1] / width if along else image[0] / height) - 0.5)
    return torch.stack((*found, best), 2)


class _AveragePrecision:
    """Average precision of pycocotools, each image with one object."""

    def __init__(self, image: tuple[int, int]) -> None:
        self._image = image
        self._found: list[np.ndarray] = []
        self._true: list[np.ndarray] = []

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        self._found.append(places(outputs, self._image).numpy())
        self._true.append(targets.cpu().numpy())

    def compute(self) -> Tensor:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        found, true = np.concatenate(self._found), np.concatenate(self._true)
        height, width = self._image
        images = [{"id": index + 1, "height": height, "width": width} for index in range(len(true))]
        box = {"bbox": [0.0, 0.0, float(width), float(height)], "area": float(height * width), "category_id": 1}
        objects = [
            {
                **box,
                "id": index + 1,
                "image_id": index + 1,
                "iscrowd": 0,
                "num_keypoints": int(points[:, 2].sum()),
                "keypoints": [float(each) for x, y, seen in points for each in (x, y, 2 * seen)],
            }
            for index, points in enumerate(true)
        ]
        answers = [
            {
                "image_id": index + 1,
                "category_id": 1,
                "keypoints": points.reshape(-1).tolist(),
                "score": float(points[:, 2].mean()),
            }
            for index, points in enumerate(found)
        ]
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
            coco = COCO()
            coco.dataset = {"images": images, "annotations": objects, "categories": [{"id": 1, "name": "object"}]}
            coco.createIndex()
            judge = COCOeval(coco, coco.loadRes(answers), "keypoints")
            if true.shape[1] != _POINTS_OF_COCO:
                judge.params.kpt_oks_sigmas = np.full(true.shape[1], _SPREAD)
            judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
            judge.evaluate()
            judge.accumulate()
        precision = judge.eval["precision"]
        return torch.tensor(float(precision[precision > -1].mean()) if (precision > -1).any() else 0.0)
