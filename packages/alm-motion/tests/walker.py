"""A made-up walker on a skeleton with Mixamo's names, as the text of a BVH in centimetres."""

import math

import numpy as np
from alm_motion import Clip
from alm_motion.clips import clip_of
from alm_motion.formats.bvh import Bvh, Node, parse_bvh, write_bvh

__all__ = ["bvh", "clip", "text"]

TURNS = ("Zrotation", "Xrotation", "Yrotation")
LEGS = {"UpLeg": (9, -8, 0), "Leg": (0, -42, 1), "Foot": (0, -40, -2), "ToeBase": (0, -6, 12)}
ARMS = {"Shoulder": (4, 20, 0), "Arm": (12, 2, 0), "ForeArm": (27, 0, -1), "Hand": (24, 0, 1)}


def nodes() -> tuple[Node, ...]:
    """Hips first, each chain with an end site."""
    found = [Node("mixamorig:Hips", -1, (0.0, 0.0, 0.0), ("Xposition", "Yposition", "Zposition", *TURNS))]

    def chain(
        parent: int, names: list[tuple[str, tuple[float, float, float]]], tip: tuple[float, float, float]
    ) -> None:
        for name, offset in names:
            found.append(Node(f"mixamorig:{name}", parent, offset, TURNS))
            parent = len(found) - 1
        found.append(Node(found[-1].name + "_end", parent, tip, end=True))

    chain(0, [("Spine", (0, 11, 1)), ("Spine1", (0, 13, 0)), ("Neck", (0, 24, -2)), ("Head", (0, 10, 3))], (0, 12, 0))
    chest = 2
    for parent, limb, tip in ((chest, ARMS, (8.0, 0.0, 0.0)), (0, LEGS, (0.0, 0.0, 6.0))):
        for side, sign in (("Left", 1.0), ("Right", -1.0)):
            offsets = [(side + name, (sign * x, float(y), float(z))) for name, (x, y, z) in limb.items()]
            chain(parent, offsets, (sign * tip[0], tip[1], tip[2]))
    return tuple(found)


def bvh(frames: int = 120, fps: float = 60.0) -> Bvh:
    """It walks along a bend, swings arms and legs, and leans a little."""
    tree = nodes()
    width = sum(len(node.channels) for node in tree)
    rng, time = np.random.default_rng(5), np.arange(frames) / fps
    values = 4 * np.sin(2 * math.pi * time[:, None] * rng.uniform(0.4, 0.9, width) + rng.uniform(0, 6, width))
    turn = 20 * time
    values[:, 0] = 110 * np.cumsum(np.sin(np.radians(turn))) / fps
    values[:, 1] = 93 + 2 * np.cos(4 * math.pi * time)
    values[:, 2] = 110 * np.cumsum(np.cos(np.radians(turn))) / fps
    values[:, 5] = turn
    of = Bvh(tree, values, 1 / fps)
    for name, size, phase in (
        ("LeftUpLeg", -28, 0.0),
        ("RightUpLeg", -28, math.pi),
        ("LeftArm", 20, math.pi),
        ("RightArm", 20, 0.0),
    ):
        index = next(n for n, node in enumerate(tree) if node.name.endswith(":" + name))
        values[:, of.columns(index).start + 1] = size * np.sin(2 * math.pi * time + phase)
    for name, phase in (("LeftLeg", 0.7), ("RightLeg", 0.7 + math.pi)):
        index = next(n for n, node in enumerate(tree) if node.name.endswith(":" + name))
        values[:, of.columns(index).start + 1] = 25 + 20 * np.sin(2 * math.pi * time + phase)
    for name, sign in (("LeftArm", 1), ("RightArm", -1)):
        index = next(n for n, node in enumerate(tree) if node.name.endswith(":" + name))
        values[:, of.columns(index).start] = -70 * sign
    return of


def text(frames: int = 120, fps: float = 60.0) -> str:
    """The file."""
    return write_bvh(bvh(frames, fps))


def clip(frames: int = 120, fps: float = 60.0) -> Clip:
    """As it is read."""
    return clip_of(parse_bvh(text(frames, fps)))
