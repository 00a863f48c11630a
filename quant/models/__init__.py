"""Networks for training, built from modules of Brevitas and torch with names that the exported file keeps."""

from quant.models._build import build
from quant.models._layers import FlattenImage, ImageScale, PixelScale, ScoreNorm
from quant.models._own import adopt, own
from quant.models._residual import residual
from quant.models._sequential import convolutional, dense

__all__ = [
    "FlattenImage",
    "ImageScale",
    "PixelScale",
    "ScoreNorm",
    "adopt",
    "build",
    "convolutional",
    "dense",
    "own",
    "residual",
]
