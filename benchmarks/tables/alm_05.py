"""ALM (arXiv 2606.31323), Table 5: motion completion on HumanML3D.

    ./run bench tables/alm_05 --data HumanML3D --weights condmdi_uncond/model000500000.pt --evaluator t2m \\
        --text-encoder clip-vit-base-patch32 --device cuda --out alm_05.json

The paper's protocol (4.4, 0.B.3), which is CondMDI's: a U-Net that was trained on text and motion (Karunratanakul et
al. 2023), DDPM with 1,000 steps, Eq. 28 for ALM; the first, the middle or the last half of a motion is made given the
rest and its sentence; 1,000 motions of HumanML3D a scenario, 10 replications; FID, matching score, top-1 R-precision
and diversity. Rows with * use imputation.

Wanted: `--data`, HumanML3D with `test.txt`, `texts/` and `new_joint_vecs/`; `--weights`, a `.pt` of GMD's or CondMDI's
U-Net with its `args.json`, `Mean_abs_3d.npy` and `Std_abs_3d.npy`; `--evaluator`, a folder with text_mot_match's
`finest.tar`, `meta/` and the GloVe files; `--text-encoder`, CLIP ViT-B/32. What is kept are batches of 32 motions.

What the paper leaves open, and what was chosen:

- Which checkpoint. CondMDI's `condmdi_uncond`, which is told of no keyframes, is nearest to what is described; GMD's is
  read, too.
- ALM's weights for motion. They are those for pictures, w1 = 1 and w2 = 0.005: `--w1`, `--w2`.
- Where X_t comes from. From X_0 with one noise that stays (FixedNoise).
- Guidance. The checkpoints' usual 2.5, and none in ΔY (4.1).
- w_r of reconstruction guidance. 20, as CondMDI's README has it.
- The motions. 1,024, drawn anew in each replication: R-precision is of whole batches of 32, as in CondMDI's code.
- How texts are embedded. Without what fills them up (MDM's later code); the released CondMDI reads that, too:
  `--padded-captions`.
- What an interval is. 1.96 standard deviations of the replications over the root of their number, as in public code.
- The evaluator sees relative features that are found again from completed joints, as in CondMDI's code.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from alm_core import ALM, FixedNoise, ReconstructionGuidance
from alm_motion import load_prior
from alm_motion.evaluators import load_evaluator, relative_features
from alm_motion.fill import Bools, fill
from alm_motion.options import Options
from alm_motion.protocol import HALVES, evaluate
from alm_motion.skeleton import Array

from benchmarks.common import ROOT
from benchmarks.tables.common import Cells, Job, Measure, Table, run
from benchmarks.tables.flags import STEPS, real, whole
from benchmarks.tables.tiny import clip, makers

KEYS = {"FID ↓": "fid", "Match. ↓": "matching_score", "R-prec. ↑": "r_precision_1", "Div. →": "diversity"}
GROUPS = dict(zip(("First-half", "Middle-half", "Last-half"), HALVES, strict=True))
PAPER = {
    "CondMDI": "0.620 4.566 0.350 8.668  0.594 4.489 0.354 8.618  0.362 4.409 0.365 9.050",
    "Recon. Gui.": "11.342 5.230 0.284 6.101  12.806 5.152 0.299 6.041  7.322 4.866 0.319 6.804",
    "Recon. Gui.*": "3.547 4.395 0.361 7.774  4.250 4.415 0.366 7.599  0.576 4.051 0.400 8.797",
    "ALM (Ours)": "0.311 4.143 0.396 8.979  0.447 4.175 0.395 8.820  0.236 4.085 0.410 9.041",
    "ALM* (Ours)": "0.465 4.140 0.398 8.828  0.645 4.159 0.393 8.695  0.260 4.068 0.408 9.025",
    "Ground Truth": "0.001 3.243 0.453 9.299  0.001 3.243 0.453 9.299  0.001 3.243 0.453 9.299",
}
TRUTH = "Ground Truth"
NOT_RUN = {"CondMDI": "trained: alm-motion tells a network that reads keyframes of none"}


def rows(flags: argparse.Namespace) -> dict[str, object]:
    return {
        "Recon. Gui.": ReconstructionGuidance(imputation=False, eta=1),
        "Recon. Gui.*": ReconstructionGuidance(eta=1),
        "ALM (Ours)": ALM(w1=flags.w1, w2=flags.w2, eta=1),
        "ALM* (Ours)": ALM(w1=flags.w1, w2=flags.w2, eta=1, imputation=True),
        TRUTH: None,
    }


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", type=STEPS, default=1000, help="(1000)")
    parser.add_argument("--replications", type=whole(), default=10, help="(10)")
    parser.add_argument("--pairs", type=whole(), default=300, help="of diversity (300)")
    parser.add_argument("--w1", type=real(), default=1.0, help="ALM's (1)")
    parser.add_argument("--w2", type=real(), default=0.005, help="ALM's (0.005)")
    parser.add_argument("--padded-captions", action="store_true", help="as the released code of GMD and CondMDI")


def start(flags: argparse.Namespace) -> Measure:
    prior = load_prior(flags.weights, device=flags.device, dtype=flags.dtype, text_encoder=flags.text_encoder)
    evaluator = load_evaluator(flags.evaluator, device=flags.device, padded_captions=flags.padded_captions)

    def completed(
        job: Job, joints: Sequence[Array], given: Sequence[Bools], prompts: Sequence[str], seed: int
    ) -> list[Array]:
        # All of a batch are of one length, and what lies beyond a motion's own is not given, as in the public code.
        longest = max(len(each) for each in joints)
        padded = np.stack([np.pad(j, ((0, longest - len(j)), (0, 0), (0, 0)), mode="edge") for j in joints])
        known = np.stack([np.pad(g, ((0, longest - len(g)), (0, 0))) for g in given])
        told = Options(prior=prior, method=job.way, reference=FixedNoise(), steps=flags.steps, seed=seed)
        made = fill(padded, known, told, lambda done, count: None, prompts=prompts, in_place=prior.anchored).joints
        return [each[: len(true)] for each, true in zip(made, joints, strict=True)]

    def measure(job: Job) -> tuple[Cells, int]:
        def complete(
            joints: Sequence[Array], given: Sequence[Bools], prompts: Sequence[str], seed: int
        ) -> Sequence[Array]:
            if job.row == TRUTH:
                return joints  # which is not looked at
            # Which motions a seed has depends on the limit: what is kept goes by what was asked for.
            asked = hashlib.sha256(json.dumps([seed, *prompts]).encode() + b"".join(each.tobytes() for each in joints))

            def make(path: Path) -> None:
                np.savez(path, *completed(job, joints, given, prompts, seed))

            with np.load(job.items.file(f"{asked.hexdigest()[:16]}.npz", make)) as kept:
                return [kept[name] for name in kept.files]

        half, numbers = GROUPS[job.group], {"samples": job.limit, "replications": flags.replications}
        table = evaluate(flags.data, evaluator, complete, halves=[half], pairs=flags.pairs, seed=flags.seed, **numbers)
        found = table["rows"]["ground truth" if job.row == TRUTH else half]
        return {name: _cell(found[key]) for name, key in KEYS.items()}, table["protocol"]["samples"]

    return measure


def _cell(found: dict[str, float | None]) -> dict[str, float | None]:
    mean, half = found["mean"], found["interval"]
    return {"value": mean, "low": None if half is None else mean - half, "high": None if half is None else mean + half}


def tiny(folder: Path) -> dict[str, object]:
    tests, cases = makers("alm-motion", "tiny_motion"), makers("alm-motion", "evaluator_cases")
    fixture = ROOT / "packages" / "alm-motion" / "tests" / "fixtures" / "motion_evaluation.json"
    cases.evaluator_folder(folder / "t2m", json.loads(fixture.read_text(encoding="utf-8"))["shapes"])
    data = folder / "HumanML3D"
    for each in ("texts", "new_joint_vecs"):
        (data / each).mkdir(parents=True)
    names = [f"{number:06d}" for number in range(33)]
    for number, name in enumerate(names):
        features = relative_features(cases.body(40 + 4 * (number % 3), turn=0.0, phase=number))
        np.save(data / "new_joint_vecs" / f"{name}.npy", features)
        (data / "texts" / f"{name}.txt").write_text(f"a person walks {number}#a/DET person/NOUN walk/VERB#0.0#0.0\n")
    (data / "test.txt").write_text("\n".join(names) + "\n")
    paths = {"data": data, "evaluator": folder / "t2m", "text_encoder": clip(folder / "clip")}
    return {**paths, "weights": tests.published(folder / "gmd")}


TABLE = Table(
    name="alm_05",
    text=__doc__,
    groups=tuple(GROUPS),
    metrics=tuple(KEYS),
    paper=PAPER,
    items=1000,
    rows=rows,
    not_run=NOT_RUN,
    made_from={
        "data": "the folder of HumanML3D, with test.txt, texts and new_joint_vecs",
        "weights": "a .pt of GMD's or CondMDI's U-Net with its args.json, Mean_abs_3d.npy and Std_abs_3d.npy",
        "text_encoder": "the folder of CLIP ViT-B/32",
    },
    loose=("replications", "pairs", "w1", "w2", "padded_captions"),
    judged_by={"evaluator": "a folder with text_mot_match's finest.tar, its meta and the GloVe files"},
    start=start,
    tiny=tiny,
    small={"steps": 2, "replications": 1, "pairs": 9, "limit": 32},
    options=options,
)

if __name__ == "__main__":
    sys.exit(run(TABLE))
