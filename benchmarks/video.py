"""Long video: seams between windows, drift, memory, time; ALM beside what it is compared with.

    ./run bench video --part seams [--clip FILE:FIRST:STOP …] [--json results.json]

Parts: `long` (104 frames after each clip by the exemplar prior, at --height), `seams` (48 frames at half the height
by each method), `loop` (104 frames at half the height, and the same 8 at a time from a file that is coded anew each
time), `exact` (104 frames of a process whose windows have an exact prior, by each method), `lavie` (104 frames by a
tiny random LaVie, by each method), `memory` (peak of processes that make 100 and 1,000 frames), `speed` (16 frames at
96 × 160) and `overhead` (two steps of a LaVie of the real size over its bare network calls). Each adds to the JSON.
Clips are FILE:FIRST:STOP, by default the shipped one; wider ones than 5 : 3 are cropped.

Seam contrast is `alm_video.metrics.seam_contrast` over the clip's last 16 frames and all made ones; drift is
`alm_video.drift.drift` of what is made, per cent, from its first window (`change`, `slope` a hundred frames) and from
the clip (`final`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from alm_core import ALM, FixedNoise, Level, Noise, Prediction, Replacement, Schedule, StochasticALM, SyncSDE
from alm_core.analytic import GaussianMixture, exponential
from alm_core.fusions import MultiDiffusion
from alm_core.grid import DiffusionGrid
from alm_core.guidance import ClassifierFree, Condition, Unguided
from alm_core.schedule import linear, scaled_linear
from alm_core.stream import Strip, stream
from alm_video import Film, FreeNoise, extend, generate, load_prior, read_film, writing
from alm_video.drift import drift
from alm_video.fit import fit
from alm_video.metrics import seam_contrast
from alm_video.priors.lavie import LaVieNetwork
from alm_video.priors.networks.lavie import LaVieConfig, LaVieUNet

from benchmarks.common import ROOT, environment

SHIPPED = f"{ROOT / 'examples/video/clip.mp4'}:0:48"
STRIDE, TRACKS = 8, ("luma", "blue", "red", "saturation", "sharpness")
WAYS: dict[str, dict[str, Any]] = {
    "repaint (default)": {},
    "alm": {"method": ALM()},
    "syncsde": {"method": SyncSDE(), "later_on_top": True},
    "replacement": {"method": Replacement()},
    "stochastic-alm": {"method": StochasticALM()},
}
LAVIE: dict[str, dict[str, Any]] = {
    "alm": {"method": ALM()},
    "syncsde": {"method": SyncSDE(), "later_on_top": True},
    "replacement": {"method": Replacement()},
    "multidiffusion": {"method": MultiDiffusion()},
    "freenoise": {"method": FreeNoise()},
}


def opened(text: str, height: int) -> tuple[str, Film]:
    """The part of a file that FILE:FIRST:STOP names, at a height."""
    path, first, stop = text.rsplit(":", 2)
    film = read_film(path)
    film = fit(film, height=height, width=min(round(height * film.width / film.height), height * 5 // 3))
    return Path(path).stem, Film.of(film.frames(int(first), int(stop)), film.fps)


def measured(before: np.ndarray, made: np.ndarray) -> dict[str, Any]:
    """Seams and drift of what was made after some frames."""
    shown = [*before[-16:], *made]
    seams = list(range(len(before[-16:]), len(shown), STRIDE))
    contrast, tracks, first = seam_contrast(shown, seams), drift(list(made), list(before)), drift(list(made))
    return {
        "seam_contrast": contrast.step,
        "seam_jolt": contrast.jolt,
        **{
            name: {
                "change": getattr(first, name).change,
                "slope": getattr(first, name).slope,
                "slope_error": getattr(first, name).error,
                "final": getattr(tracks, name).final,
            }
            for name in TRACKS
        },
    }


def long(clips: list[str], height: int) -> dict[str, Any]:
    """104 frames after each clip by what suits the exemplar prior."""
    found = {}
    for text in clips:
        name, film = opened(text, height)
        result = extend(film, 104, height=height)
        frames = result.all()
        assert np.array_equal(frames[: film.count], film.frames()), "kept frames are kept"
        found[name] = {
            "size": [film.width, film.height],
            "seconds": result.seconds,
            "calls": result.calls,
            **measured(film.frames(), frames[film.count :]),
        }
        say(name, found[name])
    return found


def seams(clips: list[str], height: int) -> dict[str, Any]:
    """48 frames by each method."""
    found: dict[str, Any] = {}
    for text in clips:
        name, film = opened(text, height // 2)
        for way, options in WAYS.items():
            result = extend(film, 48, height=height // 2, **options)
            run = measured(film.frames(), result.all()[film.count :]) | {"calls": result.calls}
            found.setdefault(way, {})[name] = {key: run[key] for key in ("seam_contrast", "seam_jolt", "calls")}
            say(f"{name} {way}", found[way][name])
    for of in found.values():
        of["mean"] = {key: mean(each[key] for each in of.values()) for key in ("seam_contrast", "seam_jolt")}
    return found


def loop(clips: list[str], height: int) -> dict[str, Any]:
    """104 frames in one go, and 8 at a time from a file of what was made so far."""
    found = {}
    for text in clips:
        name, film = opened(text, height // 2)
        once = extend(film, 104, height=height // 2).all()[film.count :]
        given = film
        with tempfile.TemporaryDirectory() as folder:
            for turn in range(13):
                result = extend(given, 8, height=height // 2, seed=turn)
                path = Path(folder) / f"{turn}.mp4"
                with writing([path], height=film.height, width=film.width, fps=film.fps, crf=23) as out:
                    for frame in result:
                        out.add(frame)
                whole = read_film(path)
                # Its writer pads odd sides: the same frames, cut back.
                frames = whole.frames()[:, : film.height, : film.width]
                given = Film.of(np.ascontiguousarray(frames), film.fps)
        again = given.frames()[film.count :]
        found[name] = {"latents": measured(film.frames(), once), "files": measured(film.frames(), again)}
        say(name, {kind: {t: v[t]["final"] for t in TRACKS} for kind, v in found[name].items()})
    return found


def tiny_lavie() -> Any:
    """LaVie with random weights, as its loader reads it."""
    sys.path.insert(0, str(ROOT / "packages/alm-video/tests"))
    import tiny_video

    torch.set_num_threads(1)  # on tensors as small as these threads wait for one another
    return tiny_video.prior("lavie")


def lavie() -> dict[str, Any]:
    """104 frames by each method, three seeds: means; and a loop through the VAE, window by window."""
    prior, found = tiny_lavie(), {}
    told = {"prior": prior, "height": 64, "width": 64, "steps": 10, "prompt": "a boat"}
    for way, options in LAVIE.items():
        runs = []
        for seed in range(3):
            frames = generate(104, seed=seed, **told, **options).all()
            contrast = seam_contrast(list(frames), list(range(16, 104, STRIDE)))
            tracks = drift(list(frames))
            runs.append(
                {
                    "seam_contrast": contrast.step,
                    "seam_jolt": contrast.jolt,
                    **{t: getattr(tracks, t).change for t in TRACKS},
                }
            )
        found[way] = {key: mean(run[key] for run in runs) for key in runs[0]}
        found[way] |= {f"{t}_worst": max((run[t] for run in runs), key=abs) for t in TRACKS}
        say(way, found[way])
    runs = []
    for seed in range(3):
        clip = Film.of(generate(16, seed=seed, **told).all(), 8)
        for turn in range(11):
            more = extend(clip, STRIDE, prior=prior, height=64, steps=10, prompt="a boat", seed=100 * seed + turn)
            clip = Film.of(more.all(), 8)
        tracks = drift(list(clip.frames()))
        runs.append({t: getattr(tracks, t).change for t in TRACKS})
    found["through the VAE each window"] = {key: mean(run[key] for run in runs) for key in TRACKS}
    say("loop", found["through the VAE each window"])
    return found


def exact() -> dict[str, Any]:
    """104 frames of a process whose windows have an exact prior: an AR(1) around one of two levels, 256 of them.

    In truth contrast and jolt are 1, and `deviation` is that of the prior.
    """
    torch.set_num_threads(1)
    means = torch.tensor([0.6, -0.6]).view(2, 1, 1, 1, 1).expand(2, 1, 16, 1, 1)
    prior = GaussianMixture(means, exponential([16], length_scale=0.5, variance=0.64), torch.ones(2))
    schedule, noise = Schedule.leading(scaled_linear(), 50), Noise.batch(0, 256)
    strip = Strip(range(0, 96, STRIDE), 16, lambda start, stop: (torch.zeros(1, 1, stop - start, 1, 1), torch.ones(())))
    found = {}
    for way, options in WAYS.items():
        method = options.get("method", load_prior().defaults.method)
        later = bool(options.get("later_on_top"))
        parts = stream(lambda x_0, mask: prior, schedule, strip, noise=noise, method=method, later_on_top=later)
        x = torch.cat([states for _, states in parts], 2)[:, 0, :, 0, 0].double()
        steps, jolts = x.diff(dim=1).square(), x.diff(n=2, dim=1).square()
        at = torch.arange(16, 104, STRIDE) if not later else torch.arange(STRIDE, 104 - STRIDE, STRIDE)
        edge = torch.zeros(103, dtype=torch.bool).index_fill_(0, at - 1, True)
        near = torch.zeros(102, dtype=torch.bool).index_fill_(0, torch.cat([at - 2, at - 1]), True)
        found[way] = {
            "seam_contrast": float((steps[:, edge].mean() / steps[:, ~edge].mean()).sqrt()),
            "seam_jolt": float((jolts[:, near].mean() / jolts[:, ~near].mean()).sqrt()),
            "deviation": float(x.std()),
        }
        say(way, found[way])
    return found


def memory() -> dict[str, Any]:
    """MB at the peak of processes that make so many frames and write them."""
    code = """
import resource, sys, tempfile, numpy as np, torch
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from alm_video import Film, extend, generate, writing
torch.set_num_threads(2)
frames, kind = int(sys.argv[1]), sys.argv[2]
if kind == "exemplar":
    y, x = np.mgrid[:32, :48]
    waves = [[128 + 90 * np.sin(x / 4 + n / 3 + c) * np.cos(y / 5) for c in range(3)] for n in range(48)]
    clip = np.stack([np.stack(wave, -1) for wave in waves])
    result = extend(Film.of(clip.astype(np.uint8), 24), frames, steps=8)
else:
    import tiny_video
    torch.set_num_threads(1)
    prior = tiny_video.prior("lavie")
    result = generate(frames, prior=prior, height=64, width=64, steps=4, prompt="a", loop=kind == "ring")
sizes = {"height": result.height, "width": result.width}
with tempfile.TemporaryDirectory() as folder, writing([Path(folder) / "a.mp4"], **sizes, fps=24) as out:
    for frame in result:
        out.add(frame)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
    found: dict[str, Any] = {}
    for kind in ("exemplar", "lavie", "ring"):
        peaks = {}
        for frames in (100, 1000):
            arguments = [sys.executable, "-c", code, str(frames), kind, str(ROOT / "packages/alm-video/tests")]
            done = subprocess.run(arguments, capture_output=True, text=True, check=True)
            peaks[str(frames)] = float(done.stdout.split()[-1])
        found[kind] = peaks | {"ratio": peaks["1000"] / peaks["100"]}
        say(kind, found[kind])
    return found


def speed() -> dict[str, Any]:
    """Seconds of 16 frames after the shipped clip, at 96 × 160, with reading and writing."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "longer.mp4"
        clip = str(ROOT / "examples/video/clip.mp4")
        subprocess.run(
            [sys.executable, "-m", "alm_video", "extend", clip, "--frames", "16", "-o", str(out)], check=True
        )
    return {"seconds": time.perf_counter() - begun}


def overhead() -> dict[str, Any]:
    """Two steps of ALM on a window half of which is given, over the network calls in them: 160 × 256 pixels."""
    torch.manual_seed(0)
    network = LaVieNetwork(LaVieUNet(LaVieConfig()).requires_grad_(False).eval())
    grid = DiffusionGrid(tuple(linear(1e-4, 0.02)), "trailing", Prediction.from_eps)
    condition = Condition((torch.randn(77, 768),), (torch.randn(77, 768),))
    evaluate = {1: Unguided(network), 2: ClassifierFree(network, 7.5)}
    inside: list[float] = []

    class Timed:
        """The prior, and the seconds that its network takes."""

        guided_rows = 2

        def answer(self, rows: int, x_t: torch.Tensor, level: Level, conditions: Any) -> Prediction:
            begun = time.perf_counter()
            raw = evaluate[rows](x_t, level.t, conditions)
            inside.append(time.perf_counter() - begun)
            return grid.convert(x_t, level, raw)

        def predict(self, x_t: torch.Tensor, level: Level, conditions: Any) -> Prediction:
            return self.answer(1, x_t, level, conditions)

        def predict_guided(self, x_t: torch.Tensor, level: Level, conditions: Any) -> Prediction:
            return self.answer(2, x_t, level, conditions)

    known, hole = torch.randn(1, 4, 16, 20, 32), torch.ones(1, 1, 16, 1, 1)
    hole[:, :, :8] = 0
    strip = Strip((0,), 16, lambda start, stop: (known, hole))
    begun = time.perf_counter()
    options = {"noise": Noise.batch(0, 1), "reference": FixedNoise(), "conditions": lambda start: (condition,)}
    for _ in stream(lambda x_0, mask: Timed(), grid.schedule(2, 0), strip, method=ALM(), **options):
        pass
    seconds = time.perf_counter() - begun
    return {
        "seconds": seconds,
        "in_network": sum(inside),
        "calls": len(inside),
        "over_bare_calls": seconds / sum(inside),
    }


def say(name: str, found: object) -> None:
    print(name, json.dumps(found, default=float), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--part", choices=("long", "seams", "loop", "exact", "lavie", "memory", "speed", "overhead"), required=True
    )
    parser.add_argument("--clip", action="append", help="FILE:FIRST:STOP")
    parser.add_argument("--height", type=int, default=96)
    parser.add_argument("--json", type=Path)
    flags = parser.parse_args()
    clips = flags.clip or [SHIPPED]
    of_clips: dict[str, Callable[[list[str], int], dict[str, Any]]] = {"long": long, "seams": seams, "loop": loop}
    alone: dict[str, Callable[[], dict[str, Any]]] = {
        "exact": exact,
        "lavie": lavie,
        "memory": memory,
        "speed": speed,
        "overhead": overhead,
    }
    found = of_clips[flags.part](clips, flags.height) if flags.part in of_clips else alone[flags.part]()
    say(flags.part, found)
    if flags.json:
        before = json.loads(flags.json.read_text()) if flags.json.exists() else {}
        before |= {flags.part: found, "environment": environment()}
        flags.json.write_text(json.dumps(before, indent=1, default=float) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
