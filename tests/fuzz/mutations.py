"""Damaged input files: real ones whose structure or bytes are changed at random."""

import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import numpy as np
import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

__all__ = ["MUTATIONS", "damaged_bytes"]

#: Values that programs seldom expect.
NUMBERS = (0, -1, 1, 2, 3, 7, 255, 256, 2**15, 2**31 - 1, 2**31, 2**40, 2**63 - 1, 2**63, 2**70, -(2**63), 0.5, -0.0)
TEXTS = ("", " ", "a", "[/]", "[bold", "\ud800", "é", "\x1b[31m", "a\nb", "../x", "->", "x" * 5000, "nan", "\u202e")
STRANGE = (None, True, False, [], {}, [[]], {"a": 1}, [1, "x"], float("nan"), float("inf"), 1e308, -1e-308)


def strange(random: Random) -> Any:
    """Return a value of any kind."""
    return random.choice((random.choice(NUMBERS), random.choice(TEXTS), random.choice(STRANGE)))


def near(value: Any, random: Random) -> Any:
    """Return a value of the same kind, or a strange one."""
    if random.random() < 0.3:
        return strange(random)
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return random.choice((value + 1, value - 1, -value, 2 * value, 1000 * value, random.choice(NUMBERS)))
    if isinstance(value, float):
        return random.choice((-value, value * 1e30, 0.0, float("nan"), float("inf")))
    if isinstance(value, str):
        return random.choice((value + value, value[:-1], value.upper(), random.choice(TEXTS)))
    return strange(random)


# JSON-like trees: the structure of .xnf files, TOML and JSON.


def places(tree: Any, depth: int = 0) -> Iterator[tuple[Any, Any]]:
    """Yield every container and key of a tree, not those that an earlier change nested deeply."""
    if isinstance(tree, dict | list) and depth < 50:
        keys = list(tree) if isinstance(tree, dict) else range(len(tree))
        for key in keys:
            yield tree, key
            yield from places(tree[key], depth + 1)


def _copied(tree: Any) -> Any:
    try:
        return json.loads(json.dumps(tree))
    except RecursionError:
        return None


def change_tree(tree: Any, random: Random) -> None:
    """Change, remove, double or nest one entry of a tree."""
    found = list(places(tree))
    if not found:
        return
    container, key = random.choice(found)
    what = random.random()
    if what < 0.6:
        container[key] = near(container[key], random)
    elif what < 0.75:
        del container[key]
    elif what < 0.85 and isinstance(container, list):
        container.insert(key, container[key])
    elif what < 0.9:
        other, place = random.choice(found)
        if place in other if isinstance(other, dict) else place < len(other):
            container[key] = _copied(other[place])
    elif what < 0.93:
        nested: Any = container[key]
        for _ in range(random.choice((3, 200, 5000))):
            nested = [nested]
        container[key] = nested
    elif isinstance(container, dict):
        container[random.choice(TEXTS)] = strange(random)
    else:
        container.extend([container[key]] * random.choice((1, 10, 1000)))


# Files.


def damaged_bytes(data: bytes, random: Random) -> bytes:
    """Return bytes of which some are changed, missing or new."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 3, 20))):
        place = (
            random.randrange(len(changed) + 1)
            if random.random() < 0.5
            else random.randrange(min(200, len(changed) + 1))
        )
        what = random.random()
        if what < 0.5 and place < len(changed):
            changed[place] ^= 1 << random.randrange(8)
        elif what < 0.7:
            del changed[place:]
        elif what < 0.85:
            changed[place:place] = random.randbytes(random.choice((1, 4, 100)))
        else:
            del changed[place : place + random.choice((1, 8, 64))]
    return bytes(changed)


def xnf(data: bytes, random: Random) -> bytes:
    """Return an .xnf file whose header or tensors are changed."""
    (size,) = struct.unpack("<Q", data[:8])
    header, rest = json.loads(data[8 : 8 + size]), bytearray(data[8 + size :])
    structure = json.loads(header["__metadata__"]["xnorflow"])
    for _ in range(random.choice((1, 1, 2, 5))):
        if random.random() < 0.75:
            change_tree(structure, random)
        elif random.random() < 0.5:
            change_tree({name: entry for name, entry in header.items() if name != "__metadata__"}, random)
        elif rest:
            rest[random.randrange(len(rest))] = random.randrange(256)
    try:
        header["__metadata__"]["xnorflow"] = json.dumps(structure)
        text = json.dumps(header).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return damaged_bytes(data, random)
    return struct.pack("<Q", len(text)) + text + bytes(rest)


def model(data: bytes, random: Random) -> bytes:
    """Return an ONNX model whose messages are changed."""
    found = onnx.ModelProto.FromString(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        _change_message(found, random)
    return found.SerializeToString()


def _change_message(root: Message, random: Random) -> None:
    messages = list(_messages(root))
    for _ in range(20):
        message = random.choice(messages)
        fields = [field for field, _ in message.ListFields()]
        if not fields:
            continue
        field = random.choice(fields)
        try:
            _change_field(message, field, random)
        except (TypeError, ValueError, OverflowError):
            continue
        return


def _messages(root: Message) -> Iterator[Message]:
    yield root
    for field, value in root.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for each in value if _repeated(field) else (value,):
                yield from _messages(each)


def _repeated(field: Any) -> bool:
    return bool(field.is_repeated) if hasattr(field, "is_repeated") else field.label == FieldDescriptor.LABEL_REPEATED


def _change_field(message: Message, field: Any, random: Random) -> None:
    value = getattr(message, field.name)
    if random.random() < 0.15:
        message.ClearField(field.name)
    elif _repeated(field):
        place = random.randrange(len(value))
        what = random.random()
        if what < 0.25:
            del value[place]
        elif what < 0.5:
            value.extend([value[place]] * random.choice((1, 2, 50)))
        elif field.type != FieldDescriptor.TYPE_MESSAGE:
            value[place] = _scalar(field, value[place], random)
        else:
            value[place].CopyFrom(random.choice(list(value)))
    elif field.type != FieldDescriptor.TYPE_MESSAGE:
        setattr(message, field.name, _scalar(field, value, random))


def _scalar(field: Any, value: Any, random: Random) -> Any:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return damaged_bytes(value, random)
    if field.type == FieldDescriptor.TYPE_STRING:
        return random.choice((value + "x", value[:-1], "", "input", "[/]", "Conv", "Add", "Quant", "x" * 3000))
    if field.type in (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE):
        return random.choice((0.0, -1.0, float("nan"), float("inf"), 1e38, value * 3))
    return random.choice((value + 1, value - 1, -value, 10 * value, *(int(each) for each in NUMBERS)))


def array(data: bytes, random: Random) -> bytes:
    """Return an .npy file of another type, shape or header."""
    if random.random() < 0.4:
        return damaged_bytes(data, random)
    values = np.load(io.BytesIO(data))
    kind = random.choice(("?", "u1", "i1", "<u2", ">i4", "i8", "u8", "f2", "f4", "f8", "c8", "S3", "U2", "M8[s]"))
    shape = random.choice((values.shape, (0,), (), (1,), values.shape[::-1], (*values.shape, 1), values.shape[:-1]))
    count = int(np.prod(shape, dtype=np.int64))
    with np.errstate(all="ignore"):
        filled = np.resize(values.ravel(), count).reshape(shape).astype(kind)
    file = io.BytesIO()
    np.save(file, filled)
    result = file.getvalue()
    if random.random() < 0.3:
        result = result.replace(b"(", random.choice((b"(999999999999, ", b"(-1, ", b"(1e9, ", b"((")), 1)
    return result


def arrays(data: bytes, random: Random) -> bytes:
    """Return an .npz file of which an array is changed, missing or new."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    name = random.choice(list(members))
    what = random.random()
    if what < 0.6:
        members[name] = array(members[name], random)
    elif what < 0.75:
        del members[name]
    elif what < 0.9:
        members[name] = members[random.choice(list(members))]
    else:
        members[random.choice(("x.npy", "../x.npy", "train_images", "train_images.npy/y.npy"))] = members[name]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return packed.getvalue()


def values(data: bytes, random: Random) -> bytes:
    """Return JSON with other values."""
    tree = json.loads(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        change_tree(tree, random)
    try:
        return json.dumps(tree).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return damaged_bytes(data, random)


def toml(data: bytes, random: Random) -> bytes:
    """Return TOML with other values."""
    lines = data.decode().splitlines()
    for _ in range(random.choice((1, 1, 2))):
        place = random.randrange(len(lines))
        key, sign, value = lines[place].partition(" = ")
        what = random.random()
        if sign and what < 0.7:
            try:
                text = json.dumps(near(json.loads(value), random))
            except (ValueError, RecursionError):
                text = json.dumps(strange(random))
            lines[place] = f"{key} = {text.replace('null', 'nan')}"
        elif what < 0.8:
            lines.insert(place, lines[place])
        elif what < 0.9:
            name = random.choice(("", "x", key + "x", '"[/]"', key + ".y"))
            lines[place] = f"{name} = {value or 1}"
        else:
            deep = random.choice((10, 3000))
            lines[place] = f"{key or 'x'} = {'[' * deep}{']' * deep}"
    text = "\n".join(lines) + "\n"
    return damaged_bytes(text.encode(), random) if random.random() < 0.15 else text.encode("utf-8", "replace")


#: How files of each ending are changed.
MUTATIONS: dict[str, Callable[[bytes, Random], bytes]] = {
    ".json": values,
    ".npy": array,
    ".npz": arrays,
    ".onnx": model,
    ".toml": toml,
    ".xnf": xnf,
}
