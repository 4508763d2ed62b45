"""Biovision Hierarchy (BVH): a skeleton with offsets and channels, then a line of numbers a frame.

Channels keep their order, numbers their values. A rotation of channels Z, Y, X is Rz·Ry·Rx: the first named is the
outermost.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from alm_motion.formats.errors import FormatError

__all__ = ["Bvh", "Node", "parse_bvh", "write_bvh"]

Array = NDArray[np.float64]
CHANNELS = {f"{axis}{kind}" for axis in "XYZ" for kind in ("position", "rotation")}
END = "_end"
"""What the name of an end site adds to that of its joint, so that it can be mapped."""


@dataclass(frozen=True)
class Node:
    """A joint, or an end site (no channels): its parent's index, offset in the file's unit, and channels in order."""

    name: str
    parent: int
    offset: tuple[float, float, float]
    channels: tuple[str, ...] = ()
    end: bool = False


@dataclass(frozen=True)
class Bvh:
    """A file: its nodes, `values` (F, C) in degrees and the file's unit, the seconds of a frame, and how it writes."""

    nodes: tuple[Node, ...]
    values: Array
    frame_time: float
    hierarchy: str = field(default="", repr=False)
    """The file's own text before MOTION, to be written as it came."""

    def columns(self, index: int) -> slice:
        """Where the channels of node `index` lie in `values`."""
        start = sum(len(node.channels) for node in self.nodes[:index])
        return slice(start, start + len(self.nodes[index].channels))

    def local(self) -> tuple[Array, Array]:
        """Rotations (F, J, 3, 3) and translations (F, J, 3), in the file's unit, of each node in its parent."""
        frames = len(self.values)
        rotations = np.tile(np.eye(3), (frames, len(self.nodes), 1, 1))
        translations = np.tile(np.array([node.offset for node in self.nodes]), (frames, 1, 1))
        for index, node in enumerate(self.nodes):
            columns = self.values[:, self.columns(index)]
            turns = [i for i, channel in enumerate(node.channels) if channel.endswith("rotation")]
            if turns:
                order = "".join(node.channels[i][0] for i in turns)
                rotations[:, index] = Rotation.from_euler(order, columns[:, turns], degrees=True).as_matrix()
            for i, channel in enumerate(node.channels):
                if channel.endswith("position"):
                    translations[:, index, "XYZ".index(channel[0])] = columns[:, i]
        return rotations, translations

    def channel_values(self, rotations: Array, translations: Array, near: Array) -> Array:
        """The inverse of `local`: values (F, C), with angles within half a turn of those `near` (C) and then of the
        frame before."""
        values = np.empty((len(rotations), self.values.shape[1]))
        for index, node in enumerate(self.nodes):
            start = self.columns(index).start
            turns = [i for i, channel in enumerate(node.channels) if channel.endswith("rotation")]
            if turns:
                order = "".join(node.channels[i][0] for i in turns)
                columns = [start + i for i in turns]
                values[:, columns] = _unwrapped(_euler(rotations[:, index], order), near[columns])
            for i, channel in enumerate(node.channels):
                if channel.endswith("position"):
                    values[:, start + i] = translations[:, index, "XYZ".index(channel[0])]
        return values


def parse_bvh(text: str) -> Bvh:
    """The file's content. Raises FormatError with the line where it is broken."""
    head, motion, tail = text.partition("MOTION")
    if not head.lstrip("\ufeff \t\r\n").startswith("HIERARCHY"):
        raise FormatError("it does not begin with HIERARCHY, as a BVH does")
    if not motion:
        raise FormatError("it has no MOTION section")
    nodes = _hierarchy(head)
    lines = [(n, line) for n, line in enumerate(tail.splitlines(), head.count("\n") + 1) if line.strip()]
    count, frame_time = _header(lines)
    width = sum(len(node.channels) for node in nodes)
    rows = lines[2:]
    if count == 0 or not rows:
        raise FormatError("it has no frames")
    if len(rows) != count:
        raise FormatError(f"it says Frames: {count} and has {len(rows)}: it may be cut off")
    values = np.empty((count, width))
    for index, (number, line) in enumerate(rows):
        numbers = line.split()
        if len(numbers) != width:
            raise FormatError(f"line {number} has {len(numbers)} numbers, and the skeleton {width} channels")
        try:
            values[index] = [float(each) for each in numbers]
        except ValueError as error:
            raise FormatError(f"line {number}: {error}") from None
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        frame, column = bad[0]
        names = [f"{node.name} {channel}" for node in nodes for channel in node.channels]
        raise FormatError(
            f"frame {frame}, {names[column]} is {values[frame, column]}, as are {len(bad) - 1} others: mend these first"
        )
    return Bvh(nodes, values, frame_time, head.lstrip("\ufeff"))


def write_bvh(bvh: Bvh) -> str:
    """The file's text: the numbers are the shortest that give the same float64 back. Lines end as the hierarchy's do.

    Raises ValueError for a name that is not one word, where the hierarchy has no text of its own.
    """
    head = bvh.hierarchy or _hierarchy_text(bvh.nodes)
    end = "\r\n" if "\r\n" in head else "\n"
    rows = [" ".join(map(repr, row)) for row in bvh.values.tolist()]
    return end.join([head.rstrip(), "MOTION", f"Frames: {len(rows)}", f"Frame Time: {bvh.frame_time!r}", *rows, ""])


def _hierarchy(text: str) -> tuple[Node, ...]:
    """The nodes, parents first."""
    words = iter([(number, word) for number, line in enumerate(text.splitlines(), 1) for word in line.split()][1:])
    nodes: list[Node] = []
    open_nodes: list[int] = []
    here = 1

    def take() -> str:
        nonlocal here
        here, word = next(words)
        return word

    def numbers(count: int) -> list[float]:
        return [float(take()) for _ in range(count)]

    try:
        while (found := next(words, None)) is not None:
            here, word = found
            parent = open_nodes[-1] if open_nodes else -1
            if word in ("ROOT", "JOINT"):
                nodes.append(Node(take(), parent, (0.0, 0.0, 0.0)))
                line = here
                if (after := take()) != "{":
                    raise FormatError(
                        f"line {line}: a name is one word, before '{{': got {nodes[-1].name!r} and then {after!r}"
                    )
                open_nodes.append(len(nodes) - 1)
            elif word == "End":
                take()
                nodes.append(Node(nodes[parent].name + END, parent, (0.0, 0.0, 0.0), end=True))
            elif word == "{":
                open_nodes.append(len(nodes) - 1)
            elif word == "}":
                open_nodes.pop()
            elif word == "OFFSET":
                x, y, z = numbers(3)
                nodes[-1] = Node(nodes[-1].name, nodes[-1].parent, (x, y, z), (), nodes[-1].end)
            elif word == "CHANNELS":
                channels = tuple(take() for _ in range(int(take())))
                if unknown := set(channels) - CHANNELS:
                    raise FormatError(f"line {here}: unknown channels {', '.join(sorted(unknown))}")
                nodes[-1] = Node(nodes[-1].name, nodes[-1].parent, nodes[-1].offset, channels)
            else:
                raise FormatError(f"line {here}: {word!r} is not known here")
    except (StopIteration, IndexError):
        raise FormatError(f"line {here}: the hierarchy is cut off, or its braces do not pair") from None
    except FormatError:
        raise
    except ValueError as error:
        raise FormatError(f"line {here}: {error}") from None
    if open_nodes or not nodes:
        raise FormatError("the hierarchy has no joint, or its braces do not pair")
    return tuple(nodes)


def _header(lines: list[tuple[int, str]]) -> tuple[int, float]:
    """Frames and seconds a frame."""
    found: list[float] = []
    for (number, line), key in zip(lines, ("Frames", "Frame Time"), strict=False):
        name, _, value = line.partition(":")
        try:
            if name.split() != key.split():
                raise ValueError
            found.append(float(value))
            if key == "Frames" and not found[-1].is_integer():
                raise ValueError
        except ValueError:
            raise FormatError(f"line {number} is {line.strip()[:40]!r}, wanted '{key}:' and a number") from None
    if len(found) < 2:
        raise FormatError("it ends before 'Frames:' and 'Frame Time:'")
    if not (np.isfinite(found[1]) and found[1] > 0):
        raise FormatError(f"the frame time must be above 0 seconds, got {found[1]}: there is no rate to go by")
    return int(found[0]), found[1]


def _hierarchy_text(nodes: tuple[Node, ...]) -> str:
    lines = ["HIERARCHY"]

    def put(index: int, depth: int) -> None:
        node, tab = nodes[index], "\t" * depth
        if len(node.name.split()) != 1:
            raise ValueError(f"a joint's name in a BVH is one word, got {node.name!r}: rename it")
        kind = "End Site" if node.end else f"{'JOINT' if depth else 'ROOT'} {node.name}"
        lines.extend([f"{tab}{kind}", f"{tab}{{", f"{tab}\tOFFSET {' '.join(f'{x:.6f}' for x in node.offset)}"])
        if node.channels:
            lines.append(f"{tab}\tCHANNELS {len(node.channels)} {' '.join(node.channels)}")
        for child, each in enumerate(nodes):
            if each.parent == index:
                put(child, depth + 1)
        lines.append(f"{tab}}}")

    for index, node in enumerate(nodes):
        if node.parent < 0:
            put(index, 0)
    return "\n".join(lines)


def _euler(matrices: Array, order: str) -> Array:
    """Angles in degrees, the first named outermost; for one or two axes those of the nearest such rotation."""
    full = order + "".join(axis for axis in "XYZ" if axis not in order)
    return np.asarray(Rotation.from_matrix(matrices).as_euler(full, degrees=True)[:, : len(order)])


def _unwrapped(angles: Array, near: Array) -> Array:
    """Of the two sets of three angles that make each rotation, turns added, the one nearest to the frame before."""
    if angles.shape[1] < 3:
        return np.unwrap(np.concatenate([near[None], angles]), axis=0, period=360)[1:]
    other = np.stack([angles[:, 0] + 180, 180 - angles[:, 1], angles[:, 2] + 180], 1)
    found = np.empty_like(angles)
    for index, pair in enumerate(np.stack([angles, other], 1)):
        pair = pair + 360 * np.round((near - pair) / 360)
        near = found[index] = pair[np.abs(pair - near).sum(1).argmin()]
    return found
