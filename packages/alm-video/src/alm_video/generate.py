"""Make a long video from prompts alone."""

import time
from fractions import Fraction
from itertools import islice
from typing import Unpack

from alm_video.latent import frames_of
from alm_video.make import Canvas, made
from alm_video.options import Options, Settings
from alm_video.result import Result
from alm_video.windows import free

__all__ = ["generate"]


def generate(
    frames: int,
    *,
    height: int | None = None,
    width: int | None = None,
    loop: bool = False,
    fps: float | None = None,
    **options: Unpack[Settings],
) -> Result:
    """So many frames from nothing but prompts, in windows (ALM B.5); all else is said by `Options`.

    `height`, `width` and `fps` are the model's by default. With `loop` the first frame follows the last. Raises
    ValueError where sizes do not fit, or for a model that is made from a clip.
    """
    begun = time.perf_counter()
    given = Options(**options)
    prior = given.prior
    tall, wide = (own if side is None else side for side, own in zip((height, width), prior.size, strict=True))
    if min(tall, wide) < 1:
        raise ValueError(f"height and width must be 1 pixel or more, got {tall} and {wide}")
    if prior.recalls(tall, wide):
        raise ValueError(
            "the exemplar prior makes video from a clip: use `extend`, or name a text-to-video model with --model "
            "(prior=load_prior(…))"
        )
    if frames < 1:
        raise ValueError(f"at least one frame is to be made, got {frames}")
    if loop and prior.pace > 1:
        raise ValueError(
            "the first of this model's latents holds one frame alone, so no ring is closed: leave loop out"
        )
    rate = prior.fps if fps is None else fps
    if not 0 < rate < float("inf"):
        raise ValueError(f"the frame rate must be above 0, got {rate}")
    plan = free(-(-(frames - 1) // prior.pace) + 1, given.size, given.step, loop=loop)
    canvas = Canvas(plan, prior.state_shape(tall, wide), None, None, (), tall, wide, prior.device)
    pixels = prior.decode(made(canvas, given))
    return Result(
        frames=islice((frame for part in pixels for frame in frames_of(part)), frames),
        height=tall,
        width=wide,
        fps=Fraction(rate).limit_denominator(100_000),
        count=frames,
        made=range(frames),
        seed=given.seed,
        method=repr(given.used),
        tally=canvas.tally,
        seconds=time.perf_counter() - begun,
    )
