"""Data of one's own: .npz files, folders of classes, functions; what is read, and every kind of bad data."""

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dataflow import InputError
from quant import datasets

Image = pytest.importorskip("PIL.Image", reason="images are read by Pillow")

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (12, 4, 5, 3), np.uint8)
LABELS = np.arange(12) % 3


def write_npz(path: Path, **changes: np.ndarray) -> str:
    arrays = {"train_images": IMAGES, "train_labels": LABELS, "test_images": IMAGES[:2], "test_labels": LABELS[:2]}
    np.savez(path, **arrays | changes)
    return path.name


def write_folder(folder: Path, *, mode: str = "RGB", suffix: str = "png") -> dict[str, np.ndarray]:
    """Write two images of each of three classes to train/ and one to val/, and return all by their path."""
    images = {}
    for split, count in (("train", 2), ("val", 1)):
        for name in ("ant", "bee", "cow"):
            (folder / split / name).mkdir(parents=True)
            for index in range(count):
                pixels = RANDOM.integers(0, 256, (6, 8, 3) if mode == "RGB" else (6, 8), np.uint8)
                Image.fromarray(pixels, mode=None).save(folder / split / name / f"{index}.{suffix}")
                images[f"{split}/{name}/{index}"] = pixels
    return images


def test_an_npz_file_is_read_and_its_training_part_shuffled(tmp_path: Path) -> None:
    name = write_npz(tmp_path / "mine.npz")
    test = datasets.load(name, "test", data=tmp_path)
    np.testing.assert_array_equal(test.images, IMAGES[:2])
    assert (test.labels.tolist(), test.labels.dtype, test.name) == ([0, 1], np.int64, name)
    train = datasets.load(name, "train", data=tmp_path)
    order = [next(index for index in range(12) if np.array_equal(image, IMAGES[index])) for image in train.images]
    assert sorted(order) == list(range(12)) != order
    assert train.labels.tolist() == LABELS[order].tolist()
    np.testing.assert_array_equal(datasets.load(name, "train", data=tmp_path).images, train.images)


def test_gray_images_and_columns_of_labels_are_read(tmp_path: Path) -> None:
    """MedMNIST's files have this form."""
    name = write_npz(tmp_path / "mine.npz", test_images=IMAGES[..., 0], test_labels=LABELS[:, None].astype(np.uint8))
    found = datasets.load(name, "test", data=tmp_path)
    np.testing.assert_array_equal(found.images, IMAGES[..., :1])
    assert found.labels.tolist() == LABELS.tolist()


def test_a_file_of_the_current_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_npz(tmp_path / "mine.npz")
    monkeypatch.chdir(tmp_path)
    assert len(datasets.load("mine.npz", "test", data=tmp_path / "elsewhere")) == 2
    assert len(datasets.load(str(tmp_path / "mine.npz"), "test")) == 2


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        (
            {"test_images": IMAGES.astype(np.float32)},
            r"Images of '.*: test_images' must be \(n, height, width, channels\) uint8, not \(12, 4, 5, 3\) float32",
        ),
        ({"test_labels": LABELS[:3]}, r"Labels of '.*: test_labels' must be \(2,\) integers, not \(3,\) int64"),
        ({"test_labels": LABELS[:2] - 1}, r"Labels of '.*: test_labels' must count from 0, not from -1 to 0"),
    ],
)
def test_bad_arrays_are_refused(changes: dict[str, np.ndarray], rule: str, tmp_path: Path) -> None:
    name = write_npz(tmp_path / "mine.npz", **changes)
    with pytest.raises(InputError, match=rf"^{rule}$"):
        datasets.load(name, "test", data=tmp_path)


def test_bad_npz_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    with pytest.raises(InputError, match=rf"^Data file '{re.escape(str(path))}' must exist$"):
        datasets.load(str(path), "test")
    np.savez(path, images=IMAGES)
    with pytest.raises(InputError, match=r"^Data file '.*' must hold 'test_images', not only images$"):
        datasets.load(str(path), "test")
    np.savez(path, test_images=np.array([{}]), test_labels=LABELS)  # objects, which only pickle could read
    for damage in (lambda raw: raw, lambda raw: raw[:50], lambda _: b"text"):
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(InputError, match=r"^Data file '.*' must be an \.npz file of arrays, not a damaged or"):
            datasets.load(str(path), "test")


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1)])
def test_folders_are_classes_in_order_of_their_names(mode: str, channels: int, tmp_path: Path) -> None:
    written = write_folder(tmp_path / "mine", mode=mode)
    test = datasets.load("mine/", "test", data=tmp_path)
    assert test.images.shape == (3, 6, 8, channels)
    assert test.labels.tolist() == [0, 1, 2]
    for image, name in zip(test.images, ("ant", "bee", "cow"), strict=True):
        np.testing.assert_array_equal(image, written[f"val/{name}/0"].reshape(image.shape))
    train = datasets.load("mine/", "train", data=tmp_path)
    assert sorted(train.labels.tolist()) == [0, 0, 1, 1, 2, 2] != train.labels.tolist()
    for image, label in zip(train.images, train.labels, strict=True):
        of_class = [written[f"train/{('ant', 'bee', 'cow')[label]}/{index}"].reshape(image.shape) for index in range(2)]
        assert any(np.array_equal(image, each) for each in of_class)


def test_images_are_scaled_and_turned(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write_folder(folder)
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, 20:] = 255  # the right half
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the right half is the lower one
    Image.fromarray(pixels).save(folder / "val" / "ant" / "0.png", exif=exif)
    found = datasets.load("mine/", "test", data=tmp_path, image_size=(10, 6))
    assert found.images.shape == (3, 10, 6, 3)
    assert int(found.images[0, :4].max()) == 0
    assert int(found.images[0, -4:].min()) == 255
    rule = r"^Image '.*bee.0\.png' must be 40 x 20 pixels as '.*ant.0\.png', not 6 x 8; image_size of the recipe scales"
    with pytest.raises(InputError, match=rule):
        datasets.load("mine/", "test", data=tmp_path)


def test_broken_images_are_counted_and_named_or_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write_folder(folder)
    whole = (folder / "train" / "bee" / "0.png").read_bytes()
    (folder / "train" / "bee" / "0.png").write_bytes(whole[: len(whole) // 2])
    (folder / "train" / "cow" / "1.png").write_bytes(b"text")
    Image.fromarray(np.zeros((6, 8), np.uint16)).save(folder / "train" / "ant" / "0.png")  # 16 bits
    causes = "; ".join([r".*\.png \(.+\)"] * 3)
    rule = rf"^Images of '.*train' must be readable, not broken as 3 of 6: {causes}$"
    with pytest.raises(InputError, match=rule) as caught:
        datasets.load("mine/", "train", data=tmp_path)
    assert "its mode is I" in str(caught.value)
    found = datasets.load("mine/", "train", data=tmp_path, skip_broken=True)
    assert sorted(found.labels.tolist()) == [0, 1, 2]
    assert len(found.broken) == 3
    assert sorted(Path(each.split(" (")[0]).relative_to(folder).as_posix() for each in found.broken) == [
        "train/ant/0.png",
        "train/bee/0.png",
        "train/cow/1.png",
    ]


def test_bad_folders_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    with pytest.raises(InputError, match=r"^Data folder '.*train' must exist, with one folder for each class$"):
        datasets.load("mine/", "train", data=tmp_path)
    write_folder(folder)
    (folder / "val" / "dog").mkdir()
    with pytest.raises(InputError, match=r"^Class folder '.*dog' must be one of the training part too, not a new one$"):
        datasets.load("mine/", "test", data=tmp_path)
    (folder / "train" / "dog").mkdir()
    with pytest.raises(InputError, match=r"^Class folder '.*dog' must hold images, not none$"):
        datasets.load("mine/", "train", data=tmp_path)


def test_functions_return_images_and_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "numbers.py").write_text("COUNT = 6\n")
    Path("my_data.py").write_text(
        "import numpy as np\nfrom numbers_of import COUNT\nfrom quant.datasets import Dataset\n"
        "def load(split):\n"
        "    count = COUNT if split == 'train' else 2\n"
        "    return np.full((count, 4, 6), 7, np.uint8), np.arange(count)\n"
        "def whole(split):\n    return Dataset(*load(split), 'any')\n"
        "def fails(split):\n    return 1 / 0\n"
        "def nothing(split):\n    return None\n"
        "def ragged(split):\n    return [[1], [1, 2]], [0, 1]\n"
    )
    (tmp_path / "numbers.py").rename(tmp_path / "numbers_of.py")
    train = datasets.load("my_data.py:load", "train")
    assert (train.images.shape, sorted(train.labels.tolist())) == ((6, 4, 6, 1), list(range(6)))
    assert len(datasets.load("my_data.py:whole", "test")) == 2
    for name, rule in (
        ("my_data.py:fails", "Data set 'my_data.py:fails' must return its result, not end in ZeroDivisionError: .*"),
        ("my_data.py:nothing", "Result of data set 'my_data.py:nothing' must be images and labels, not NoneType"),
        ("my_data.py:ragged", r"Images of .* must be \(n, height, width, channels\) uint8, not \(\) object"),
        ("my_data.py:none", "File of data set 'my_data.py:none' must define 'none', which it does not"),
        ("other.py:load", "File of data set 'other.py:load' must exist, which 'other.py' does not"),
    ):
        with pytest.raises(InputError, match=rf"^{rule}$"):
            datasets.load(name, "test")


def test_an_unknown_name_lists_the_forms(tmp_path: Path) -> None:
    rule = r"^Data set must be one of FILE\.npz, FILE\.py:FUNCTION, FOLDER/, arrays, cifar10, .*, not 'flowers'"
    with pytest.raises(InputError, match=rule):
        datasets.load("flowers", "test", data=tmp_path)


def test_a_damaged_header_within_an_archive_is_one_sentence(tmp_path: Path) -> None:
    content = io.BytesIO()
    np.save(content, np.zeros((2, 3, 4, 1), np.uint8))
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as file:
        file.writestr("train_images.npy", content.getvalue().replace(b"(2,", b"((,", 1))
        file.writestr("train_labels.npy", content.getvalue())
    with pytest.raises(InputError, match=r"^Data file '.*data\.npz' must be an \.npz file of arrays, not a damaged or"):
        datasets.load(str(tmp_path / "data.npz"), "train")
