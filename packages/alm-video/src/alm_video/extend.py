"""Continue a clip after its end or before its beginning, close it to a loop, or fill the gap between two clips."""

import time
from itertools import chain, islice
from math import lcm
from pathlib import Path
from typing import Unpack

from torch import Tensor

from alm_video.film import Film
from alm_video.fit import fit
from alm_video.io import read_film
from alm_video.latent import first_states, frames_of, last_states
from alm_video.make import Canvas, made
from alm_video.options import Options, Settings
from alm_video.priors import VideoPrior
from alm_video.result import Result
from alm_video.windows import Plan, after, before, between

__all__ = ["extend", "fitted", "inbetween"]


def extend(
    clip: Film | str | Path,
    frames: int,
    *,
    where: str = "after",
    loop: bool = False,
    height: int | None = None,
    **options: Unpack[Settings],
) -> Result:
    """The clip and so many more frames after it, or before it; all else is said by `Options`.

    With `loop` they lead from its end to its beginning, so that the film can be played round and round. `height` is
    that of the result, in pixels; by default the model's, or the clip's where that is less and the model is made from
    it. The clip's frames stay as they are but for the size.

    Raises ValueError where nothing is to be made or sizes do not fit, and as `read_film` does.
    """
    given = Options(**options)
    if where not in ("after", "before"):
        raise ValueError(f"where must be after or before, got {where!r}")
    if loop and where == "before":
        raise ValueError("a loop goes from the clip's end to its beginning: leave where out")
    film = fitted(clip, given.prior, height)
    if loop:
        plan = _gap(film, film, frames, given)
        return _joined(film, film, plan, given, frames, loop=True)
    pace = given.prior.pace
    if where == "after":
        plan = after((film.count - 1) // pace + 1, -(-frames // pace), given.size, given.step)
        return _joined(film, None, plan, given, frames)
    plan = before(film.count // pace, -(-(frames - 1) // pace) + 1, given.size, given.step)
    return _joined(None, film, plan, given, frames)


def inbetween(
    first: Film | str | Path,
    second: Film | str | Path,
    frames: int,
    *,
    height: int | None = None,
    **options: Unpack[Settings],
) -> Result:
    """The first clip, so many made frames, and the second clip; all else as in `extend`.

    The second is fitted to the first, whose frame rate holds.
    """
    given = Options(**options)
    head = fitted(first, given.prior, height)
    tail = second if isinstance(second, Film) else read_film(second, fps=head.fps)
    tail = fit(tail, height=head.height, width=head.width)
    plan = _gap(head, tail, frames, given)
    return _joined(head, tail, plan, given, frames)


def fitted(clip: Film | str | Path, prior: VideoPrior, height: int | None) -> Film:
    """The clip at the height that is asked for, or that suits the model."""
    if not isinstance(clip, Film | str | Path):
        raise TypeError(
            f"a clip is a path or a Film, got a {type(clip).__name__}: make one of an array by Film.of(frames, fps)"
        )
    film = clip if isinstance(clip, Film) else read_film(clip)
    if height is None:
        height = min(film.height, prior.size[0]) if prior.recalls(*prior.size) else prior.size[0]
    # A width that is chosen here may as well be one that every format takes.
    even = height != film.height and height % 2 == 0
    return fit(film, height=height, multiple=lcm(prior.multiple, 2) if even else prior.multiple)


def _gap(head: Film, tail: Film, frames: int, options: Options) -> Plan:
    pace = options.prior.pace
    if frames % pace:
        raise ValueError(
            f"this model makes {pace} frames at a time, so that a gap between clips must be a multiple of it, got "
            f"{frames}: ask for {-(-frames // pace) * pace}"
        )
    size, step, own = options.size, options.step, frames // pace
    wide = min(options.prior.frames, own + size)
    if options.window is None and wide > size:
        # A model that can takes all of the gap at once, so that its way across is not chosen half blind.
        size, step = wide, wide - step
    return between((head.count - 1) // pace + 1, tail.count // pace, own, size, step)


def _joined(
    head: Film | None, tail: Film | None, plan: Plan, options: Options, frames: int, *, loop: bool = False
) -> Result:
    """The head, what is made, and the tail, unless it is the head once more."""
    begun = time.perf_counter()
    film = head or tail
    assert film is not None
    prior = options.prior
    if tail and not plan.tail:
        raise ValueError(
            f"this model makes {prior.pace} frames at a time: a clip of so many or more is wanted to lead to, got "
            f"{tail.count}"
        )
    before_it = last_states(prior, head, plan.head) if head and plan.head else None
    after_it = first_states(prior, tail, plan.tail) if tail and plan.tail else None
    canvas = Canvas(
        plan=plan,
        shape=prior.state_shape(film.height, film.width),
        head=before_it,
        tail=after_it,
        examples=_examples(prior, head, tail),
        height=film.height,
        width=film.width,
        device=prior.device,
    )
    parts = made(canvas, options)
    skip = plan.made * prior.pace - frames if head is None else 0
    if prior.pace > 1:
        # Its decoder wants the frames before; its first frame of the state holds one frame alone.
        skip = 1 + (plan.head - 1) * prior.pace if before_it is not None else skip - prior.pace + 1
        parts = chain([before_it] if before_it is not None else [], parts)
    made_frames = (frame for pixels in prior.decode(parts) for frame in frames_of(pixels))
    begins = head.count if head else 0
    stays = [head.read(0, head.count)] if head else []
    follows = [tail.read(0, tail.count)] if tail and not loop else []
    count = begins + frames + (tail.count if tail and not loop else 0)
    return Result(
        frames=chain(*stays, islice(made_frames, skip, skip + frames), *follows),
        height=film.height,
        width=film.width,
        fps=film.fps,
        count=count,
        made=range(begins, begins + frames),
        seed=options.seed,
        method=repr(options.used),
        tally=canvas.tally,
        sound=film.sound,
        sound_from=0.0 if head else float(frames / film.fps),
        seconds=time.perf_counter() - begun,
    )


def _examples(prior: VideoPrior, head: Film | None, tail: Film | None) -> list[Tensor]:
    """Frames of the clips beside what is to be made, for a prior that is made from them."""
    film = head or tail
    most = prior.recalls(film.height, film.width) if film else 0
    most = most // 2 if head and tail else most
    found = [last_states(prior, head, min(most, head.count))] if head and most else []
    return [*found, *([first_states(prior, tail, min(most, tail.count))] if tail and most else [])]
