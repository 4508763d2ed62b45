"""Completing captured motion with the shipped prior: gaps of 0.5, 1, 2 and 4 s, and the paper's three halves.

    ./run bench motion --data DIR [--json motion.json] [--windows 100] [--tasks gap-1s,last-half] [--methods alm]

DIR is a folder of BVH clips; only those that `alm_motion.dataset.held_out` names are used, which no prior was trained
on. Windows lie evenly over all of them: a gap has 1.5 s around it, a half is of 6 s. Every method sees the same ones:

- `fid`: the Fréchet distance to the same windows as captured, of this project's own encoder (`motion_encoder.py`),
  which compares with no published FID; its interval is a bootstrap. `fid_difference` is that to ALM, paired.
- `gap_error` in m, `foot_skate`, and `seam_jerk`, at the seams over that of captured motion in the same frames.
- of ALM in some tasks, on the clip's own skeleton at its own rate, with feet pinned: `kept_error` in mm, and the same.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from alm_core import (
    ALM,
    FixedNoise,
    Method,
    ReconstructionGuidance,
    Reference,
    RePaint,
    Replacement,
    StochasticALM,
    SyncSDE,
)
from alm_motion import Clip, load_prior, read_clip
from alm_motion.clips import joints_of_clip
from alm_motion.contacts import pinned
from alm_motion.dataset import held_out, jumping
from alm_motion.fill import fill
from alm_motion.mapping import guess, weights
from alm_motion.metrics import (
    Interval,
    bootstrap,
    foot_skate,
    frechet_distance,
    gap_error,
    kept_error,
    seam_jerk,
    seams_of,
)
from alm_motion.options import Options
from alm_motion.priors.unet1d import DEFAULTS
from alm_motion.restore import restored
from alm_motion.skeleton import Array
from alm_motion.stage import Stage
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from benchmarks.common import write_results
from benchmarks.motion_encoder import embed

Bools = NDArray[np.bool_]
AROUND = 30
TASKS: dict[str, tuple[int, int, int]] = {
    "first-half": (120, 0, 60),
    "middle-half": (120, 30, 90),
    "last-half": (120, 60, 120),
    **{f"gap-{s:g}s": (2 * AROUND + round(20 * s), AROUND, AROUND + round(20 * s)) for s in (0.5, 1, 2, 4)},
}
"""Frames at 20 a second, and from which to which they are made."""
USUAL = DEFAULTS.method
assert isinstance(USUAL, ALM)
METHODS: dict[str, tuple[Method | None, Reference | None]] = {
    "alm": (None, None),
    "alm-imputation": (replace(USUAL, imputation=True), None),
    "alm-no-delta": (replace(USUAL, off_last=1.0), None),
    "alm-no-conditional": (replace(USUAL, conditional=0.0), None),
    "alm-no-joint": (replace(USUAL, w2=0.0), None),
    "alm-pictures": (ALM(), None),
    "syncsde": (SyncSDE(3.0), None),
    "replacement": (Replacement(), None),
    "reconstruction": (ReconstructionGuidance(imputation=False), FixedNoise()),
    "reconstruction-imputation": (ReconstructionGuidance(), FixedNoise()),
    "stochastic-alm": (StochasticALM(), None),
    "repaint": (RePaint(3), None),
}
"""None is what the prior uses by itself; `alm-pictures` has the paper's weights for pictures."""
OWN = ("last-half", "gap-1s")
"""Tasks of which ALM's result is brought back to the clips' own skeletons, which takes longer than making it."""
ON_HALVES = ("alm-no-delta", "alm-no-conditional", "alm-no-joint", "alm-pictures", "alm-imputation", "reconstruction")
"""Ablations, and a method far from the others, which gaps leave out."""


@dataclass(frozen=True)
class Windows:
    """`count` windows of one length: the clips as they are, and their joints on HumanML3D's skeleton at 20 a second."""

    clips: list[Clip]
    stages: list[Stage]
    mapped: list[Array]
    true: Array
    given: Bools
    own: list[Bools]

    @staticmethod
    def of(clips: list[Clip], task: tuple[int, int, int], count: int) -> Windows:
        """Evenly over all clips that are long enough, but for where the capture itself jumps."""
        frames, start, stop = task
        long = 3 * (frames - 1) + 1
        jumps = [jumping(joints_of_clip(clip)) for clip in clips]
        starts = [
            (n, s) for n, c in enumerate(clips) for s in range(0, len(c) - long + 1, 3) if whole_at(jumps[n], s, long)
        ]
        chosen = [starts[i] for i in np.linspace(0, len(starts) - 1, count).round().astype(int)]
        parts = [clips[n].frames(slice(s, s + long)) for n, s in chosen]
        mapped = [weights(part.skeleton, guess(part.skeleton)) for part in parts]
        whole = np.ones((long, 22), bool)
        whole[max(3 * (start - 1) + 1, 0) : 3 * stop] = False
        stages = [Stage.of(joints_of_clip(part), whole, part.fps) for part in parts]
        true = np.stack([s.fitted.forth(joints_of_clip(p))[::3] for s, p in zip(stages, parts, strict=True)])
        given = np.stack([stage.given for stage in stages])
        assert (given.sum(1) == frames - stop + start).all()
        return Windows(parts, stages, mapped, true, given, [whole] * count)


def whole_at(jumps: Bools, start: int, frames: int) -> bool:
    """Whether a window has no such frame."""
    return not jumps[start : start + frames].any()


def interpolated(windows: Windows, *, turns: bool) -> Array:
    """Joints on straight lines, or the clip's own rotations by slerp, between the borders; a half holds its border."""
    made = []
    for clip, stage, given, true in zip(windows.clips, windows.stages, windows.own, windows.true, strict=True):
        known, frames = np.flatnonzero(given[:, 0]), np.arange(len(clip))
        if not turns:
            at = np.flatnonzero(stage.given[:, 0])
            where = np.clip(np.arange(len(true)), at[0], at[-1])
            flat = true[at].reshape(len(at), -1)
            made.append(np.stack([np.interp(where, at, column) for column in flat.T], 1).reshape(true.shape))
            continue
        where = np.clip(frames, known[0], known[-1])
        moved = clip.translations[known].reshape(len(known), -1)
        translations = np.stack([np.interp(where, known, column) for column in moved.T], 1)
        rotations = np.stack(
            [
                Slerp(known, Rotation.from_matrix(clip.rotations[known, j]))(where).as_matrix()
                for j in range(clip.rotations.shape[1])
            ],
            1,
        )
        still = Clip(clip.skeleton, rotations, translations.reshape(clip.translations.shape), clip.fps)
        made.append(stage.fitted.forth(joints_of_clip(still))[::3])
    return np.stack(made)


def measured(windows: Windows, made: Array, features: Array, of_alm: Array | None) -> tuple[dict[str, object], Array]:
    """The measures of joints (rows, F, 22, 3), and their features."""
    mine = embed(made)

    def fid(index: NDArray[np.int64], rows: Array = mine) -> float:
        return frechet_distance(features[index], rows[index])

    def mean(values: list[float]) -> dict[str, float]:
        each = np.array(values)
        return _told(bootstrap(lambda index: float(each[index].mean()), len(each)))

    given, frames = windows.given, made.shape[1]
    seams = [seams_of(each) for each in given]
    true_jerk = np.mean([seam_jerk(j, s, 20).seam for j, s in zip(windows.true, seams, strict=True)])
    found: dict[str, object] = {
        "fid": _told(bootstrap(fid, len(mine), resamplings=200)),
        "gap_error": mean([gap_error(*each) for each in zip(windows.true, made, given, strict=True)]),
        "foot_skate": mean([foot_skate(joints[~g[:, 0]], 20) for joints, g in zip(made, given, strict=True)]),
        "seam_jerk": mean([seam_jerk(j, s, 20).seam / true_jerk for j, s in zip(made, seams, strict=True)]),
        "frames": frames,
    }
    if of_alm is not None:
        found["fid_difference"] = _told(bootstrap(lambda i: fid(i) - fid(i, of_alm), len(mine), resamplings=200))
    return found, mine


def own_skeleton(windows: Windows, made: Array) -> dict[str, object]:
    """What comes out on the clips' own skeletons and rates, feet pinned."""
    kept, jerks, true_jerks, skates = [], [], [], []
    for clip, stage, mapped, joints, given in zip(
        windows.clips, windows.stages, windows.mapped, made, windows.own, strict=True
    ):
        whole = pinned(restored(clip, stage.back(joints), ~given, mapped), ~given, mapped)
        before, after = joints_of_clip(clip), joints_of_clip(whole)
        kept.append(kept_error(before, after, given))
        seams = seams_of(given)
        jerks.append(seam_jerk(after[::3], [-(-s // 3) for s in seams], 20).seam)
        true_jerks.append(seam_jerk(before[::3], [-(-s // 3) for s in seams], 20).seam)
        skates.append(foot_skate(stage.fitted.forth(after)[::3][~stage.given[:, 0]], 20))
    ratio = np.array(jerks) / np.mean(true_jerks)
    return {
        "kept_error_mm": float(np.max(kept)),
        "seam_jerk": _told(bootstrap(lambda i: float(ratio[i].mean()), len(ratio))),
        "foot_skate": _told(bootstrap(lambda i: float(np.array(skates)[i].mean()), len(skates))),
    }


def _told(interval: Interval) -> dict[str, float]:
    return {"value": round(interval.value, 5), "low": round(interval.low, 5), "high": round(interval.high, 5)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--windows", type=int, default=100)
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--steps", type=int)
    flags = parser.parse_args()
    clips = [read_clip(path) for path in sorted(flags.data.glob("*.bvh"))]
    names = [path.stem for path in sorted(flags.data.glob("*.bvh"))]
    clips = [clip for clip, name in zip(clips, names, strict=True) if held_out(name, len(clip))]
    prior = load_prior()
    rows: list[dict[str, object]] = []
    for task in flags.tasks.split(","):
        windows = Windows.of(clips, TASKS[task], flags.windows)
        features, of_alm = embed(windows.true), None
        made = {
            "captured": windows.true,
            "linear": interpolated(windows, turns=False),
            "slerp": interpolated(windows, turns=True),
        }
        for name in ["captured", "linear", "slerp", *flags.methods.split(",")]:
            if task.startswith("gap") and name in ON_HALVES:
                continue
            row: dict[str, object] = {"task": task, "method": name, "windows": flags.windows}
            if name not in made:
                method, reference = METHODS[name]
                options = Options(prior=prior, method=method, reference=reference, steps=flags.steps)
                begun = time.perf_counter()
                hidden = np.stack([stage.joints for stage in windows.stages])
                filled = fill(hidden, windows.given, options, lambda done, count: None)
                made[name] = filled.joints
                row |= {"evaluations": filled.evaluations, "seconds": round(time.perf_counter() - begun, 1)}
            found, mine = measured(windows, made[name], features, of_alm)
            of_alm = mine if name == "alm" else of_alm
            row |= found
            if name == "alm" and task in OWN:
                row["own_skeleton"] = own_skeleton(windows, made[name])
            rows.append(row)
            cells = {k: v["value"] for k, v in row.items() if isinstance(v, dict) and "value" in v}
            print(task, name, json.dumps(cells), row.get("seconds", ""), flush=True)
            if flags.json:
                write_results(
                    flags.json, settings={"prior": "cmu", "steps": flags.steps or prior.defaults.steps}, rows=rows
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
