"""Stick figures: the frames of a film, and a strip of poses along the time axis; orange is given, blue is made.

Joints are (F, J, 3) in metres, Y up. Of left and right limbs, told by their names, left ones are lighter. Pictures are
uint8 (height, width, 3), drawn at twice their size and reduced. Angles are as in `camera`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy.ndimage import gaussian_filter1d

from alm_motion.camera import Camera
from alm_motion.skeleton import Array

__all__ = ["draw", "strip"]

Mask = NDArray[np.bool_]
Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]
GIVEN: Colour = (240, 134, 30)
MADE: Colour = (44, 110, 222)
WHITE: Colour = (255, 255, 255)
LINES: Colour = (200, 203, 210)
SHADOW: Colour = (196, 199, 208)
INK: Colour = (70, 74, 82)
OVER = 2
"""How many times its size a picture is drawn."""
LIMB, HEAD = 0.024, 0.085
"""Half the thickness of a limb, and the radius of a head, in lengths of the longest way through the skeleton."""
MARGIN = 2 * HEAD
"""What is left free about the joints: a head needs most of it."""
BAND, GAP = 34, 8
"""Pixels at the bottom of a film for what is written there, and between things."""


def draw(
    joints: Array,
    parents: Sequence[int],
    made: Mask | None = None,
    *,
    fps: float,
    names: Sequence[str] = (),
    size: tuple[int, int] = (640, 480),
    azimuth: float = 60.0,
    elevation: float = 12.0,
    follow: bool = False,
    every: int = 1,
) -> Iterator[Pixels]:
    """A picture of `size` (width, height) for frames 0, `every`, …; the camera stands still and sees all of the way.

    `made` is (F) or (F, J). With `follow` the camera goes with the body, which is then as large as can be. `names`
    tell left from right and where the head is. Raises ValueError at once for arrays or options that do not fit.
    """
    made = _checked(joints, parents, made, fps)
    if every < 1 or min(size) < 64:
        raise ValueError(
            f"every must be at least 1 and a picture at least 64 pixels wide and high, got {every}, {size}"
        )
    body = _Body.of(joints, parents, names)
    path = joints[:, body.root] * [1, 0, 1]
    anchors = gaussian_filter1d(path, fps / 2, axis=0, mode="nearest") if follow else np.zeros_like(path)
    seen = (np.concatenate([joints, body.on_ground(joints)], 1) - anchors[:, None]).reshape(-1, 3)
    width, height = (OVER * side for side in size)
    box = (0, 0, width, height - OVER * BAND)
    camera = Camera.framing(seen, box, azimuth=azimuth, elevation=elevation, height=height, margin=body.reach * MARGIN)
    return _film(joints, made, body, camera, anchors, (width, height), fps, every)


def strip(
    joints: Array,
    parents: Sequence[int],
    made: Mask | None = None,
    *,
    fps: float,
    names: Sequence[str] = (),
    labels: Sequence[str] = (),
    count: int = 12,
    pose: tuple[int, int] = (104, 190),
    azimuth: float = 60.0,
    elevation: float = 8.0,
) -> Pixels:
    """`count` poses from the first frame to the last, each `pose` (width, height) pixels large, side by side.

    Joints (R, F, J, 3) make rows to compare; `made` is then (F) or (R, F), and `labels` are R. All poses have one
    scale and are seen from one side; how far the body gets is not shown. Raises ValueError as `draw` does.
    """
    rows, masks = _rows(joints, parents, made, fps)
    if len(labels) not in (0, len(rows)) or count < 1 or min(pose) < 16:
        raise ValueError(
            f"a label for each of {len(rows)} rows and at least 1 pose of 16 pixels are wanted, got {list(labels)}, "
            f"{count} and {pose}"
        )
    bodies = [_Body.of(row, parents, names) for row in rows]
    chosen = np.linspace(0, rows.shape[1] - 1, count).round().astype(int)
    poses = rows[:, chosen] - rows[:, chosen][:, :, bodies[0].root, None] * [1, 0, 1]
    seen = np.concatenate([poses, [body.on_ground(row) for body, row in zip(bodies, poses, strict=True)]]).reshape(
        -1, 3
    )
    wide, high = (OVER * side for side in pose)
    margin = max(body.reach for body in bodies) * MARGIN
    camera = Camera.framing(seen, (0, 0, wide, high), azimuth=azimuth, elevation=elevation, height=high, margin=margin)
    gap, font = OVER * GAP, _font(13)
    left = gap + round(max((font.getlength(label) + gap for label in labels), default=0))
    image = Image.new("RGB", (left + count * wide + gap, len(rows) * (high + 2 * gap) + 3 * gap), WHITE)
    pen = ImageDraw.Draw(image)
    middles = left + (np.arange(count) + 0.5) * wide
    for number, (row, mask, body) in enumerate(zip(poses, masks, bodies, strict=True)):
        top = gap + number * (high + 2 * gap)
        views = [camera.moved(middle - wide / 2, top) for middle in middles]
        for view, figure in zip(views, row, strict=True):
            _shadow(image, view, figure, body)
        for view, figure, frame in zip(views, row, chosen, strict=True):
            _figure(image, view, figure, mask[frame], body)
        _timeline(image, (middles[0], top + high, middles[-1], top + high + OVER * 4), mask)
        for label in labels[number : number + 1]:
            pen.text((gap, top + high / 2), label, INK, font, anchor="lm")
    for middle, frame in zip(middles, chosen, strict=True):
        pen.text((middle, image.height - gap), f"{frame / fps:.2f} s", INK, _font(11), anchor="ms")
    return np.asarray(image.reduce(OVER))


@dataclass(frozen=True, eq=False)
class _Body:
    """What of a figure stays: its bones (B, 2), the side (J) of each joint, the head's bone or −1, size and ground."""

    bones: NDArray[np.int64]
    sides: NDArray[np.int64]
    root: int
    head: int
    reach: float
    floor: float

    @staticmethod
    def of(joints: Array, parents: Sequence[int], names: Sequence[str]) -> "_Body":
        """Lengths are means over the frames; the ground is as low as the body gets."""
        bones = np.array([(parent, joint) for joint, parent in enumerate(parents) if parent >= 0]).reshape(-1, 2)
        ways = np.zeros(len(parents))
        for parent, joint in bones:
            ways[joint] = ways[parent] + np.linalg.norm(joints[:, joint] - joints[:, parent], axis=1).mean()
        plain = [name.rpartition(":")[2].casefold() for name in names]
        head = plain.index("head") if "head" in plain else -1
        reach, floor = float(ways.max()) or 1.0, float(joints[..., 1].min())
        return _Body(bones, _sides(plain, len(parents)), list(parents).index(-1), head, reach, floor)

    def on_ground(self, points: Array) -> Array:
        """What lies under points (…, 3)."""
        return np.where([False, True, False], self.floor, points)


def _film(
    joints: Array,
    made: Mask,
    body: _Body,
    camera: Camera,
    anchors: Array,
    size: tuple[int, int],
    fps: float,
    every: int,
) -> Iterator[Pixels]:
    """The frames of `draw`; a ground that does not move is drawn once."""
    way = joints[:, body.root, ::2]
    ground = Image.new("RGB", size, WHITE)
    moves = bool(anchors.any())
    if not moves:
        _grid(ground, camera, way, body, anchors[0])
    for frame in range(0, len(joints), every):
        image, figure = ground.copy(), joints[frame] - anchors[frame]
        if moves:
            _grid(image, camera, way, body, anchors[frame])
        _shadow(image, camera, figure, body)
        _figure(image, camera, figure, made[frame], body)
        _caption(image, made, frame, fps)
        yield np.asarray(image.reduce(OVER))


def _grid(image: Image.Image, camera: Camera, way: Array, body: _Body, anchor: Array) -> None:
    """Lines on the ground, a metre apart, about the way (F, 2) that the root takes; they fade with the distance."""
    cell = 10.0 ** round(math.log10(body.reach))
    far = 4 * cell
    low, high = way.min(0), way.max(0)
    x, z = (np.arange(math.floor(a), math.ceil(b) + 1) * cell for a, b in np.stack([low - far, high + far], 1) / cell)
    corners = body.on_ground(np.stack(np.meshgrid(x, [0], z, indexing="ij"), -1)[:, 0])
    outside = np.maximum(0, np.maximum(low - corners[..., ::2], corners[..., ::2] - high))
    shown = np.clip(1 - np.linalg.norm(outside, axis=-1, keepdims=True) / far, 0, 1)
    seen = np.concatenate([camera.pixels(corners - anchor), shown], -1)
    pen = ImageDraw.Draw(image)
    for ends in (np.stack([seen[1:], seen[:-1]], -2), np.stack([seen[:, 1:], seen[:, :-1]], -2)):
        for a, b in ends.reshape(-1, 2, 4):
            if min(a[3], b[3]) > 0 and min(a[2], b[2]) > 0:
                pen.line([*a[:2], *b[:2]], _mixed(WHITE, LINES, min(a[3], b[3])), OVER)


def _shadow(image: Image.Image, camera: Camera, figure: Array, body: _Body) -> None:
    """What the figure (J, 3) covers of the ground, softly."""
    on = camera.pixels(body.on_ground(figure)) / OVER
    mask = Image.new("L", (image.width // OVER, image.height // OVER))
    pen = ImageDraw.Draw(mask)
    for bone in body.bones:
        _capsule(pen, on[bone], body.reach * LIMB * 1.5, 220)
    mask = mask.filter(ImageFilter.GaussianBlur(body.reach * LIMB * float(on[:, 2].mean())))
    image.paste(SHADOW, mask=mask.resize(image.size))


def _figure(image: Image.Image, camera: Camera, figure: Array, made: Mask, body: _Body) -> None:
    """The bones of (J, 3), the farthest first; a gap shows which of two limbs that cross is the nearer."""
    pen = ImageDraw.Draw(image)
    seen, thick = camera.pixels(figure), body.reach * LIMB
    for parent, joint in body.bones[seen[body.bones, 2].mean(1).argsort()]:
        ends = seen[[parent, joint]]
        along = ends[1] - ends[0]
        if np.linalg.norm(figure[joint] - figure[parent]) > 8 * thick:
            width = round(3.2 * thick * ends[:, 2].mean())
            pen.line([*(ends[0] + along / 4)[:2], *(ends[1] - along / 4)[:2]], WHITE, width)
        _capsule(pen, ends, thick, _shade(bool(made[joint]), int(body.sides[joint])))
        if joint == body.head:
            up = figure[joint] - figure[parent]
            up = up / max(float(np.linalg.norm(up)), 1e-9)
            middle = camera.pixels(figure[joint] + up * body.reach * HEAD * 0.6)
            _capsule(pen, np.stack([middle, middle]), body.reach * HEAD, _shade(bool(made[joint]), 0))


def _capsule(pen: ImageDraw.ImageDraw, ends: Array, radius: float, fill: Colour | int) -> None:
    """A line between two pixels (2, 3) with round ends, `radius` metres thick to each side."""
    for column, row, scale in ends:
        r = max(radius * scale, 1)
        pen.ellipse([column - r, row - r, column + r, row + r], fill)
    pen.line([*ends[0, :2], *ends[1, :2]], fill, max(round(2 * radius * float(ends[:, 2].mean())), 2))


def _caption(image: Image.Image, made: Mask, frame: int, fps: float) -> None:
    """Where the film is: in frames, in seconds, and on a line in the colours of what is given and made."""
    pen, font, gap = ImageDraw.Draw(image), _font(12), OVER * GAP
    pen.rectangle([0, image.height - OVER * BAND, image.width, image.height], WHITE)
    left, right, base = float(gap), float(image.width - gap), image.height - gap
    _timeline(image, (left, base - OVER * 4, right, base), made)
    at = left + (right - left) * (frame + 0.5) / len(made)
    pen.rectangle([at - OVER, base - OVER * 7, at + OVER, base + OVER * 3], INK)
    pen.text((left, base - gap * 1.3), f"frame {frame}   {frame / fps:.2f} s", INK, font, anchor="ls")
    for text, colour in (("made", MADE), ("given", GIVEN)):
        pen.text((right, base - gap * 1.3), text, colour, font, anchor="rs")
        right -= font.getlength(text) + gap


def _timeline(image: Image.Image, box: tuple[float, float, float, float], made: Mask) -> None:
    """A line in which each frame has the colour that most of its joints have."""
    left, top, right, bottom = (round(side) for side in box)
    colours = np.where(made.mean(1)[:, None] >= 0.5, MADE, GIVEN).astype(np.uint8)
    columns = np.linspace(0, len(made), max(right - left, 1), endpoint=False).astype(int)
    line = np.broadcast_to(colours[columns], (bottom - top, len(columns), 3))
    image.paste(Image.fromarray(np.ascontiguousarray(line)), (left, top))


def _rows(joints: Array, parents: Sequence[int], made: Mask | None, fps: float) -> tuple[Array, list[Mask]]:
    """Joints as (R, F, J, 3), and what is made as (F, J) of each. Raises ValueError."""
    if joints.ndim != 4:
        return joints[None], [_checked(joints, parents, made, fps)]
    each = [made] * len(joints) if made is None or made.ndim == 1 else list(made)
    if not len(joints) or len(each) != len(joints):
        raise ValueError(f"a row of made for each of the {len(joints)} of joints is wanted, got {len(each)}")
    return joints, [_checked(row, parents, mask, fps) for row, mask in zip(joints, each, strict=True)]


def _checked(joints: Array, parents: Sequence[int], made: Mask | None, fps: float) -> Mask:
    """`made` as (F, J). Raises ValueError."""
    if joints.ndim != 3 or joints.shape[1:] != (len(parents), 3) or not len(joints) or -1 not in parents:
        raise ValueError(
            f"joints (F, {len(parents)}, 3) of at least one frame and a root (parent −1) are wanted, got {joints.shape}"
        )
    if not np.isfinite(joints).all():
        frame, joint, _ = np.argwhere(~np.isfinite(joints))[0]
        raise ValueError(f"joints must be finite to be drawn, joint {joint} of frame {frame} is {joints[frame, joint]}")
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"the frame rate must be above 0, got {fps}")
    made = np.zeros(len(joints), bool) if made is None else made
    if made.shape not in ((len(joints),), joints.shape[:2]):
        raise ValueError(f"made must be ({len(joints)},) or {joints.shape[:2]}, got {made.shape}")
    return np.broadcast_to(made[:, None] if made.ndim == 1 else made, joints.shape[:2])


def _sides(names: Sequence[str], count: int) -> NDArray[np.int64]:
    """1 (J) for a joint on the left, −1 on the right, 0 in the middle: those of a side have a counterpart by name."""
    found, have = np.zeros(count, np.int64), set(names)
    for joint, name in enumerate(names):
        for mine, other, side in (("left", "right", 1), ("right", "left", -1), ("l", "r", 1), ("r", "l", -1)):
            swapped = {other + name[len(mine) :]} if name.startswith(mine) else set()
            if swapped & have or (name.endswith(mine) and name[: -len(mine)] + other in have):
                found[joint] = side
                break
    return found


def _shade(made: bool, side: int) -> Colour:
    colour = MADE if made else GIVEN
    return _mixed(colour, WHITE, 0.35) if side > 0 else _mixed(colour, (0, 0, 0), 0.22 if side else 0.0)


def _mixed(one: Colour, two: Colour, part: float) -> Colour:
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(one, two, strict=True))
    return red, green, blue


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * OVER)
