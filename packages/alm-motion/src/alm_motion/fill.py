"""Motions at 20 frames a second with a part of them unknown, to whole ones: where the verbs meet the sampler.

Joints are (rows, F, 22, 3) in metres on HumanML3D's skeleton, standing on y = 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import pi

import numpy as np
import torch
from alm_core import Counted, Noise, Progress, sample
from alm_core.prior import Conditions
from alm_core.sample import suited_reference
from numpy.typing import NDArray
from torch import Tensor

from alm_motion.features import FPS, extract, facing, joints_of, observed_channels, placed, placed_joints
from alm_motion.options import OnStep, Options
from alm_motion.seams import met
from alm_motion.skeleton import SMPL22, Array

__all__ = ["Bools", "Filled", "bridged", "fill", "whole"]

Bools = NDArray[np.bool_]
REST = SMPL22.forward(np.tile(np.eye(3), (1, 22, 1, 1)), SMPL22.offsets[None])[0][0]
REST -= [0, REST[:, 1].min(), 0]


def whole(given: Bools) -> Bools:
    """In which frames (F) all joints (F, 22) are given."""
    return np.asarray(given.all(-1))


@dataclass(frozen=True)
class Filled:
    """Joints (rows, F, 22, 3), and what the network did for them: evaluations a row, and calls."""

    joints: Array
    evaluations: float
    calls: int


def fill(
    joints: Array,
    given: Bools,
    options: Options,
    on_step: OnStep,
    *,
    key: int = 0,
    prompts: Sequence[str] | None = None,
    in_place: bool = False,
) -> Filled:
    """Whole motions of joints (rows, F, 22, 3) of which `given` (rows, F, 22) are known; the rest may hold anything.

    Row n draws its noise from the options' seed + n; `key` tells the noise of one stretch of a long motion from
    another's; `prompts` has one a row in the place of the options'. `in_place` says that the joints stand already where
    the model is to see them from: frame 0 at the origin, facing +Z, as HumanML3D has them. What was given stays, and
    what was made is led to meet it. Raises ValueError for more frames than the prior makes at once.
    """
    prior, (rows, frames) = options.prior, joints.shape[:2]
    if not 2 <= frames <= prior.frames:
        raise ValueError(f"this model makes between 2 and {prior.frames} frames at 20 a second, got {frames}")
    if not prior.partial and (given.any(2) & ~given.all(2)).any():
        raise ValueError("this model mixes the channels of a frame: give or make whole frames, or take another model")
    seen = [
        _Seen.of(bridged(one, known), known, prior.anchored, in_place) for one, known in zip(joints, given, strict=True)
    ]
    same = all((joints[0] == one).all() and (given[0] == known).all() for one, known in zip(joints, given, strict=True))
    # Equal rows share one reference.
    first = seen[:1] if same else seen
    x_0 = prior.encode(torch.stack([each.features for each in first]))
    known = observed_channels(torch.from_numpy(given[: len(first)]))
    mask = prior.mask_to_state((~known).float())
    counted = Counted(prior.given(x_0, mask))
    noise = Noise.batch(options.seed, rows, prior.device)
    conditions: Conditions = tuple(prior.condition(prompt) for prompt in prompts or [options.prompt])
    some = bool((mask == 0).any())

    def tell(progress: Progress) -> None:
        on_step(progress.index, progress.count)

    y = sample(
        counted,
        prior.schedule(options.steps or prior.defaults.steps),
        noise=noise.child(key) if key else noise,
        x_0=x_0 if some else None,
        mask=mask if some else None,
        shape=None if some else tuple(x_0.shape[1:]),
        method=options.used,
        reference=options.reference or suited_reference(options.used, prior.defaults.reference),
        conditions=conditions,
        on_step=tell,
    )
    decoded = prior.decode(y).cpu()
    made = [each.back(one, absolute=prior.absolute) for each, one in zip(seen, decoded, strict=True)]
    whole = joints_of(torch.stack(made)).double().numpy()
    met_all = [met(*each, FPS) for each in zip(whole, joints, given, strict=True)]
    return Filled(np.stack(met_all), counted.rows / rows, counted.calls)


def bridged(joints: Array, given: Bools) -> Array:
    """Joints (F, 22, 3) with what is not given on straight lines between what is; one never given stands at rest.

    Where the pelvis and the hips are given the lines are seen from the body, which may turn.
    """
    pelvis = _between(joints[:, :1], given[:, :1], REST[:1])
    turns = np.tile(np.eye(3), (len(joints), 1, 1))
    if given[:, :3].all():
        across = joints[:, 2] - joints[:, 1]
        across = across / np.maximum(np.hypot(across[:, 0], across[:, 2]), 1e-6)[:, None]
        turns[:, 0, 0] = turns[:, 2, 2] = -across[:, 0]
        turns[:, 0, 2], turns[:, 2, 0] = -across[:, 2], across[:, 2]
    local = np.einsum("fij,fnj->fni", turns, joints - pelvis)
    local = _between(local, given, REST - REST[0])
    found = np.einsum("fji,fnj->fni", turns, local) + pelvis
    return np.where(given[..., None], joints, found)


def _between(points: Array, given: Bools, rest: Array) -> Array:
    """Points (F, N, 3) on straight lines in time between those given (F, N); `rest` (N, 3) for one never given."""
    found = np.empty_like(points)
    frames = np.arange(len(points))
    for n in range(points.shape[1]):
        known = np.flatnonzero(given[:, n])
        for axis in range(3):
            column = points[known, n, axis] if len(known) else rest[n, axis : axis + 1]
            found[:, n, axis] = np.interp(frames, known if len(known) else [0], column)
    return found


@dataclass(frozen=True)
class _Seen:
    """One motion as the network sees it: absolute `features` (F, 263) from where `yaw` and `ground` (2) say.

    `pelvis` (F) says in which frames the body's place is given.
    """

    features: Tensor
    yaw: Tensor
    ground: Tensor
    pelvis: Bools

    @staticmethod
    def of(joints: Array, given: Bools, anchored: bool, in_place: bool) -> "_Seen":
        """Of joints (F, 22, 3), all known or guessed."""
        rough = torch.from_numpy(joints).float()
        facings = facing(rough)
        yaw, ground = _place(rough, facings, given, anchored)
        if in_place:
            yaw, ground = torch.zeros(()), torch.zeros(2)
        # Joints are moved, and then looked at: HumanML3D's rotations are not the same from everywhere.
        rough, facings = placed_joints(rough, yaw, ground), facings - yaw
        # One frame more is put after the last, as far on as the last step went: velocities want it.
        longer = torch.cat([rough, 2 * rough[-1:] - rough[-2:-1]])
        return _Seen(extract(longer, torch.cat([facings, facings[-1:]])), yaw, ground, given[:, 0])

    def back(self, made: Tensor, *, absolute: bool) -> Tensor:
        """Features (F, 263) that were made, where the motion was."""
        if not absolute:
            made = _hung(made, self.features, self.pelvis)
        return _moved(made, -self.yaw, torch.zeros(2), self.ground)


def _place(joints: Tensor, yaw: Tensor, given: Bools, anchored: bool) -> tuple[Tensor, Tensor]:
    """Where to see the motion from: yaw and ground (2) of the last given frame before the first gap, or the next one.

    An anchored model wants the first frame: where it is not given, as far back as the first given steps lead.
    """
    pelvis = np.flatnonzero(given[:, 0])
    if len(pelvis) == 0:
        return yaw[0] * 0, joints[0, 0, ::2] * 0
    if anchored:
        first = int(pelvis[0])
        steps = joints[first : first + 20, 0, ::2].diff(dim=0)
        speed = steps.mean(0) if len(steps) else torch.zeros(2)
        return yaw[first], joints[first, 0, ::2] - first * speed
    gaps = np.flatnonzero(~given[:, 0])
    before = pelvis[pelvis < (gaps[0] if len(gaps) else len(given))]
    at = int(before[-1] if len(before) else pelvis[0])
    return yaw[at], joints[at, 0, ::2]


def _hung(made: Tensor, features: Tensor, given: Bools) -> Tensor:
    """A relative motion (F, 263) hung from what is given of the pelvis: it stands where it is known to, and what it
    misses the next known place by is spread evenly over the frames between."""
    known = np.flatnonzero(given)
    if len(known) == 0:
        return made
    first = int(known[0])
    made = _moved(made, made[first, 0] - features[first, 0], made[first, 1:3], features[first, 1:3])
    for before, after in pairwise(known.tolist()):
        turn = made[after, 0] - features[after, 0]
        turn = turn - pi * torch.round(turn / pi)
        # The rest of the motion follows; the frames between take their share of the turn and of the way.
        rest = _moved(made[after:], turn, made[after, 1:3], features[after, 1:3])
        share = torch.arange(1, (after - before))[:, None] / (after - before)
        between = made[before + 1 : after].clone()
        between[:, :1] -= share * turn
        between[:, 1:3] += share * (features[after, 1:3] - made[after, 1:3])
        made = torch.cat([made[: before + 1], between, rest])
    return made


def _moved(features: Tensor, turn: Tensor, here: Tensor, there: Tensor) -> Tensor:
    """Absolute features turned by a yaw and carried so that what stood `here` (2) is `there`."""
    seen = placed(features, turn, here)
    return torch.cat([seen[:, :1], seen[:, 1:3] + there, seen[:, 3:]], 1)
