"""Eq. 29–31 of ALM, recomputed level by level from the equations."""

from itertools import pairwise

import pytest
import torch
from alm_core import ALM, FixedNoise, FreshNoise, Noise, Prior, Schedule, SyncSDE, sample
from alm_core.analytic import GaussianMixture, rbf
from alm_core.diagnostics import boundary_noise, delta_norms, dilate, mask_deviation
from alm_core.schedule import sigma
from torch import Tensor

EXACT = GaussianMixture(torch.zeros(1, 1, 5, 6), rbf((1, 5, 6), length_scale=0.5, jitter=0.01), torch.ones(1))
NOISE = Noise.batch(3, 2)
GIVEN = Noise.batch(40, 1).draw((1, 5, 6))
MASK = torch.zeros(1, 1, 5, 6)
MASK[..., 1:4, 2:4] = 1


def states(schedule: Schedule, method: ALM | SyncSDE) -> list[Tensor]:
    """Y_t at every level."""
    found = [NOISE.draw((1, 5, 6), 0)]
    sample(EXACT, schedule, noise=NOISE, x_0=GIVEN, mask=MASK, method=method, on_step=lambda p: found.append(p.y()))
    return found


def x_at(schedule: Schedule, index: int) -> Tensor:
    z = FixedNoise().start(torch.zeros(2, 1, 5, 6), MASK, Schedule.rectified_flow(1), lambda *a: None, NOISE.child(1))  # type: ignore[arg-type, return-value]
    level = schedule.levels[index]
    return level.a * GIVEN + level.s * z(0, 0)


def test_mask_deviation_is_equation_29_at_every_level(schedule: Schedule) -> None:
    wider = dilate(MASK)
    found = mask_deviation(
        EXACT, schedule, noise=NOISE, x_0=GIVEN, mask=MASK, perturbed=wider, method=SyncSDE(), reference=FixedNoise()
    )
    assert len(found) == schedule.steps
    for index, y in enumerate(states(schedule, SyncSDE())[:-1]):
        x, level = x_at(schedule, index), schedule.levels[index]
        score = [-EXACT.predict(x * (1 - m) + y * m, level).eps / level.s for m in (MASK, wider)]
        ratios = [float((score[1][n] - score[0][n]).norm() / score[0][n].norm()) for n in range(2)]
        assert found[index] == pytest.approx(sum(ratios) / 2, rel=1e-4)


def test_an_unchanged_mask_deviates_by_nothing(schedule: Schedule) -> None:
    found = mask_deviation(EXACT, schedule, noise=NOISE, x_0=GIVEN, mask=MASK, perturbed=MASK, reference=FreshNoise())
    assert found == [0.0] * schedule.steps


def test_delta_norms_are_equations_30_and_31_at_every_level(schedule: Schedule) -> None:
    method = ALM(w1=0.8, w2=0.1, iterations=3)
    found = delta_norms(EXACT, schedule, noise=NOISE, x_0=GIVEN, mask=MASK, method=method)
    assert len(found) == schedule.steps
    for index, y in enumerate(states(schedule, method)[:-1]):
        x, (t, s) = x_at(schedule, index), schedule.levels[index : index + 2]
        deltas = []
        for _ in range(3):
            of_y = EXACT.predict(y, t).eps
            of_e = EXACT.predict(x * (1 - MASK) + y * MASK, t).eps
            deltas.append(MASK * sigma(t, s) / 3 * (0.8 * (of_y - of_e) - 0.1 * of_e))
            y = y + deltas[-1]
        norms = [float(d[n].norm()) for d in deltas for n in range(2)]
        steps = [float((b[n] - a[n]).norm()) for a, b in pairwise(deltas) for n in range(2)]
        assert found[index].mean == pytest.approx(sum(norms) / 6, rel=1e-4, abs=1e-9)
        assert found[index].difference == pytest.approx(sum(steps) / 4, rel=1e-3, abs=1e-6)


def test_moves_hardly_change_from_one_to_the_next(schedule: Schedule) -> None:
    """What the paper's acceleration rests on, seen where the score is exact."""
    found = delta_norms(EXACT, schedule, noise=NOISE, x_0=GIVEN, mask=MASK, method=ALM(iterations=20))
    assert all(at.difference <= 0.1 * at.mean for at in found)


def test_one_iteration_has_no_difference(prior: Prior, schedule: Schedule) -> None:
    with pytest.raises(ValueError, match="iterations=500"):
        delta_norms(prior, schedule, noise=NOISE, x_0=GIVEN, mask=MASK, method=ALM())


def test_dilate_grows_the_hole_along_the_last_axes_alone() -> None:
    mask = torch.zeros(2, 1, 4, 6)
    mask[0, 0, 1, 2] = 1
    grown = torch.zeros(2, 1, 4, 6)
    grown[0, 0, 0:3, 1:4] = 1
    assert torch.equal(dilate(mask), grown)
    line = torch.zeros(2, 1, 4, 6)
    line[0, 0, 1, 0:5] = 1
    assert torch.equal(dilate(mask, radius=2, axes=1), line)
    with pytest.raises(ValueError, match="radius must be 1"):
        dilate(mask, radius=0)


def test_boundary_noise_changes_the_edge_alone() -> None:
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 2:7, 2:7] = 1
    found = boundary_noise(mask, noise=NOISE, strength=0.3)
    edge = torch.zeros(8, 8)
    edge[1:8, 1:8] = 1
    edge[3:6, 3:6] = 0
    z = NOISE.draw((1, 8, 8))
    torch.testing.assert_close(found, (mask + 0.3 * edge * z).clamp(0, 1))
    assert found.shape == (2, 1, 8, 8)
