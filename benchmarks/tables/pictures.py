"""Sets of pictures against references and prompts: FID, KID times 1000 and CLIP's similarity, of many tables."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from alm_image.evaluation import evaluate_set, features_of
from alm_image.metrics import Clip, Inception

from benchmarks.tables.common import Cells, Job, interval
from benchmarks.tables.tiny import clip, inception

__all__ = ["JUDGES", "Judges", "tiny_judges"]

JUDGES = {
    "inception": "FID's pt_inception-2015-12-05-6726825d.pth",
    "clip": "a CLIP folder of transformers, with its tokenizer",
}
"""A table's `judged_by`."""
KEYS = {"FID": ("fid", 1.0), "KID": ("kid", 1000.0), "CLIP-Sim.": ("clip_score", 1.0), "CLIP-S": ("clip_score", 1.0)}
"""What the papers call the measures, and what they multiply them by."""


class Judges:
    """The networks that look at pictures."""

    def __init__(self, flags: argparse.Namespace) -> None:
        self.inception = Inception.load(flags.inception, device=flags.device)
        self.clip = Clip.load(flags.clip, device=flags.device)
        self.device, self.seed = flags.device, flags.seed

    def cells(
        self,
        job: Job,
        metrics: tuple[str, ...],
        made: Mapping[str, Path],
        references: Mapping[str, Path],
        prompts: Mapping[str, str],
        *,
        crop: int | None = None,
    ) -> Cells:
        """Of `metrics` such as "FID ↓"; `prompts` has one for each picture; features of references are kept."""

        def look(path: Path) -> None:
            with path.open("wb") as file:
                np.save(file, features_of(references, self.inception, device=self.device))

        known = np.load(job.shared.file(f"references-{job.group}-{job.tag}.npy", look, quiet=True))
        found = evaluate_set(
            made,
            references=known,
            features=self.inception,
            prompts=prompts,
            similarity=self.clip.cosines,
            crop=crop,
            seed=self.seed,
            device=self.device,
        )
        keys = {name: KEYS[name.split(" ")[0]] for name in metrics}
        return {name: interval(found[key], scale) for name, (key, scale) in keys.items()}


def tiny_judges(folder: Path) -> dict[str, Path]:
    """Their flags, of random weights."""
    return {"inception": inception(folder / "inception.pth"), "clip": clip(folder / "clip")}
