"""Shared by the tests of the core: a correlated Gaussian whose ε is exact, and small schedules."""

import pytest
import torch
from alm_core import Conditions, Level, Prediction, Schedule
from alm_core.schedule import scaled_linear
from torch import Tensor


class Coupled:
    """N(0, C) over rows of any shape, C = c + (1 − c) I over all entries: the parts of a sample depend on each other.

    A condition is a number that shifts the mean. `guided_rows` is 2, as with classifier-free guidance.
    """

    guided_rows = 2

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        return self._predict(x_t, level, conditions, 1.0)

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        return self._predict(x_t, level, conditions, 1.5)

    def _predict(self, x_t: Tensor, level: Level, conditions: Conditions, guidance: float) -> Prediction:
        dims = tuple(range(1, x_t.ndim))
        shift = torch.zeros(len(x_t)) if conditions is None else torch.tensor([float(str(c)) for c in conditions])
        x = x_t - level.a * guidance * shift.view(-1, *[1] * len(dims))
        n, c = x[0].numel(), 0.6
        along = level.a**2 * (c * n + 1 - c) + level.s**2
        across = level.a**2 * (1 - c) + level.s**2
        mean = x.mean(dims, keepdim=True)
        return Prediction.from_eps(x_t, level, level.s * (mean / along + (x - mean) / across))


@pytest.fixture
def prior() -> Coupled:
    return Coupled()


@pytest.fixture
def schedule() -> Schedule:
    return Schedule.leading(scaled_linear(), 12)
