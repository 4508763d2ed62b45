"""Joint methods: all windows at once on one canvas, no order among them.

At each level the windows see one canvas, and a `Fusion` says what x̂_0 and ε̂ of the whole follow from theirs. Prefer
`extend` where quality counts: averages blur. They are here to compare with.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from alm_core.fusions import Fusion, JointStep, Overlap
from alm_core.methods import blend
from alm_core.noise import Noise
from alm_core.prior import Conditions, Prediction, Prior, ddim, rows_of
from alm_core.sample import INITIAL, METHOD, REFERENCE, Progress, check_finite, given_part
from alm_core.schedule import Level, Schedule
from alm_core.window import Window

__all__ = ["fuse"]


def fuse(
    prior: Prior,
    schedule: Schedule,
    windows: Sequence[Window],
    shape: tuple[int, ...],
    *,
    noise: Noise,
    fusion: Fusion,
    conditions: Sequence[Conditions] | None = None,
    weights: Sequence[Tensor] | None = None,
    backgrounds: Sequence[Tensor | None] | None = None,
    x_0: Tensor | None = None,
    mask: Tensor | None = None,
    together: int | None = None,
    on_step: Callable[[Progress], None] | None = None,
) -> Tensor:
    """Makes a canvas of `shape` (of one sample), or what of x_0 lies where mask is 1; float32 (rows, *shape).

    The given part of x_0 (rows or 1, …) is noised with one noise for all levels and stands on the canvas at each. A
    network call has at most `together` windows (None: all), of one shape of piece. `on_step` is told of each step.

    `conditions`, `weights` and `backgrounds` have one entry a window. A map of `weights` in [0, 1], broadcastable to
    one row of the piece, says by how much each place of it counts in the average: a region, soft or binary. Where all
    weigh 0 the canvas keeps what it had. A background (choices, rows or 1, …) is clean, in the units of x_0 and of the
    piece's shape: what a window sees outside its region while the fusion bootstraps. Its choices are taken in turn,
    step by step, with the noise that the canvas starts from; None is for a window that always sees the canvas.

    Raises ValueError when a part of what is to be made lies in no window or weighs nothing, when the entries do not
    fit, or when backgrounds come without weights or to a fusion that makes no use of them; `NotFiniteError` with the
    step's number when the canvas becomes NaN or infinite.
    """
    rows = len(noise.seeds)
    if (x_0 is None) != (mask is None):
        raise ValueError("give x_0 and mask together, or neither")
    _check(windows, fusion, conditions, weights, backgrounds)
    with torch.no_grad():
        start = noise.draw(shape, INITIAL)
        overlap = Overlap.of(windows, torch.zeros_like(start[:1]), weights)
        hole, covered = torch.ones_like(overlap.blank), overlap.total() > 0
        if x_0 is not None and mask is not None:
            x_0, hole = given_part(x_0, mask, rows)
        if bool((hole * ~covered).any()):
            raise ValueError(
                "a part of what is to be generated lies in no window, or weighs nothing in all: add windows, lower the "
                "stride or weigh it in one"
            )
        z = noise.child(REFERENCE).draw(shape)
        told = [rows_of(c, rows) for c in conditions] if conditions else None
        predict = partial(_predict, prior, told, together or len(windows))
        draws, y, joined = noise.child(METHOD), start, None
        for index, (t, s) in enumerate(zip(schedule.levels, schedule.levels[1:], strict=False)):
            if x_0 is not None:
                y = blend(t.a * x_0 + t.s * z, y, hole)
            joined = fusion.join(
                y,
                JointStep(
                    levels=schedule.levels,
                    index=index,
                    overlap=overlap,
                    predict=predict,
                    noise=partial(draws.draw, shape, index),
                    last=joined,
                    background=partial(_background, windows, backgrounds, start, index, t),
                ),
            )
            y = torch.where(covered, ddim(joined, s), y)
            check_finite(y, index + 1, schedule.steps)
            if on_step:
                on_step(Progress(index + 1, schedule.steps, y.clone, joined.x0.clone, (y,)))
        return y


def _check(
    windows: Sequence[Window],
    fusion: Fusion,
    conditions: Sequence[Conditions] | None,
    weights: Sequence[Tensor] | None,
    backgrounds: Sequence[Tensor | None] | None,
) -> None:
    """Refuses entries that are not one a window, and backgrounds that nothing would see."""
    for name, entries in (("conditions", conditions), ("weights", weights), ("backgrounds", backgrounds)):
        if entries is not None and len(entries) != len(windows):
            raise ValueError(f"one entry of {name} a window is wanted: got {len(entries)} for {len(windows)}")
    if backgrounds is not None and not fusion.bootstraps:
        raise ValueError(f"{type(fusion).__name__} makes no use of backgrounds: leave them out, or use MultiDiffusion")
    if backgrounds is not None and weights is None:
        raise ValueError("backgrounds show where weights are below 1: give weights too, or leave backgrounds out")


def _predict(
    prior: Prior, told: Sequence[Conditions] | None, together: int, pieces: Mapping[int, Tensor], level: Level
) -> dict[int, Prediction]:
    """The guided predictions of the windows' pieces, at most `together` of one shape in a network call."""
    batches: list[list[int]] = []
    for n, piece in pieces.items():
        if batches and len(batches[-1]) < together and pieces[batches[-1][0]].shape == piece.shape:
            batches[-1].append(n)
        else:
            batches.append([n])
    found: dict[int, Prediction] = {}
    for batch in batches:
        conditions = None if told is None or told[batch[0]] is None else tuple(c for n in batch for c in told[n] or ())
        p = prior.predict_guided(torch.cat([pieces[n] for n in batch]), level, conditions)
        pairs = zip(p.x0.chunk(len(batch)), p.eps.chunk(len(batch)), strict=True)
        found |= {n: Prediction(*pair) for n, pair in zip(batch, pairs, strict=True)}
    return found


def _background(
    windows: Sequence[Window],
    backgrounds: Sequence[Tensor | None] | None,
    start: Tensor,
    index: int,
    t: Level,
    number: int,
) -> Tensor | None:
    """a_t b + s_t z, b the background of the step's turn and z the noise that the window's canvas starts from."""
    choices = backgrounds[number] if backgrounds else None
    if choices is None:
        return None
    return t.a * choices[index % len(choices)] + t.s * windows[number].read(start)
