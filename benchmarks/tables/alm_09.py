"""ALM (arXiv 2606.31323), Table 9: long video.

    ./run bench tables/alm_09 --data prompts.txt --weights lavie_base.pt --base SD14 --i3d i3d_torchscript.pt \\
        --clip CLIP --device cuda --out alm_09.json

The paper's protocol (0.B.5): 261 prompts; LaVie's first stage, 512 × 320, windows of 16 frames every 8, 12 of them, 104
frames at 8 a second, 50 DDIM steps, one decoding of the whole. FVD and KVD, times 10⁻³, between all 12 clips of 16
frames of each video and videos of 16 frames by LaVie alone; CLIP similarity is the mean over the 104 frames.

Wanted: `--data`, a text of prompts, one a line; `--weights`, lavie_base.pt; `--base`, the folder of Stable Diffusion
1.4, unless it lies beside; `--i3d` and `--clip`, what measures.

What the paper leaves open, and what was chosen:

- The prompts, which are LaVie's or made by a chat program. Those of `--data`, in its order.
- How many references. `--references` a prompt, 12 unless said, so that there are as many as clips.
- Guidance. LaVie's usual 7.5; a negative prompt is not given.
- ALM's weights. Those for pictures, w1 = 1 and w2 = 0.005; X_t by DDIM inversion.
- Which window lies on top. The earlier for ALM, as with wide pictures; the later for SyncSDE, as in its paper.
- SyncSDE's λ. 1/λ = 5.
- FreeNoise attends over windows of 16 frames every 4, as its code for LaVie does.
- The files of I3D and CLIP, and how I3D is shown frames. StyleGAN-V's TorchScript, whole frames squeezed to 224².
- Frames are kept as PNG: none is coded as video before it is measured.
- Intervals draw videos with all of their clips.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from alm_core import ALM, Independent, Inversion, SyncSDE
from alm_video import Film, FreeNoise, generate, load_prior, read_film, writing
from alm_video.extractors import I3D, ClipSimilarity
from alm_video.options import Settings, Way
from alm_video.protocol import evaluate

from benchmarks.tables.common import Cells, Job, Measure, Table, interval, run
from benchmarks.tables.flags import STEPS, whole
from benchmarks.tables.store import Store
from benchmarks.tables.tiny import clip, i3d, makers

METRICS = ("FVD ↓", "KVD ↓", "CLIP-Sim ↑")
PAPER = {
    "FreeNoise": "2.404 3.119 0.312",
    "SEINE": "3.501 4.219 0.305",
    "SyncSDE": "2.290 3.135 0.312",
    "ALM (Ours)": "2.215 2.859 0.313",
}
NOT_RUN = {"SEINE": "a network that was trained for it"}
APART = 1 << 20
"""Seeds of references are so far from those of videos."""


@dataclass(frozen=True)
class Long:
    """A method, and which window lies on top."""

    method: Way
    later_on_top: bool = False

    def settings(self) -> Settings:
        """What `generate` is told."""
        if isinstance(self.method, FreeNoise):
            return {"method": self.method}
        return {"method": self.method, "reference": Inversion(), "later_on_top": self.later_on_top}


def rows(flags: argparse.Namespace) -> dict[str, object]:
    return {
        "FreeNoise": Long(FreeNoise(16, 4)),
        "SyncSDE": Long(SyncSDE(), later_on_top=True),
        "ALM (Ours)": Long(ALM()),
    }


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", type=STEPS, default=50, help="(50)")
    parser.add_argument("--frames", type=whole(16), default=104, help="of a video (104)")
    parser.add_argument("--height", type=whole(8, multiple=8), default=320, help="(320)")
    parser.add_argument("--width", type=whole(8, multiple=8), default=512, help="(512)")
    parser.add_argument("--references", type=whole(), default=12, help="videos of 16 frames a prompt (12)")


def start(flags: argparse.Namespace) -> Measure:
    lines = [line.strip() for line in flags.data.read_text(encoding="utf-8").splitlines() if line.strip()]
    prompts = {f"{number:03d}": prompt for number, prompt in enumerate(lines[: flags.limit])}
    if len(prompts) < 2:
        raise ValueError(f"--data is a text of two prompts or more, one a line: {flags.data} has {len(lines)}")
    prior = load_prior(flags.weights, base=flags.base, device=flags.device, dtype=flags.dtype)
    judges = {
        "i3d": I3D.load(flags.i3d, device=flags.device),
        "clip": ClipSimilarity.load(flags.clip, device=flags.device),
    }

    def film(store: Store, name: str, frames: int, prompt: str, seed: int, settings: Settings) -> Film:
        def make(folder: Path) -> None:
            sizes = {"height": flags.height, "width": flags.width}
            made = generate(frames, prior=prior, prompt=prompt, seed=seed, steps=flags.steps, **sizes, **settings)
            with writing([folder / "%04d.png"], height=made.height, width=made.width, fps=made.fps) as out:
                for frame in made:
                    out.add(frame)

        return read_film(store.file(name, make), fps=prior.fps)

    def measure(job: Job) -> tuple[Cells, int]:
        videos, references = {}, {}
        for number, (name, prompt) in enumerate(prompts.items()):
            told: Settings = {"window": 16, "stride": 8, **job.way.settings()}
            videos[name] = film(job.items, name, flags.frames, prompt, flags.seed + number, told)
            for each in range(flags.references):
                alone, seed = f"reference-{name}-{each:02d}", flags.seed + APART + number * flags.references + each
                references[alone] = film(job.shared, alone, 16, prompt, seed, {"method": Independent()})
        found = evaluate(videos, references, prompts=prompts, seed=flags.seed, **judges)
        keys = dict(zip(METRICS, (("fvd", 1e-3), ("kvd", 1e-3), ("clip_similarity", 1.0)), strict=True))
        return {name: interval(found[key], scale) for name, (key, scale) in keys.items()}, len(videos)

    return measure


def tiny(folder: Path) -> dict[str, object]:
    makers("alm-video", "tiny_video").lavie(folder / "lavie")
    (folder / "prompts.txt").write_text("a boat\na dog\n", encoding="utf-8")
    paths = {"data": folder / "prompts.txt", "weights": folder / "lavie" / "lavie_base.pt", "base": folder / "lavie"}
    judges = {"i3d": i3d(folder / "i3d_torchscript.pt"), "clip": clip(folder / "clip")}
    return {**paths, **judges}


TABLE = Table(
    name="alm_09",
    text=__doc__,
    metrics=METRICS,
    paper=PAPER,
    items=261,
    least=2,
    rows=rows,
    not_run=NOT_RUN,
    made_from={
        "data": "a text of prompts, one a line",
        "weights": "LaVie's lavie_base.pt",
        "base": "optional: the folder of Stable Diffusion 1.4, unless it lies beside the weights",
    },
    loose=("references",),
    judged_by={
        "i3d": "FVD's detector, StyleGAN-V's i3d_torchscript.pt",
        "clip": "a CLIP folder of transformers, with its tokenizer",
    },
    start=start,
    tiny=tiny,
    small={"steps": 2, "frames": 24, "height": 32, "width": 32, "references": 2, "limit": 2},
    options=options,
)

if __name__ == "__main__":
    sys.exit(run(TABLE))
