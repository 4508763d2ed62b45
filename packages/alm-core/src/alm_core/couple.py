"""Trajectories over one canvas, each drawn to what the earlier ones hold: SyncSDE's regional prompts and edits.

Trajectory j observes, with the precision P_j, the states *before* the step of earlier ones at the same level:

    X̃^j = Σ_k W_jk ⊙ Y^k / Σ_k W_jk,   P_j = Σ_k W_jk,   k < j        (Eq. 8–11, of which W is the mask M or 1 − M)

so that all take each step together: a triangular dependency, as between the windows of `extend`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from alm_core.methods import ALM, Method, Observed
from alm_core.noise import Noise
from alm_core.prior import Conditions, Prior, rows_of
from alm_core.reference import FixedNoise, Reference, Trajectory
from alm_core.sample import INITIAL, Progress, Run
from alm_core.schedule import Schedule

__all__ = ["Strand", "couple"]

STRAND = 4
"""The key of the trajectories' own sources of noise."""
TOLERANCE = 1e-4
"""By which maps, as of soft masks, may sum to more than 1."""


@dataclass(frozen=True)
class Strand:
    """One trajectory: sampled, or with `given` (1 or rows, …) the given sample at every level, by `reference`.

    `follows` says which earlier trajectories it is drawn to and where: their number, and a map W in [0, 1]
    broadcastable to the canvas; where the maps sum to 0 it is free. `start` is the number of an earlier given
    trajectory whose noisiest state it begins from, None for noise of its own. `conditions` is one for all rows or one
    a row.
    """

    conditions: Conditions = None
    follows: Mapping[int, Tensor] = field(default_factory=dict)
    given: Tensor | None = None
    reference: Reference = field(default_factory=FixedNoise)
    start: int | None = None


def couple(
    prior: Prior,
    schedule: Schedule,
    strands: Sequence[Strand],
    shape: tuple[int, ...],
    *,
    noise: Noise,
    method: Method | None = None,
    together: int | None = None,
    on_step: Callable[[Progress], None] | None = None,
) -> list[Tensor]:
    """Returns y_0 of every trajectory, each float32 (rows, *shape); the last is the one that all others serve.

    A network call has at most `together` trajectories (None: all that can share one). `on_step` is told of the last
    trajectory. Methods that need the clean observed part cannot run, as the earlier trajectories are still being made.

    Raises ValueError when a trajectory follows or starts from one that does not come before it, when maps leave [0, 1]
    or sum to more than 1, and as `sample` does.
    """
    rows = len(noise.seeds)
    if not strands:
        raise ValueError("one trajectory or more is wanted, got none")
    with torch.no_grad():
        own = [noise.child(STRAND, j) for j in range(len(strands))]
        pulls = [_pull(strands, j, shape, noise.device) for j in range(len(strands))]
        told = [rows_of(strand.conditions, rows) for strand in strands]
        given = [_given(prior, schedule, *each, shape) for each in zip(strands, own, told, strict=True)]
        states = [_start(j, strands, given, own, shape) for j in range(len(strands))]
        sampled = [j for j, trajectory in enumerate(given) if trajectory is None]
        size = together or len(strands)
        kinds = ([j for j in sampled if pulls[j] is None], [j for j in sampled if pulls[j] is not None])
        groups = [kind[n : n + size] for kind in kinds for n in range(0, len(kind), size)]
        for index in range(schedule.steps):
            after = [y if x_t is None else x_t(index + 1, 0) for y, x_t in zip(states, given, strict=True)]
            expected = after[-1]
            for group in groups:
                conditions = None if told[group[0]] is None else tuple(c for j in group for c in told[j] or ())
                run = Run(prior, schedule, method or ALM(), conditions, Noise.join([own[j] for j in group]), shape)
                seen = [pull for j in group if (pull := pulls[j]) is not None]
                y_s, x0 = run.step(torch.cat([states[j] for j in group]), index, _observed(seen, states, rows))
                for j, y, x in zip(group, y_s.chunk(len(group)), x0.chunk(len(group)), strict=True):
                    after[j] = y
                    expected = x if j == len(strands) - 1 else expected
            states = [y.expand(rows, *shape) for y in after]
            if on_step:
                last = states[-1]
                on_step(Progress(index + 1, schedule.steps, last.clone, expected.clone, (last,)))
        return states


@dataclass(frozen=True)
class _Pull:
    """What one trajectory is drawn to: maps W_k of earlier ones, and P, their sum, both of one row of the canvas."""

    maps: Mapping[int, Tensor]
    precision: Tensor

    def x_t(self, states: Sequence[Tensor]) -> Tensor:
        """X̃ of the states before the step; 0 where the precision is."""
        total = sum((w * states[k] for k, w in self.maps.items()), torch.zeros_like(states[0]))
        return total / torch.where(self.precision > 0, self.precision, 1.0)


def _observed(pulls: Sequence[_Pull], states: Sequence[Tensor], rows: int) -> Observed | None:
    """The batch of what trajectories of one group observe; None for those that observe nothing."""
    if not pulls:
        return None
    mask = torch.cat([(1 - p.precision).expand(rows, *p.precision.shape[1:]) for p in pulls])
    x_t = torch.cat([p.x_t(states) for p in pulls])
    return Observed(mask, lambda draw: x_t)


def _pull(strands: Sequence[Strand], j: int, shape: tuple[int, ...], device: torch.device | str) -> _Pull | None:
    """The maps of trajectory j, checked; None where it follows nothing."""
    if strands[j].given is not None and (strands[j].follows or strands[j].start is not None):
        raise ValueError(
            f"trajectory {j} is given, so it follows and starts from no other: leave follows and start out"
        )
    maps = {}
    for k, weight in strands[j].follows.items():
        if not 0 <= k < j:
            raise ValueError(f"trajectory {j} can only follow earlier ones, 0 to {j - 1}: got {k}")
        maps[k] = weight.to(device, torch.float32).expand(1, *shape)
    if not maps:
        return None
    precision = sum(maps.values(), torch.zeros(1, *shape, device=device))
    low = min(float(w.min()) for w in maps.values())
    if low < 0 or float(precision.max()) > 1 + TOLERANCE:
        raise ValueError(
            f"the maps of trajectory {j} must be 0 or more and sum to at most 1: got from {low:g} to a sum of "
            f"{float(precision.max()):g}"
        )
    return _Pull(maps, precision.clamp(max=1)) if bool((precision > 0).any()) else None


def _given(
    prior: Prior, schedule: Schedule, strand: Strand, noise: Noise, conditions: Conditions, shape: tuple[int, ...]
) -> Trajectory | None:
    """X_t of a given sample by its reference; None for a trajectory that is sampled."""
    if strand.given is None:
        return None
    if len(strand.given) not in (1, len(noise.seeds)) or tuple(strand.given.shape[1:]) != shape:
        raise ValueError(f"a given sample must be (1 or {len(noise.seeds)}, *{shape}): got {tuple(strand.given.shape)}")
    run = Run(prior, schedule, ALM(), conditions, noise, shape)
    return run.trajectory(strand.given.float(), torch.zeros_like(strand.given), strand.reference)


def _start(
    j: int, strands: Sequence[Strand], given: Sequence[Trajectory | None], own: Sequence[Noise], shape: tuple[int, ...]
) -> Tensor:
    """Y_T of trajectory j."""
    start = strands[j].start
    if start is not None and (not 0 <= start < j or given[start] is None):
        raise ValueError(f"trajectory {j} can only start from an earlier given one: got {start}")
    of = given[j] if start is None else given[start]
    first = own[j].draw(shape, INITIAL) if of is None else of(0, 0)
    return first.expand(len(own[j].seeds), *shape)
