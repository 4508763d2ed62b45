"""Measures, against closed forms."""

import math

import pytest
import torch
from alm_core import Noise
from alm_core.metrics import boundary_jump, energy_distance, log_density_gap, seam_contrast


def test_energy_distance_of_three_points_by_hand() -> None:
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [5.0]])
    # 2 · mean(2, 5, 1, 4) − 1 − 3
    assert energy_distance(x, y) == pytest.approx(2 * 3.0 - 1 - 3)


def test_energy_distance_of_two_normals_is_the_closed_form() -> None:
    """E|X − Y| of N(μ, 2) is √2 · √2/√π e^{−μ²/4} + μ erf(μ/2)."""
    x = Noise.batch(0, 3000).draw((1,))
    y = Noise.batch(5000, 3000).draw((1,)) + 0.8
    mu = 0.8
    between = 2 / math.sqrt(math.pi) * math.exp(-(mu**2) / 4) + mu * math.erf(mu / 2)
    assert energy_distance(x, y) == pytest.approx(2 * (between - 2 / math.sqrt(math.pi)), abs=0.03)


def test_energy_distance_is_unbiased_between_equal_distributions() -> None:
    draws = Noise.batch(0, 160).draw((100, 3)).view(10, 2, 8, 100, 3)
    found = [energy_distance(x[:, k], y[:, k]) for x, y in draws for k in range(100)]
    deviation = float(torch.tensor(found).std()) / math.sqrt(len(found))
    assert abs(sum(found) / len(found)) < 3 * deviation
    assert min(found) < 0 < max(found)


def test_energy_distance_wants_two_rows() -> None:
    with pytest.raises(ValueError, match="two rows"):
        energy_distance(torch.zeros(1, 2), torch.zeros(3, 2))


def test_the_gap_is_positive_where_results_are_less_likely() -> None:
    assert log_density_gap(torch.tensor([3.0, 5.0]), torch.tensor([1.0, 2.0, 3.0])) == pytest.approx(2.0)


def test_boundary_jump_by_hand_on_a_line() -> None:
    x = torch.tensor([[0.0, 1.0, 4.0, 4.0, 7.0], [1.0, 1.0, 0.0, 2.0, 1.0]])
    mask = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.0])
    # Across: 1 → 4, 4 → 7, 1 → 0, 2 → 1. Both given: 0 → 1, 1 → 1.
    assert boundary_jump(x, mask) == pytest.approx(math.sqrt((9 + 9 + 1 + 1) / 4))
    assert seam_contrast(x, mask) == pytest.approx(math.sqrt(20 / 4) / math.sqrt(1 / 2))


def test_boundary_jump_looks_along_every_axis_of_the_mask() -> None:
    x = torch.tensor([[[[0.0, 2.0], [3.0, 7.0]]]])
    mask = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    assert boundary_jump(x, mask) == pytest.approx(math.sqrt((5**2 + 4**2) / 2))
    assert seam_contrast(x, mask) == pytest.approx(math.sqrt((25 + 16) / 2) / math.sqrt((4 + 9) / 2))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_mask_without_a_boundary_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="something given and something to generate"):
        boundary_jump(torch.zeros(1, 4), torch.full((4,), value))
