"""A minute of motion from overlapping stretches: drift, seams, memory; and the time that a clip takes.

    ./run bench motion_long [--json motion-long.json] [--seconds 60] [--seeds 8]

Seams are the frames at which a stretch begins; jerk there is over that inside, foot skate is told of both, means over
`seeds`. Drift compares the last ten seconds with the first: height of the pelvis, jerk, and speed. Memory is the peak
of a process that makes so many seconds. Speed is of 196 frames with 50 DDIM steps, and over the bare network's calls.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from alm_core import Level
from alm_motion import load_prior
from alm_motion.fill import fill
from alm_motion.long import STRETCH, long_joints
from alm_motion.metrics import jerk, skating
from alm_motion.options import Options
from alm_motion.skeleton import Array
from alm_motion.stretches import CONTEXT

from benchmarks.common import write_results


def seams(joints: Array) -> dict[str, float]:
    """Ratios at the seams over inside, and of the end over the beginning."""
    frames = len(joints)
    at = np.arange(STRETCH, frames - 4, STRETCH - CONTEXT)
    values = jerk(joints, 20)
    touched = ((at[:, None] - 3 <= np.arange(len(values))) & (np.arange(len(values)) < at[:, None])).any(0)
    slides = skating(joints - np.array([0, joints[..., 1].min(), 0]), 20)
    near = (np.abs(np.arange(len(slides))[:, None] - at) <= 5).any(1)
    speed = np.linalg.norm(np.diff(joints[:, 0], axis=0), axis=1) * 20
    return {
        "jerk_at_seams": float(values[touched].mean() / values[~touched].mean()),
        "skate_at_seams": float(slides[near].mean()),
        "skate_inside": float(slides[~near].mean()),
        "height_first": float(joints[:200, 0, 1].mean()),
        "height_last": float(joints[-200:, 0, 1].mean()),
        "jerk_last_over_first": float(values[-200:].mean() / values[:200].mean()),
        "speed_first": float(speed[:200].mean()),
        "speed_last": float(speed[-200:].mean()),
    }


def speed() -> dict[str, float]:
    """Seconds of 196 frames, half of them given, and the share beyond the network's own calls."""
    prior = load_prior()
    joints = long_joints(196, [(0.0, "")], Options(prior=prior, steps=4)).joints
    given = np.ones((1, 196, 22), bool)
    given[:, 60:140] = False
    options = Options(prior=prior, steps=50)
    whole, bare = [], []
    filled = fill(joints, given, options, lambda done, count: None)
    state, level = torch.randn(1, 67, 196), Level(500.0, 0.7, 0.714)
    for _ in range(5):
        begun = time.perf_counter()
        filled = fill(joints, given, options, lambda done, count: None)
        whole.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        with torch.no_grad():
            twice = filled.evaluations - filled.calls
            for call in range(filled.calls):
                prior.predict(state.expand(2 if call < twice else 1, -1, -1), level, None)
        bare.append(time.perf_counter() - begun)
    ratios = [a / b for a, b in zip(whole, bare, strict=True)]
    return {"seconds": median(whole), "over_bare_calls": median(ratios), "calls": filled.calls}


def peak(seconds: float) -> float:
    """MB of a process that makes so many seconds."""
    code = f"import resource; from alm_motion import long; long({seconds}, steps=4); "
    code += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.strip())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=8)
    flags = parser.parse_args()
    options = Options(count=flags.seeds)
    begun = time.perf_counter()
    made = long_joints(round(20 * flags.seconds), [(0.0, "")], options).joints
    rows = [seams(joints) for joints in made]
    summary = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    summary["seconds_each"] = (time.perf_counter() - begun) / flags.seeds
    memory = {"mb_12_s": peak(12), "mb_60_s": peak(60), "mb_180_s": peak(180)}
    results = {"long": summary, "memory": memory, "speed": speed()}
    for name, values in results.items():
        print(name, {key: round(value, 3) for key, value in values.items()})
    if flags.json:
        write_results(flags.json, settings={"seconds": flags.seconds, "seeds": flags.seeds}, **results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
