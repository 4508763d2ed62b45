"""Stage II of DeepFloyd IF: its whole loop is diffusers' own, and what is no stage II is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from alm_core import Independent, Noise, sample
from alm_core.testing import check_prior
from alm_image.priors import load_prior
from alm_image.priors.bound import Bound
from alm_image.priors.deepfloyd_two import NOISE_LEVEL, load_upscaler, text_of
from diffusers import DDIMScheduler, DDPMScheduler, IFSuperResolutionPipeline
from diffusers.pipelines.deepfloyd_if import pipeline_if_superresolution as theirs

Folder = Callable[[str], Path]
PROMPT, NEGATIVE = "a red boat on a lake", "grey"


@pytest.mark.parametrize(("guidance", "level", "thresholding"), [(3.0, 37, True), (3.0, 400, False), (1.0, 5, True)])
def test_the_loop_is_that_of_diffusers(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, guidance: float, level: int, thresholding: bool
) -> None:
    upscaler = load_upscaler(folder("deepfloyd_super"), guidance=guidance)
    if not thresholding:
        object.__setattr__(upscaler.prior, "bound", None)
    pipe = IFSuperResolutionPipeline.from_pretrained(folder("deepfloyd_super"), safety_checker=None, watermarker=None)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False, thresholding=thresholding)
    own = pipe.scheduler.step

    def step(out: torch.Tensor, *args: Any, **options: Any) -> Any:
        # DDIM reads no variance. ε̂ is that of the thresholded x̂_0, as everywhere here; diffusers can do so when asked.
        return own(out[:, :3], *args, **options, use_clipped_model_output=thresholding)

    monkeypatch.setattr(pipe.scheduler, "step", step)
    start, z = (Noise.batch(n, 2).draw((3, 32, 32)) for n in (3, 8))
    draws = iter([start, z])
    monkeypatch.setattr(theirs, "randn_tensor", lambda shape, **_: next(draws))
    small = Noise.batch(6, 2).draw((3, 16, 16)).clamp(-1, 1)
    wanted = pipe(
        prompt=[PROMPT] * 2,
        negative_prompt=[NEGATIVE] * 2,
        image=small,
        num_inference_steps=5,
        guidance_scale=guidance,
        noise_level=level,
        output_type="pt",
        clean_caption=False,
    ).images

    class Fixed:
        """The pipeline's own first noise."""

        seeds = (0, 1)

        def draw(self, shape: tuple[int, ...], *key: int) -> torch.Tensor:
            return start

        def child(self, *key: int) -> "Fixed":
            return self

    noised = upscaler.enlarged(small, z, level)
    found = sample(
        upscaler.prior,
        upscaler.prior.schedule(5),
        noise=Fixed(),  # type: ignore[arg-type]
        shape=(3, 32, 32),
        method=Independent(),
        conditions=upscaler.condition(PROMPT, NEGATIVE, noised, level),
    )
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("other", [{"level": 1}, {"picture": 1}, {"prompt": 1}, {"negative": 1}])
def test_level_picture_and_prompts_all_reach_the_network(folder: Folder, other: dict[str, int]) -> None:
    upscaler = load_upscaler(folder("deepfloyd_super"))
    x, at = Noise.batch(1, 1).draw((3, 32, 32)), upscaler.prior.schedule(4).levels[2]

    def answer(level: int = 0, picture: int = 0, prompt: int = 0, negative: int = 0) -> torch.Tensor:
        noised = Noise.batch(2 + picture, 1).draw((3, 32, 32))
        told = upscaler.condition([PROMPT, "tree"][prompt], [NEGATIVE, "sky"][negative], noised, [50, 900][level])
        return upscaler.prior.predict_guided(x, at, told).eps

    assert float((answer() - answer(**other)).abs().max()) > 1e-6


def test_the_small_picture_is_enlarged_and_noised_by_its_own_schedule(folder: Folder) -> None:
    upscaler = load_upscaler(folder("deepfloyd_super"))
    small, z = Noise.batch(5, 2).draw((3, 16, 16)), Noise.batch(9, 2).draw((3, 32, 32))
    scheduler = DDPMScheduler.from_pretrained(folder("deepfloyd_super") / "image_noising_scheduler")
    large = torch.nn.functional.interpolate(small, (32, 32), mode="bilinear", align_corners=True)
    wanted = scheduler.add_noise(large, z, torch.tensor([NOISE_LEVEL] * 2))
    torch.testing.assert_close(upscaler.enlarged(small, z), wanted, atol=1e-5, rtol=1e-5)
    assert NOISE_LEVEL == 50
    with pytest.raises(ValueError, match="0 to 999, got 1000"):
        upscaler.enlarged(small, z, 1000)


def test_it_obeys_the_laws_of_a_prior(folder: Folder) -> None:
    upscaler = load_upscaler(folder("deepfloyd_super"))
    told = upscaler.condition(PROMPT, NEGATIVE, Noise.batch(2, 2).draw((3, 32, 32)), 30)
    check_prior(upscaler.prior, upscaler.prior.schedule(6), (3, 32, 32), conditions=told)
    assert (upscaler.size, upscaler.prior.guided_rows, upscaler.prior.guidance) == (32, 2, 4.0)
    assert upscaler.prior.bound == Bound(1.5, 0.95)


def test_the_text_of_stage_one_serves_both(folder: Folder) -> None:
    first = load_prior(folder("deepfloyd"))
    text = text_of(first)
    assert text is not None
    shared = load_upscaler(folder("deepfloyd_super_mute"), text=text)
    noised = torch.zeros(1, 3, 32, 32)
    (told,) = shared.condition(PROMPT, NEGATIVE, noised)
    alone: Any = first.condition(PROMPT, NEGATIVE, 16, 16)
    assert torch.equal(told.positive[0], alone.positive[0])
    assert torch.equal(told.negative[0], alone.negative[0])
    assert load_upscaler(folder("deepfloyd_super"), text=text).prior.text is text
    assert text_of(load_prior(folder("pixel_epsilon"))) is None
    assert text_of(load_prior(folder("stable_diffusion"))) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("deepfloyd", "holds a IFPipeline, which enlarges no pictures"),
        ("deepfloyd_two", "holds a IFPipeline"),
        ("stable_diffusion", "holds a StableDiffusionPipeline"),
        ("pixel_epsilon", "holds a DDPMPipeline"),
        ("deepfloyd_super_plain", "class labels None: wanted 6"),
        ("deepfloyd_super_mute", "has no text encoder"),
    ],
)
def test_what_is_no_stage_two_is_refused(folder: Folder, name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        load_upscaler(folder(name))


def test_it_is_no_model_by_itself(folder: Folder) -> None:
    with pytest.raises(ValueError, match="takes 6 input channels"):
        load_prior(folder("deepfloyd_super"))
