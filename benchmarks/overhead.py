"""What ALM's bookkeeping costs: a run's wall time and peak memory over its bare network calls.

    python benchmarks/overhead.py --json benchmarks/results/overhead.json

The run is `alm_core.sample` with ALM at the library's defaults but for a fixed-noise reference (which costs no call).
Its network calls are recorded, and the same network is then called with the very same arguments and nothing around
it. Runs and bare calls alternate; the ratio is of the medians. `outside` is the share of a run's own time that is not
spent in the network, which a busy machine disturbs less. Weights are random but for the emoji model's: time does not
depend on them. Targets: at most 1.10 for the emoji model at 50 steps, at most 1.03 for Stable Diffusion 1.5's size,
peak memory at most 1.05 there.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import diffusers
import torch
import transformers
from alm_core import FixedNoise, Noise, sample
from alm_image.priors import ImagePrior, load_prior

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import write_results

Call = tuple[tuple[Any, ...], dict[str, Any]]

PROMPT = "a boat on a lake"


def random_stable_diffusion(folder: Path, *, tiny: bool) -> None:
    """A Stable Diffusion 1.5 folder in its real sizes (4 GB in float32, stored in half) with random weights."""
    heads = {"attention_head_dim": 2, "norm_num_groups": 2} if tiny else {"attention_head_dim": 8}
    text_width = 16 if tiny else 768
    torch.manual_seed(0)
    letters = [chr(code) for code in range(33, 127)]
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    words = {token: index for index, token in enumerate(tokens)}
    pipe = diffusers.StableDiffusionPipeline(
        unet=diffusers.UNet2DConditionModel(
            sample_size=8 if tiny else 64,
            block_out_channels=(8, 16, 16, 16) if tiny else (320, 640, 1280, 1280),
            cross_attention_dim=text_width,
            **heads,
        ),
        vae=diffusers.AutoencoderKL(
            block_out_channels=(4, 4, 8, 8) if tiny else (128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=4,
            norm_num_groups=2 if tiny else 32,
        ),
        text_encoder=transformers.CLIPTextModel(
            transformers.CLIPTextConfig(
                vocab_size=len(words) if tiny else 49408,
                hidden_size=text_width,
                intermediate_size=4 * text_width,
                num_hidden_layers=2 if tiny else 12,
                num_attention_heads=2 if tiny else 12,
                bos_token_id=len(words) - 2,
                eos_token_id=len(words) - 1,
            )
        ),
        tokenizer=transformers.CLIPTokenizer(vocab=words, merges=[], model_max_length=77),
        scheduler=diffusers.DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.to(torch.float16).save_pretrained(folder)


def random_pixels(folder: Path) -> None:
    """A pixel U-Net that takes no time, for the tests."""
    unet = diffusers.UNet2DModel(
        sample_size=16,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=2,
    )
    diffusers.DDPMPipeline(unet=unet, scheduler=diffusers.DDPMScheduler()).save_pretrained(folder)


def condition(prior: ImagePrior) -> object:
    """The prompt's condition, or none for a model without text."""
    try:
        return prior.condition(PROMPT, "", prior.size, prior.size)
    except ValueError:
        return prior.condition("", "", prior.size, prior.size)


def job(prior: ImagePrior, steps: int) -> Callable[[], None]:
    """One completion of the lower half, without encoding and decoding."""
    schedule = prior.schedule(steps)
    x_0 = torch.zeros(1, *prior.state_shape(prior.size, prior.size), device=prior.device)
    mask = torch.zeros_like(x_0)
    mask[..., mask.shape[-2] // 2 :, :] = 1
    conditions, noise = (condition(prior),), Noise.batch(0, 1, prior.device)

    def run() -> None:
        sample(prior, schedule, noise=noise, x_0=x_0, mask=mask, reference=FixedNoise(), conditions=conditions)

    return run


def network_of(prior: ImagePrior) -> torch.nn.Module:
    """The outermost module that a prediction calls."""
    x = torch.zeros(1, *prior.state_shape(prior.size, prior.size), device=prior.device)
    conditions = (condition(prior),)
    seen: list[torch.nn.Module] = []
    hook = torch.nn.modules.module.register_module_forward_pre_hook(lambda module, _: seen.append(module))
    with torch.no_grad():
        prior.predict(x, prior.schedule(2).levels[0], conditions)
    hook.remove()
    return seen[0]


@contextmanager
def recorded(network: torch.nn.Module) -> Iterator[list[Call]]:
    """The arguments of every call of the network."""
    calls: list[Call] = []
    hook = network.register_forward_pre_hook(lambda _, args, named: calls.append((args, dict(named))), with_kwargs=True)
    yield calls
    hook.remove()


def replay(network: torch.nn.Module, calls: list[Call]) -> None:
    """The bare calls."""
    with torch.no_grad():
        for args, named in calls:
            network(*args, **named)


def seconds(work: Callable[[], None], device: torch.device) -> float:
    """Wall time, to the end of what the device was given."""
    wait = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start


def outside(network: torch.nn.Module, run: Callable[[], None], device: torch.device) -> float:
    """The share of a run's time that is not spent in its network."""
    starts, inside = [0.0], [0.0]
    wait = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)

    def before(*_: object) -> None:
        wait()
        starts[0] = time.perf_counter()

    def after(*_: object) -> None:
        wait()
        inside[0] += time.perf_counter() - starts[0]

    hooks = network.register_forward_pre_hook(before), network.register_forward_hook(after)
    total = seconds(run, device)
    for hook in hooks:
        hook.remove()
    return 1 - inside[0] / total


def peak_memory(model: str, device: str, threads: int, calls: list[Call] | None) -> float:
    """In a process of its own: the peak, in MiB, of two ALM steps, or of the bare calls."""
    torch.set_num_threads(threads)
    prior = load_prior(model, device=device)
    network = network_of(prior)
    work = job(prior, 2) if calls is None else (lambda: replay(network, calls))
    if prior.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        work()
        return torch.cuda.max_memory_allocated() / 2**20
    counts_from_now = reset_peak()
    work()
    return peak_now() if counts_from_now else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def reset_peak() -> bool:
    """Has Linux count the peak from now on, so that loading is not in it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak_now() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM"))


def memory(model: str, args: argparse.Namespace, calls: list[Call]) -> dict[str, float]:
    """The peaks of two steps, bare and ALM's, each in a fresh process."""
    peaks = []
    for given in (calls, None):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            peaks.append(pool.submit(peak_memory, model, args.device, args.threads, given).result())
    bare, alm = peaks
    return {"bare_mib": round(bare, 1), "alm_mib": round(alm, 1), "memory_ratio": round(alm / bare, 4)}


def codec(prior: ImagePrior) -> dict[str, float]:
    """Seconds of one encoding, one decoding and one prompt."""
    pixels = torch.zeros(1, 3, prior.size, prior.size)
    state = torch.zeros(1, *prior.state_shape(prior.size, prior.size), device=prior.device)
    parts: dict[str, Callable[[], object]] = {
        "encode": lambda: prior.encode(pixels),
        "decode": lambda: prior.decode(state),
        "text": lambda: condition(prior),
    }
    return {name: seconds(lambda work=work: work(), prior.device) for name, work in parts.items()}  # type: ignore[misc]


def timings(model: str, steps: int, args: argparse.Namespace) -> tuple[dict[str, object], list[Call]]:
    """Everything but memory, and the calls of two steps."""
    prior = load_prior(model, device=args.device)
    network, run = network_of(prior), job(prior, steps)
    with recorded(network) as calls:
        run()  # warms up, too
    alm, bare = [], []
    for _ in range(args.repeats):
        bare.append(seconds(lambda: replay(network, calls), prior.device))
        alm.append(seconds(run, prior.device))
    parts = codec(prior)
    whole = median(alm) * 50 / steps + sum(parts.values())
    row = {
        "steps": steps,
        "calls": len(calls),
        "dtype": str(next(network.parameters()).dtype).removeprefix("torch."),
        "parameters": sum(p.numel() for p in network.parameters()),
        "size": prior.size,
        "alm_seconds": [round(s, 4) for s in alm],
        "bare_seconds": [round(s, 4) for s in bare],
        "ratio": round(median(alm) / median(bare), 4),
        "outside": round(outside(network, run, prior.device), 5),
        "codec_seconds": {part: round(s, 4) for part, s in parts.items()},
        "codec_share_of_50_steps": {part: round(s / whole, 5) for part, s in parts.items()},
    }
    return row, calls[: 2 * len(calls) // steps]


def measure(name: str, model: str, steps: int, args: argparse.Namespace) -> dict[str, object]:
    """One row of the results."""
    row, two_steps = timings(model, steps, args)
    return {"model": name, **row, **memory(model, args, two_steps)}


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", choices=["emoji", "sd"], help="measure one of the two alone")
    parser.add_argument("--emoji", default="emoji", help="another folder for the emoji model")
    parser.add_argument("--repeats", type=int, help="alternating runs (9 for the emoji model, 3 for Stable Diffusion)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tiny", action="store_true", help="tiny random models and few steps: for the tests")
    parser.add_argument("--json", type=Path, help="write the results here")
    return parser


def main(argv: list[str] | None = None) -> list[dict[str, object]]:
    """Measures, prints and writes the rows."""
    args = parser().parse_args(argv)
    torch.set_num_threads(args.threads)
    rows = []
    with tempfile.TemporaryDirectory() as root:
        if args.only != "sd":
            model = args.emoji
            if args.tiny:
                model = str(Path(root) / "pixels")
                random_pixels(Path(model))
            rows.append(measure("emoji", model, 3 if args.tiny else 50, _repeated(args, 9)))
        if args.only != "emoji":
            model = str(Path(root) / "sd")
            random_stable_diffusion(Path(model), tiny=args.tiny)
            rows.append(measure("stable-diffusion-1.5", model, 3, _repeated(args, 3)))
    for row in rows:
        print(
            f"{row['model']}: {row['ratio']} of the bare calls' time, {row['memory_ratio']} of their memory, "
            f"{row['outside']:.2%} of the time outside the network"
        )
    if args.json:
        write_results(args.json, diffusers=diffusers.__version__, rows=rows)
    return rows


def _repeated(args: argparse.Namespace, otherwise: int) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(args), "repeats": args.repeats or (1 if args.tiny else otherwise)})


if __name__ == "__main__":
    main()
