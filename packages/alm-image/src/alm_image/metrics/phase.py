"""Phase congruency after Kovesi (1999), as Zhang et al. (2011) use it: where waves of all lengths agree in phase.

    P = Σ_o max(E_o − T_o, 0) / Σ_o Σ_n A_no
    E_o = Σ_n A_no (cos δ_no − |sin δ_no|)        δ: the phase's distance to the mean phase of the direction o

A_no are amplitudes of log-Gabor filters of four wavelengths n and four directions o, and T_o is what noise would give.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["phase_congruency"]

LENGTHS, DIRECTIONS = 4, 4
SHORTEST, FACTOR = 6.0, 2.0
"""The shortest wavelength in pixels, and the factor from one to the next."""
BANDWIDTH = 0.55
"""σ of a filter's logarithmic frequency, as its ratio."""
SPREAD = math.pi / DIRECTIONS / 1.2
"""σ of a filter's direction, in radians."""
CUTOFF, ORDER = 0.45, 15
"""Of the low pass that keeps the corners of the spectrum out."""
NOISE, EMPIRICAL = 2.0, 1.7
"""Standard deviations above the mean energy of noise, and what the threshold is divided by for this measure."""
TINY = 1e-4


def phase_congruency(grey: Tensor) -> Tensor:
    """In [0, 1], (n, height, width), of grey pictures (n, height, width) in levels, 0 to 255; 0 where all is flat."""
    filters = _filters(*grey.shape[-2:]).to(grey)  # (directions, lengths, height, width)
    waves = torch.fft.ifft2(torch.fft.fft2(grey)[:, None, None] * filters)
    even, odd, amplitude = waves.real, waves.imag, waves.abs()
    # The mean phase of a direction is that of its sum over lengths.
    sum_even, sum_odd = even.sum(2, keepdim=True), odd.sum(2, keepdim=True)
    length = torch.hypot(sum_even, sum_odd) + TINY
    mean_even, mean_odd = sum_even / length, sum_odd / length
    energy = even * mean_even + odd * mean_odd - (even * mean_odd - odd * mean_even).abs()
    energy = (energy.sum(2) - _threshold(amplitude[:, :, 0], filters)).clamp(min=0)
    total = amplitude.sum((1, 2))
    congruency: Tensor = energy.sum(1) / total.clamp(min=TINY)
    return congruency


def _threshold(shortest: Tensor, filters: Tensor) -> Tensor:
    """What noise gives in each direction, (n, directions, 1, 1), by the shortest waves' amplitudes."""
    # The median square of a Rayleigh distribution is log 2 of its mean.
    squared = shortest.square().flatten(2)
    middle = (squared.median(2).values - (-squared).median(2).values) / 2  # of an even number, between the two
    power = middle / math.log(2) / filters[:, 0].square().sum((1, 2))
    height, width = filters.shape[-2:]
    inverse = torch.fft.ifft2(filters).real * math.sqrt(height * width)
    squares = inverse.square().sum((1, 2, 3))
    products = (inverse.sum(1).square().sum((1, 2)) - squares) / 2
    tau = (power * (squares + 2 * products)).sqrt()
    found: Tensor = tau * (math.sqrt(math.pi / 2) + NOISE * math.sqrt(2 - math.pi / 2)) / EMPIRICAL
    return found[..., None, None]


@lru_cache(maxsize=2)
def _filters(height: int, width: int) -> Tensor:
    """Log-Gabor filters, float64 (directions, lengths, height, width), with frequency 0 in the corner.

    They are kept for the next call, and not to be changed.
    """
    y, x = torch.meshgrid(_frequencies(height), _frequencies(width), indexing="ij")
    radius, angle = torch.hypot(x, y), torch.atan2(-y, x)
    low_pass = 1 / (1 + (radius / CUTOFF) ** (2 * ORDER))
    radius[0, 0] = 1.0
    centres = 1 / (SHORTEST * FACTOR ** torch.arange(LENGTHS, dtype=torch.float64))[:, None, None]
    radial = torch.exp(-((radius / centres).log() ** 2) / (2 * math.log(BANDWIDTH) ** 2)) * low_pass
    radial[:, 0, 0] = 0.0
    directions = torch.arange(DIRECTIONS, dtype=torch.float64)[:, None, None] * math.pi / DIRECTIONS
    apart = torch.atan2(torch.sin(angle - directions), torch.cos(angle - directions))
    angular = torch.exp(-(apart**2) / (2 * SPREAD**2))
    return angular[:, None] * radial[None]


def _frequencies(size: int) -> Tensor:
    """Cycles a pixel, from −1/2 to 1/2, with 0 first; of odd sizes the ends are both in, as in Kovesi's code."""
    below = size // 2
    values = torch.arange(-below, size - below, dtype=torch.float64) / (size - size % 2)
    found: Tensor = torch.fft.ifftshift(values)
    return found
