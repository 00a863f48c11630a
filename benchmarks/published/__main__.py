"""Train a network shortly on CIFAR-10 and export it: ``python -m benchmarks.published NAME --data DIR -o FILE``."""

import argparse
from pathlib import Path

import torch

from benchmarks.published import NETWORKS
from benchmarks.published.training import accuracy, export, train
from quant import datasets


def main() -> None:
    """Train and export the network that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.published", description=__doc__)
    parser.add_argument("name", choices=NETWORKS)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="an .onnx file")
    parser.add_argument("--data", help="folder of data sets; default: $XNORFLOW_DATA")
    parser.add_argument("--width", type=int, default=16, help="channels of the first layer, or of a block's growth")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the training")
    parser.add_argument("--images", type=int, default=50_000, help="training images that are used")
    parser.add_argument("--dynamo", action="store_true", help="export with torch's newer exporter")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = NETWORKS[arguments.name](arguments.width)
    training, test = (datasets.load("cifar10", split, data=arguments.data) for split in ("train", "test"))
    train(network, training, minutes=arguments.minutes, images=arguments.images, say=print)
    print(f"accuracy {accuracy(network, test):.2%} of {len(test.images):,} test images")
    export(network, (3, 32, 32), arguments.output, dynamo=arguments.dynamo)


if __name__ == "__main__":
    main()
