"""One long motion from nothing, told what to show when: stretches that overlap, one after another.

Each stretch of 120 frames is given the last 30 of the one before it (SyncSDE 4.2.6), seen from where that ended: the
root is anchored anew each time, so that the hundredth stretch is as near the origin for the network as the first.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from typing import Unpack

import numpy as np

from alm_motion.clips import clip_of_joints
from alm_motion.complete import Result
from alm_motion.contacts import pinned
from alm_motion.features import FPS
from alm_motion.fill import Filled, fill
from alm_motion.options import Options, Settings
from alm_motion.retarget import resampled
from alm_motion.skeleton import Array
from alm_motion.stretches import CONTEXT

__all__ = ["STRETCH", "long", "long_joints", "prompts_at"]

STRETCH = 120
"""Frames of a stretch, of which `CONTEXT` are given."""
SHORTEST = 2
"""Frames that a prompt must last."""


def long(
    seconds: float,
    *,
    prompts: Mapping[float, str] | None = None,
    fps: float = 60.0,
    loop: bool = False,
    stretch: int = STRETCH,
    overlap: int = CONTEXT,
    **options: Unpack[Settings],
) -> Result:
    """round(seconds · fps) frames of motion from nothing, on a skeleton of SMPL's 22 joints.

    `prompts` says from which second on which prompt holds; without them `prompt` holds throughout. With `loop` the end
    runs into the beginning: after the last frame comes the first, in pose and in speed; where the body has got to
    meanwhile is its own affair, as games want it. `stretch` and `overlap` are in frames at 20 a second.
    """
    begun = time.perf_counter()
    given = Options(**options)
    if not (np.isfinite(seconds) and seconds * FPS >= 2):
        raise ValueError(f"a tenth of a second or more is wanted, got {seconds}")
    if not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"the frame rate must be above 0, got {fps}")
    count, own = round(seconds * fps), round(seconds * FPS)
    if count < 1:
        raise ValueError(f"{seconds:g} s at {fps:g} frames a second are no frame: ask for more of either")
    told = prompts_at(prompts or {0.0: given.prompt}, seconds)
    # A loop lasts whole frames of the model's; else its last frame lies on or after the last that is asked for.
    frames = own if loop else max(own, ceil((count - 1) / fps * FPS - 1e-6) + 1)
    filled = long_joints(frames, told, given, loop=loop, stretch=stretch, overlap=overlap)
    times = np.arange(filled.joints.shape[1]) / FPS
    at = np.arange(count, dtype=float) * (own / FPS / count if loop else 1 / fps)
    clips = [clip_of_joints(resampled(joints, times, at), fps) for joints in filled.joints]
    if given.pin_feet:
        clips = [pinned(clip, np.ones((len(clip), 22), bool), np.eye(22)) for clip in clips]
    return Result(
        clips=clips,
        made=np.ones(len(clips[0]), bool),
        evaluations=filled.evaluations,
        calls=filled.calls,
        kept_error=0.0,
        seconds=time.perf_counter() - begun,
        seed=given.seed,
        method=repr(given.used),
    )


def prompts_at(prompts: Mapping[float, str], seconds: float) -> list[tuple[float, str]]:
    """The prompts by their beginnings, in order; one that begins in the first tenth of a second holds from 0.

    Raises ValueError for one that begins outside [0, seconds) or lasts less than a tenth of a second.
    """
    found = sorted(prompts.items())
    for at, prompt in found:
        if not 0 <= at < seconds:
            raise ValueError(f"the prompt {prompt!r} begins at {at:g} s, and the motion has {seconds:g}")
    if not found or round(found[0][0] * FPS) >= SHORTEST:
        found.insert(0, (0.0, ""))
    found[0] = (0.0, found[0][1])
    for (at, prompt), end in zip(found, [*(later for later, _ in found[1:]), seconds], strict=True):
        if round(end * FPS) - round(at * FPS) < SHORTEST:
            raise ValueError(
                f"the prompt {prompt!r} holds from {at:g} s to {end:g} s: give it {SHORTEST / FPS:g} s or more"
            )
    return found


def long_joints(
    frames: int,
    prompts: list[tuple[float, str]],
    options: Options,
    *,
    loop: bool = False,
    stretch: int = STRETCH,
    overlap: int = CONTEXT,
) -> Filled:
    """Joints (variants, frames, 22, 3) at 20 a second on HumanML3D's skeleton. See `long`.

    A loop has `overlap` frames more: the first ones again, carried to where the end leads.
    """
    if not 0 < overlap < stretch <= options.prior.frames:
        raise ValueError(
            f"wanted 0 < overlap < stretch <= {options.prior.frames}, the most that the model makes at once, "
            f"got an overlap of {overlap} and stretches of {stretch}"
        )
    if loop and stretch <= 2 * overlap:
        raise ValueError(f"a loop wants stretches of more than twice the overlap of {overlap}, got {stretch}")
    if loop and frames < 2 * overlap + 2:
        raise ValueError(f"a loop must last {(2 * overlap + 2) / FPS:g} s or more, got {frames / FPS:g}")
    canvas = np.zeros((options.count, frames, 22, 3))
    plan = _stretches(frames, prompts, stretch, overlap)
    evaluations, calls = 0.0, 0
    for key, (start, first, stop, prompt) in enumerate(plan):
        given = np.zeros((options.count, stop - start, 22), bool)
        given[:, : first - start] = True
        tell = options.tell(key, len(plan) + loop)
        part = fill(canvas[:, start:stop], given, replace(options, prompt=prompt), tell, key=key)
        canvas[:, first:stop] = part.joints[:, first - start :]
        evaluations, calls = evaluations + part.evaluations, calls + part.calls
    if loop:
        canvas, part = _closed(canvas, overlap, stretch, replace(options, prompt=prompts[-1][1]), len(plan))
        evaluations, calls = evaluations + part.evaluations, calls + part.calls
    return Filled(canvas, evaluations, calls)


def _closed(canvas: Array, overlap: int, stretch: int, options: Options, key: int) -> tuple[Array, Filled]:
    """The canvas with its end made anew, so that the beginning follows it: carried to where the end led before.

    The beginning stands behind the end, so carried.
    """
    frames = canvas.shape[1]
    anew = min(stretch - 2 * overlap, frames - 2 * overlap)
    joints = []
    for one in canvas:
        turn, here, there = _between(one[0], one[-1])
        joints.append(np.concatenate([one[frames - anew - overlap :], (one[:overlap] - here) @ turn.T + there]))
    given = np.zeros((len(canvas), anew + 2 * overlap, 22), bool)
    given[:, :overlap] = given[:, -overlap:] = True
    part = fill(np.stack(joints), given, options, options.tell(key, key + 1), key=key)
    return np.concatenate([canvas[:, : frames - anew], part.joints[:, overlap:]], 1), part


def _between(first: Array, last: Array) -> tuple[Array, Array, Array]:
    """The turn about Y (3, 3), and the places on the ground, that take the pose `first` (22, 3) to where `last` is."""

    def facing(pose: Array) -> float:
        across = pose[17] - pose[16] + pose[2] - pose[1]
        return float(np.arctan2(across[2], -across[0]))

    angle = facing(last) - facing(first)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    return turn, first[0] * [1, 0, 1], last[0] * [1, 0, 1]


def _stretches(
    frames: int, prompts: list[tuple[float, str]], stretch: int, overlap: int
) -> list[tuple[int, int, int, str]]:
    """Where each stretch starts, its first new frame, where it stops, and its prompt: a new prompt is a new stretch."""
    begins = [round(at * FPS) for at, _ in prompts] + [frames]
    found, first = [], 0
    for (_, prompt), end in zip(prompts, begins[1:], strict=True):
        while first < end:
            start = max(first - overlap, 0)
            stop = min(start + stretch, end)
            found.append((start, first, stop, prompt))
            first = stop
    return found
