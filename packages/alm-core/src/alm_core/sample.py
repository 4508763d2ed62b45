"""One window, from t_T to t_0."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from alm_core.methods import ALM, Method, Observed, Step
from alm_core.noise import Noise
from alm_core.prior import Conditions, Prediction, Prior, rows_of, stack
from alm_core.reference import FixedNoise, FreshNoise, Reference, Trajectory
from alm_core.schedule import Level, Schedule

__all__ = ["NotFiniteError", "Progress", "sample", "suited_reference"]

INITIAL, REFERENCE, METHOD = 0, 1, 2
"""Keys of the independent sources of noise of one sample."""
PARTICLE = 4
"""The key of the particles' own sources, and of the choice of one of them; 3 is the windows'."""


class NotFiniteError(ArithmeticError):
    """The state became NaN or infinite: the network's fault, or a dtype too narrow for it."""


@dataclass(frozen=True)
class Progress:
    """What a callback is told after each step: `index` of `count` are done.

    `y()` is the state there and `x0()` the x̂_0 that the step went by, put together when asked for. `pieces` are the
    states of the windows that took the step, each as its method left it: y itself where there are none. Of a method's
    particles they show the first.
    """

    index: int
    count: int
    y: Callable[[], Tensor]
    x0: Callable[[], Tensor]
    pieces: tuple[Tensor, ...]


def sample(
    prior: Prior,
    schedule: Schedule,
    *,
    noise: Noise,
    shape: tuple[int, ...] | None = None,
    x_0: Tensor | None = None,
    mask: Tensor | None = None,
    method: Method | None = None,
    reference: Reference | None = None,
    conditions: Conditions = None,
    on_step: Callable[[Progress], None] | None = None,
) -> Tensor:
    """Samples y_0 given the observed part of x_0, float32 of shape (rows, …), one row a seed of `noise`.

    `x_0` (rows or 1, …) and `mask`, broadcastable to it, above 0 where to be generated, come together (what stands in
    the hole is not read, a soft mask is taken whole); without them `shape` is
    that of one sample and the method runs unconditionally. The result is not blended: the observed part is as the
    method left it. `method` defaults to `ALM()`, `reference` to fixed noise, fresh for stochastic methods.
    `conditions` is one for all rows or one a row. A method of K particles has K rows a sample in each network call; one
    of them, at random, is the result.

    Raises ValueError when x_0, mask and shape do not fit, `NotFiniteError` with the step's number when the state
    becomes NaN or infinite.
    """
    rows = len(noise.seeds)
    if (x_0 is None) != (mask is None) or (x_0 is None) == (shape is None):
        raise ValueError("give x_0 and mask together, or shape alone")
    if x_0 is not None and mask is not None:
        x_0, mask = given_part(x_0, mask, rows)
        shape = tuple(x_0.shape[1:])
    assert shape is not None
    method = method or ALM()
    reference = reference or suited_reference(method, FixedNoise())
    conditions = rows_of(conditions, rows)
    count = method.particles if x_0 is not None else 1
    particles = noise
    if count > 1 and x_0 is not None and mask is not None:
        particles = Noise.join([noise.child(PARTICLE, k) for k in range(count)])
        conditions = conditions and conditions * count
        if len(x_0) > 1:
            x_0, mask = stack(*[x_0] * count), stack(*[mask] * count)
    run = Run(prior, schedule, method, conditions, particles, shape)
    with torch.no_grad():
        trajectory = None
        if x_0 is not None and mask is not None:
            trajectory = run.trajectory(x_0, mask, reference)
        y = particles.draw(shape, INITIAL)
        for index in range(schedule.steps):
            observed = Observed(mask, partial(trajectory, index), x_0) if trajectory and mask is not None else None
            y, x0 = run.step(y, index, observed)
            if on_step:
                first, expected = y[:rows], x0[:rows]
                on_step(Progress(index + 1, schedule.steps, partial(_same, first), partial(_same, expected), (first,)))
        return y if count == 1 else _one_of(y, count, noise)


@dataclass(frozen=True)
class Run:
    """What stays the same while one batch of rows is sampled: it makes each `Step` and takes it."""

    prior: Prior
    schedule: Schedule
    method: Method
    conditions: Conditions
    noise: Noise
    shape: tuple[int, ...]

    def step(self, y_t: Tensor, index: int, observed: Observed | None) -> tuple[Tensor, Tensor]:
        """Returns y_s of step `index` and the x̂_0 of its last guided prediction; raises `NotFiniteError`."""
        t, s = self.schedule.levels[index : index + 2]
        draws = self.noise.child(METHOD)
        last: list[Tensor] = []

        def predict_guided(x: Tensor) -> Prediction:
            prediction = self.prior.predict_guided(x, t, self.conditions)
            last[:] = [prediction.x0]
            return prediction

        at = Step(
            t=t,
            s=s,
            index=index,
            count=self.schedule.steps,
            time=t.t / (self.schedule.levels[0].t or 1.0),
            flow=self.schedule.flow,
            predict=lambda *xs: self.predict(t, *xs),
            predict_guided=predict_guided,
            noise=lambda k: draws.draw(self.shape, index, k),
            observed=observed,
        )
        y_s = self.method.step(y_t, at)
        check_finite(y_s, index + 1, self.schedule.steps)
        return y_s, last[0].detach() if last else y_s

    def predict(self, level: Level, *xs: Tensor) -> tuple[Prediction, ...]:
        """The predictions of several batches of all rows, from one network call."""
        conditions = None if self.conditions is None else self.conditions * len(xs)
        p = self.prior.predict(stack(*xs), level, conditions)
        return tuple(Prediction(*pair) for pair in zip(p.x0.chunk(len(xs)), p.eps.chunk(len(xs)), strict=True))

    def trajectory(self, x_0: Tensor, mask: Tensor, reference: Reference) -> Trajectory:
        """X_t of the given part at each level, by the reference; one row of it where all rows would be equal."""
        conditions = self.conditions
        if len(x_0) == 1 and conditions is not None:
            if all(c is conditions[0] for c in conditions):
                conditions = conditions[:1]
            else:
                x_0, mask = (x.expand(len(conditions), *x.shape[1:]) for x in (x_0, mask))

        def predict(x: Tensor, level: Level) -> Prediction:
            return self.prior.predict(x, level, conditions)

        return reference.start(x_0, mask, self.schedule, predict, self.noise.child(REFERENCE))


def given_part(x_0: Tensor, mask: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """x_0 (1 or rows, …), 0 in its hole whatever stood there, and M of its shape: 1 wherever the mask is above 0.

    Raises ValueError when the sizes do not fit.
    """
    try:
        hole = mask.to(x_0.device) > 0
        x_0 = torch.where(hole, 0.0, x_0.float())
    except RuntimeError:
        sizes = f"{tuple(mask.shape)} for {tuple(x_0.shape)}"
        raise ValueError(f"the mask must be broadcastable to x_0: got {sizes}") from None
    if len(x_0) not in (1, rows):
        raise ValueError(f"x_0 must have one row, or one for each of {rows} seeds: got {len(x_0)}")
    return x_0, hole.float().expand_as(x_0)


def check_finite(y: Tensor, done: int, steps: int) -> None:
    """Raises `NotFiniteError` where the state after step `done` is NaN or infinite."""
    if not bool(torch.isfinite(y).all()):
        raise NotFiniteError(
            f"step {done} of {steps} gave NaN or infinity; if the model runs in float16, try bfloat16 or float32"
        )


def suited_reference(method: Method, otherwise: Reference) -> Reference:
    """The reference for a method where the caller names none: fresh noise where its theory draws X_t anew."""
    return FreshNoise() if method.fresh_noise else otherwise


def _one_of(y: Tensor, count: int, noise: Noise) -> Tensor:
    """One particle of each sample, each of `count` as likely."""
    u = torch.special.ndtr(noise.draw((1,), PARTICLE).double()).flatten()
    chosen = (u * count).long().clamp(max=count - 1)
    return y[chosen * len(u) + torch.arange(len(u), device=u.device)]


def _same(y: Tensor) -> Tensor:
    return y
