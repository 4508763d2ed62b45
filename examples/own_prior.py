"""A prior of your own, checked by the laws and used by a method: `./run python examples/own_prior.py`.

A prior is any object that predicts the clean sample and the noise. This one knows that the numbers of a sample are
nearly equal; given six, ALM finds the other two.
"""

import torch
from alm_core import ALM, Conditions, FixedNoise, Level, Noise, Prediction, Schedule, sample
from alm_core.schedule import scaled_linear
from alm_core.testing import check_prior
from torch import Tensor


class NearlyEqual:
    """N(0, C) with C = 1 on all entries and 0.01 more on the diagonal."""

    guided_rows = 1

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """ε̂ = s (a² C + s² I)⁻¹ x_t: along the mean and across it."""
        mean = x_t.mean(1, keepdim=True)
        along = level.a**2 * (x_t.shape[1] + 0.01) + level.s**2
        across = level.a**2 * 0.01 + level.s**2
        return Prediction.from_eps(x_t, level, level.s * (mean / along + (x_t - mean) / across))

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """As `predict`: there is nothing to guide by."""
        return self.predict(x_t, level, conditions)


def main() -> None:
    """Prints what was given and what was found."""
    prior, schedule = NearlyEqual(), Schedule.leading(scaled_linear(), 50)
    check_prior(prior, schedule, (8,))
    given = torch.tensor([[0.9, 1.0, 1.1, 0.0, 0.0, 1.0, 0.9, 1.1]])
    mask = torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]])
    y = sample(prior, schedule, noise=Noise.batch(0, 1), x_0=given, mask=mask, method=ALM(), reference=FixedNoise())
    print("given", given[0].tolist())
    print("found", [round(v, 2) for v in y[0, 3:5].tolist()])


if __name__ == "__main__":
    main()
