"""Laws for implementers: every `Prior`, `Method` and `Window`, in every package, is run through these.

Each check raises AssertionError with a sentence that says which law was broken.
"""

import torch
from torch import Tensor

from alm_core.methods import Independent, Method
from alm_core.noise import Noise
from alm_core.prior import Conditions, Counted, Prior
from alm_core.reference import FixedNoise
from alm_core.sample import sample
from alm_core.schedule import Schedule
from alm_core.window import Window, coverage

__all__ = ["check_method", "check_prior", "check_sampler_limit", "check_window"]


def check_prior(
    prior: Prior,
    schedule: Schedule,
    shape: tuple[int, ...],
    *,
    conditions: Conditions = None,
    tolerance: float = 1e-4,
) -> None:
    """The laws of a prior, at a level in the middle: finite, consistent, pure, and each row on its own.

    `shape` is that of one row; `conditions` holds two conditions, or is None.
    """
    level = schedule.levels[schedule.steps // 2]
    x_t = Noise.batch(0, 2).draw(shape)
    for predict in (prior.predict, prior.predict_guided):
        before = x_t.clone()
        p = predict(x_t, level, conditions)
        _law(torch.equal(x_t, before), "a prior leaves its argument as it was")
        _law(p.x0.shape == x_t.shape == p.eps.shape, "predictions have the shape of x_t")
        _law(p.x0.dtype in (torch.float32, torch.float64), "predictions are float32 or wider")
        _close(level.a * p.x0 + level.s * p.eps, x_t, tolerance, "x_t = a x̂_0 + s ε̂")
        _close(predict(x_t, level, conditions).x0, p.x0, tolerance, "a prior is a pure function")
        for row in range(2):
            alone = predict(x_t[row : row + 1], level, conditions and conditions[row : row + 1])
            _close(alone.x0[0], p.x0[row], tolerance, "a row does not depend on the others")
    _law(prior.guided_rows >= 1, "guided_rows counts at least the row itself")


def check_method(method: Method, prior: Prior, schedule: Schedule, shape: tuple[int, ...], *, calls: int) -> None:
    """The laws of a method on a stateless prior.

    Equal seeds give equal results; sample n of a batch is that sample alone; a mask that leaves nothing to
    generate still gives a finite state; at most `calls` network calls a step.
    """
    given = Noise.batch(100, 1).draw(shape)
    mask = torch.zeros(1, *shape)
    mask[..., shape[-1] // 2 :] = 1
    counted = Counted(prior)

    def run(noise: Noise) -> Tensor:
        return sample(counted, schedule, noise=noise, x_0=given, mask=mask, method=method, reference=FixedNoise())

    batch = run(Noise.batch(7, 3))
    _law(
        counted.calls <= calls * schedule.steps,
        f"at most {calls} calls a step, not {counted.calls / schedule.steps}",
    )
    _close(run(Noise.batch(7, 3)), batch, 0.0, "equal seeds give equal samples")
    _close(run(Noise.batch(9, 1))[0], batch[2], 1e-4, "sample n of a batch is that sample alone")
    _law(bool((run(Noise.batch(8, 1))[0] != batch[0]).any()), "another seed gives another sample")
    free = sample(prior, schedule, noise=Noise.batch(7, 3), shape=shape, method=method)
    _law(bool(torch.isfinite(free).all()), "a method samples with nothing observed")


def check_sampler_limit(method: Method, prior: Prior, schedule: Schedule, shape: tuple[int, ...]) -> None:
    """The law of deterministic methods: with nothing observed they are plain DDIM."""
    noise = Noise.batch(3, 2)
    free = sample(prior, schedule, noise=noise, shape=shape, method=method)
    plain = sample(prior, schedule, noise=noise, shape=shape, method=Independent())
    _close(free, plain, 0.0, "with nothing observed a deterministic method is plain DDIM")


def check_window(window: Window, canvas: Tensor, *, tolerance: float = 0.0) -> None:
    """The lens laws on a canvas (rows, …) of random values."""
    first, second = torch.rand_like(window.read(canvas)), torch.rand_like(window.read(canvas))
    before = canvas.clone()
    written = window.write(canvas, first)
    _law(torch.equal(canvas, before), "write leaves the old canvas as it was")
    _close(window.read(written), first, tolerance, "what was written is read back")
    _close(
        window.write(canvas, window.read(canvas)),
        canvas,
        tolerance,
        "writing back what was read changes nothing",
    )
    _close(window.write(written, second), window.write(canvas, second), tolerance, "the last write wins")
    outside = coverage(window, canvas) == 0
    _close(written[outside], canvas[outside], 0.0, "nothing outside the window changes")


def _law(holds: bool, law: str) -> None:
    if not holds:
        raise AssertionError(law)


def _close(a: Tensor, b: Tensor, tolerance: float, law: str) -> None:
    worst = float((a - b).abs().max()) if a.numel() else 0.0
    _law(worst <= tolerance, f"{law}: off by {worst:.3g}, more than {tolerance:.3g}")
