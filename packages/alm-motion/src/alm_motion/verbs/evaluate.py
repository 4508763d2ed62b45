"""`alm-motion evaluate`: a completed clip against the true one, or a model by the paper's protocol."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from alm_core.choices import reference_named

from alm_motion.clips import joints_of_clip
from alm_motion.complete import kept_frames
from alm_motion.evaluators import load_evaluator
from alm_motion.fill import Bools, fill
from alm_motion.metrics import foot_skate, gap_error, kept_error, seam_jerk, seams_of
from alm_motion.options import Options
from alm_motion.priors import load_prior
from alm_motion.progress import progress
from alm_motion.protocol import evaluate
from alm_motion.skeleton import Array
from alm_motion.verbs import common

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    clip = parser.add_argument_group("a completed clip")
    clip.add_argument("clip", type=Path, nargs="?", help="the completed motion")
    clip.add_argument("--truth", type=Path, help="the true motion, of as many frames")
    clip.add_argument("--keep", action="append", help="what of it was kept: 0:40,100:")
    common.add_reading(clip)
    paper = parser.add_argument_group("the protocol of ALM's Table 5")
    paper.add_argument("--humanml", type=Path, help="the folder of HumanML3D")
    paper.add_argument("--evaluator", type=Path, help="the folder of the t2m evaluator, with its glove files")
    paper.add_argument("--samples", type=int, default=1000, help="motions a replication (1000)")
    paper.add_argument("--replications", type=int, default=10, help="(10)")
    common.add_model(parser)
    common.add_solver(parser)
    common.add_report(parser)


def run(flags: argparse.Namespace) -> None:
    """Prints a table, or with --json one JSON object."""
    if (flags.clip is None) == (flags.humanml is None):
        raise ValueError("give a completed clip with --truth and --keep, or --humanml and --evaluator")
    report = _clip(flags) if flags.clip is not None else _paper(flags)
    if flags.json:
        print(json.dumps(report))
        return
    for name, value in report.get("rows", report).items():
        cells = value if isinstance(value, dict) else {"": value}
        print(f"{name:<16}", "  ".join(f"{key} {_cell(cell)}".strip() for key, cell in cells.items()))


def _clip(flags: argparse.Namespace) -> dict[str, Any]:
    """The measures of one clip: metres, millimetres, shares and ratios."""
    if flags.truth is None or flags.keep is None:
        raise ValueError("a completed clip is measured against --truth, of which --keep says what was kept")
    made, true = common.opened(flags), common.opened(flags, flags.truth)
    if len(made) != len(true):
        raise ValueError(f"both clips must have as many frames: got {len(made)} and {len(true)}")
    given = kept_frames(true, common.ranges(flags.keep))
    here, there = joints_of_clip(made), joints_of_clip(true)
    floor = float(there[..., 1].min())
    seams = seams_of(given)
    found: dict[str, Any] = {
        "gap_error_m": gap_error(there, here, given),
        "kept_error_mm": kept_error(there, here, given),
    }
    for name, joints in (("made", here), ("true", there)):
        found[f"foot_skate_{name}"] = foot_skate(joints - [0, floor, 0], true.fps)
        found[f"seam_jerk_{name}"] = seam_jerk(joints, seams, true.fps).seam
    return {name: round(float(value), 6) for name, value in found.items()}


def _paper(flags: argparse.Namespace) -> dict[str, Any]:
    """ALM's Table 5, of a model and a method."""
    if flags.evaluator is None:
        raise ValueError("--humanml wants --evaluator, the folder of the t2m evaluator")
    evaluator = load_evaluator(flags.evaluator)
    prior = load_prior(
        flags.model, device=flags.device, dtype=flags.dtype, guidance=flags.guidance, text_encoder=flags.text_encoder
    )
    method = common.method_of(flags, prior)
    reference = reference_named(flags.reference) if flags.reference else None

    def complete(joints: Sequence[Array], given: Sequence[Bools], prompts: Sequence[str], seed: int) -> list[Array]:
        # As the public code: all of a batch are of one length, and what lies beyond a motion's own is not given.
        longest = max(len(each) for each in joints)
        padded = np.stack([np.pad(j, ((0, longest - len(j)), (0, 0), (0, 0)), mode="edge") for j in joints])
        known = np.stack([np.pad(g, ((0, longest - len(g)), (0, 0))) for g in given])
        options = Options(prior=prior, method=method, reference=reference, steps=flags.steps, seed=seed)
        made = fill(padded, known, options, options.tell(0, 1), prompts=prompts, in_place=prior.anchored).joints
        return [each[: len(true)] for each, true in zip(made, joints, strict=True)]

    with progress(flags.progress) as tell:
        return evaluate(
            flags.humanml,
            evaluator,
            complete,
            samples=flags.samples,
            replications=flags.replications,
            seed=flags.seed,
            on_sample=tell,
        )


def _cell(value: object) -> str:
    if isinstance(value, dict):
        spread = value.get("interval")
        return f"{value['mean']:.4g}" + (f" ± {spread:.2g}" if spread is not None else "")
    return f"{value:.4g}" if isinstance(value, float) else str(value)
