"""Which joints of a skeleton are the 22 that the networks know.

A mapping gives each of the 22 names a joint of the skeleton, or a mixture of some with weights. Those of common
skeletons are known by their joints' names; others come from a JSON file such as
`{"pelvis": "Hips", "spine3": {"Chest": 0.7, "Neck": 0.3}, …}`.
"""

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from alm_motion.skeleton import SMPL22, Array, Skeleton

__all__ = ["KNOWN", "Joints", "guess", "read_mapping", "weights"]

Joints = Mapping[str, str | Mapping[str, float]]


def _both(
    sides: Mapping[str, str | Mapping[str, float]], left: str, right: str
) -> dict[str, str | Mapping[str, float]]:
    """A mapping of the left side, and its mirror image: `{side}` in names is `left` or `right`."""
    found: dict[str, str | Mapping[str, float]] = {}
    for mine, theirs in (("left", left), ("right", right)):
        for joint, value in sides.items():
            if isinstance(value, str):
                found[f"{mine}_{joint}"] = value.format(side=theirs)
            else:
                found[f"{mine}_{joint}"] = {name.format(side=theirs): weight for name, weight in value.items()}
    return found


KNOWN: dict[str, Joints] = {
    "SMPL": {name: name for name in SMPL22.names},
    "CMU, 31 joints": {
        "pelvis": "root",
        "spine1": {"root": 0.34, "upperback": 0.66},
        "spine2": {"upperback": 0.5, "thorax": 0.5},
        "spine3": {"upperback": 0.25, "thorax": 0.75},
        "neck": "upperneck",
        "head": "head",
        **_both(
            {
                "hip": "{side}femur",
                "knee": "{side}tibia",
                "ankle": "{side}foot",
                "foot": "{side}toes",
                "collar": {"thorax": 0.6, "{side}humerus": 0.4},
                "shoulder": "{side}humerus",
                "elbow": "{side}radius",
                "wrist": "{side}wrist",
            },
            "l",
            "r",
        ),
    },
    "CMU, 43 joints": {
        "pelvis": {"lThigh": 0.25, "rThigh": 0.25, "abdomen": 0.5},
        "spine1": "abdomen",
        "spine2": "chest",
        "spine3": {"chest": 0.8, "neck": 0.2},
        "neck": "neck",
        "head": "head",
        **_both(
            {
                "hip": "{side}Thigh",
                "knee": "{side}Shin",
                "ankle": "{side}Foot",
                "foot": "{side}Foot_end",
                "collar": {"{side}Collar": 0.5, "{side}Shldr": 0.5},
                "shoulder": "{side}Shldr",
                "elbow": "{side}ForeArm",
                "wrist": "{side}Hand",
            },
            "l",
            "r",
        ),
    },
    "Mixamo and MotionBuilder": {
        "pelvis": "Hips",
        "spine1": "Spine",
        "spine2": "Spine1",
        "spine3": {"Spine1": 0.6, "Neck": 0.4},
        "neck": "Neck",
        "head": "Head",
        **_both(
            {
                "hip": "{side}UpLeg",
                "knee": "{side}Leg",
                "ankle": "{side}Foot",
                "foot": "{side}ToeBase",
                "collar": {"Spine1": 0.5, "{side}Arm": 0.5},
                "shoulder": "{side}Arm",
                "elbow": "{side}ForeArm",
                "wrist": "{side}Hand",
            },
            "Left",
            "Right",
        ),
    },
}
"""Mappings of common skeletons, by name."""


def guess(skeleton: Skeleton) -> Joints:
    """The known mapping all of whose joints the skeleton has, whatever stands before a colon in their names.

    Raises ValueError that names the joints that are missing from the nearest one.
    """
    have = {_bare(name) for name in skeleton.names}
    missing = {kind: [n for n in _named(joints) if _bare(n) not in have] for kind, joints in KNOWN.items()}
    kind = min(missing, key=lambda each: len(missing[each]) / len(_named(KNOWN[each])))
    if missing[kind]:
        raise ValueError(
            f"the skeleton is not known: of the nearest, {kind}, it lacks {_listed(missing[kind])}; it has "
            f"{_listed(skeleton.names)}. Say which of them are the 22 joints with --mapping FILE (mapping=), a JSON "
            f'such as {{"pelvis": "Hips", …}} with {", ".join(SMPL22.names)}'
        )
    return KNOWN[kind]


def read_mapping(path: str | Path) -> Joints:
    """The mapping in a JSON file. Raises FileNotFoundError, or ValueError where it does not name the 22 joints."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no mapping at {path}") from None
    except (UnicodeDecodeError, json.JSONDecodeError, OSError) as error:
        raise ValueError(f"the mapping {path} cannot be read ({error}): a JSON object is wanted") from None
    if not isinstance(found, dict):
        raise ValueError(f"the mapping {path} must be a JSON object, got a {type(found).__name__}")
    missing = [name for name in SMPL22.names if name not in found]
    extra = [name for name in found if name not in SMPL22.names]
    if missing or extra:
        raise ValueError(
            f"the mapping {path} must name the 22 joints: "
            + "; ".join(
                f"{what} {', '.join(names)}" for what, names in (("it lacks", missing), ("unknown", extra)) if names
            )
        )
    for name, value in found.items():
        parts = value.values() if isinstance(value, dict) else [1.0] if isinstance(value, str) else []
        if not parts or not all(isinstance(part, int | float) and part > 0 for part in parts):
            raise ValueError(f"the mapping {path}: {name} must be a joint's name, or {{name: weight above 0}}")
    return found


def weights(skeleton: Skeleton, joints: Joints) -> Array:
    """(22, J): each of the 22 joints as a mixture of the skeleton's. Raises ValueError for joints that it lacks."""
    index = {_bare(name): number for number, name in reversed(list(enumerate(skeleton.names)))}
    unknown = [name for name in _named(joints) if _bare(name) not in index]
    if unknown:
        near = {name: get_close_matches(name, skeleton.names, 1) for name in unknown}
        told = ", ".join(name + (f" (meant {close[0]}?)" if close else "") for name, close in near.items())
        raise ValueError(f"the mapping names joints that the skeleton lacks: {told}; it has {_listed(skeleton.names)}")
    found = np.zeros((22, len(skeleton.names)))
    for row, name in enumerate(SMPL22.names):
        value = joints[name]
        mixed = {value: 1.0} if isinstance(value, str) else value
        for joint, weight in mixed.items():
            found[row, index[_bare(joint)]] += weight / sum(mixed.values())
    return found


def _named(joints: Joints) -> list[str]:
    """All joints that a mapping names."""
    names = [[value] if isinstance(value, str) else list(value) for value in joints.values()]
    return list(dict.fromkeys(name for part in names for name in part))


def _bare(name: str) -> str:
    return name.rpartition(":")[2].casefold()


def _listed(names: Sequence[str]) -> str:
    """The first ten."""
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
