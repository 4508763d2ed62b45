"""Joint methods: their equations by hand, and what they have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
import torch
from alm_core import Counted, Independent, Noise, Prediction, Schedule, Slice, sample
from alm_core.analytic import GaussianMixture, rbf
from alm_core.choices import FUSIONS, fusion_named
from alm_core.fuse import fuse
from alm_core.fusions import Fusion, JointStep, MultiDiffusion, Overlap, StochSync, SyncTweedies, VisualAnagrams
from alm_core.prior import Prior, ddim
from alm_core.schedule import Level
from torch import Tensor

LEVELS = (Level(3.0, 0.6, 0.8), Level(2.0, 0.8, 0.6), Level(1.0, 0.96, 0.28), Level(0.0, 1.0, 0.0))
T, S = LEVELS[:2]
Y = [0.5, -0.2, 0.9]
CANVAS = torch.tensor([Y], dtype=torch.float64)
WINDOWS = [Slice((0,), (2,)), Slice((1,), (2,))]
HALF = [torch.tensor([1.0, 0.5]), torch.tensor([0.25, 1.0])]
Z = torch.tensor([[0.3, -1.1, 0.7]], dtype=torch.float64)
BLANK = torch.zeros_like(CANVAS)
EARLIER = torch.tensor([[2.0, 3.0, 4.0]], dtype=torch.float64)


def tweedie(y: float, level: Level, number: int) -> float:
    """The x̂_0 of a network that knows which window it is asked for."""
    return (0.4 + 0.3 * number) * y + 0.1 * level.t - 0.7 * number


def predict(pieces: Mapping[int, Tensor], level: Level) -> dict[int, Prediction]:
    return {n: Prediction.from_x0(y, level, tweedie(y, level, n)) for n, y in pieces.items()}


def eps_of(y: float, level: Level, number: int) -> float:
    return (y - level.a * tweedie(y, level, number)) / level.s


def step(index: int = 0, weights: list[Tensor] | None = None, **changes: object) -> JointStep:
    overlap = Overlap.of(WINDOWS, BLANK, weights)
    at = JointStep(levels=LEVELS, index=index, overlap=overlap, predict=predict, noise=lambda k: (k + 1) * Z)
    return replace(at, **changes)


def mean(left: list[float], right: list[float], low: float = 1.0, high: float = 1.0) -> list[float]:
    """Of two windows' pieces on three places; `low` and `high` are their weights in the middle."""
    return [left[0], (low * left[1] + high * right[0]) / (low + high), right[1]]


@pytest.mark.parametrize(("weights", "low", "high"), [(None, 1.0, 1.0), (HALF, 0.5, 0.25)])
def test_multidiffusion_averages_steps_by_the_weights(weights: list[Tensor] | None, low: float, high: float) -> None:
    at = step(weights=weights)
    steps = [[S.a * tweedie(y, T, n) + S.s * eps_of(y, T, n) for y in Y[n : n + 2]] for n in (0, 1)]
    found = ddim(MultiDiffusion().join(CANVAS, at), S)
    assert found[0].tolist() == pytest.approx(mean(*steps, low, high))


@pytest.mark.parametrize(("weights", "low", "high"), [(None, 1.0, 1.0), (HALF, 0.5, 0.25)])
def test_synctweedies_averages_clean_predictions_and_steps_from_the_canvas(
    weights: list[Tensor] | None, low: float, high: float
) -> None:
    at = step(weights=weights)
    clean = mean(*[[tweedie(y, T, n) for y in Y[n : n + 2]] for n in (0, 1)], low, high)
    wanted = [S.a * c + S.s * (y - T.a * c) / T.s for c, y in zip(clean, Y, strict=True)]
    found = ddim(SyncTweedies().join(CANVAS, at), S)
    assert found[0].tolist() == pytest.approx(wanted)


def test_bootstrapping_shows_the_background_outside_the_region_in_the_first_steps_alone() -> None:
    behind = {0: None, 1: torch.tensor([[0.9, -0.4]], dtype=torch.float64)}
    seen = 0.25 * Y[1] + 0.75 * 0.9  # of window 1, where it weighs a quarter
    for index, middle in ((0, seen), (1, seen), (2, Y[1])):
        at = step(index, HALF, background=behind.get)
        left = [at.s.a * tweedie(y, at.t, 0) + at.s.s * eps_of(y, at.t, 0) for y in Y[:2]]
        right = [at.s.a * tweedie(y, at.t, 1) + at.s.s * eps_of(y, at.t, 1) for y in (middle, Y[2])]
        found = ddim(MultiDiffusion(bootstrap=2).join(CANVAS, at), at.s)
        assert found[0].tolist() == pytest.approx(mean(left, right, 0.5, 0.25))


@dataclass(frozen=True)
class Turned:
    """The canvas from its other end."""

    def read(self, canvas: Tensor) -> Tensor:
        return canvas.flip(-1)

    def write(self, canvas: Tensor, piece: Tensor) -> Tensor:
        return piece.flip(-1).expand_as(canvas)


@dataclass(frozen=True)
class Negative:
    """The canvas with its sign turned."""

    def read(self, canvas: Tensor) -> Tensor:
        return -canvas

    def write(self, canvas: Tensor, piece: Tensor) -> Tensor:
        return -piece.expand_as(canvas)


VIEWS = [Slice((0,), (3,)), Turned(), Negative()]


def test_visual_anagrams_average_the_noise_brought_back_from_each_view() -> None:
    at = step(overlap=Overlap.of(VIEWS, BLANK))
    for place, y in enumerate(Y):
        eps = (eps_of(y, T, 0) + eps_of(y, T, 1) - eps_of(-y, T, 2)) / 3
        wanted = S.a * (y - T.s * eps) / T.a + S.s * eps
        assert float(ddim(VisualAnagrams().join(CANVAS, at), S)[0, place]) == pytest.approx(wanted)


def test_alternating_views_are_asked_one_a_step_in_turn() -> None:
    asked: list[int] = []

    def counting(pieces: Mapping[int, Tensor], level: Level) -> dict[int, Prediction]:
        asked.extend(pieces)
        return predict(pieces, level)

    for index, number in ((0, 0), (1, 1), (2, 0)):
        at = step(index, overlap=Overlap.of([VIEWS[0], VIEWS[2]], BLANK), predict=counting)
        sign = (1, -1)[number]
        wanted = [sign * eps_of(sign * y, at.t, number) for y in Y]
        assert VisualAnagrams(alternate=True).join(CANVAS, at).eps[0].tolist() == pytest.approx(wanted)
    assert asked == [0, 1, 0]
    with pytest.raises(ValueError, match="each view must show the whole canvas"):
        VisualAnagrams(alternate=True).join(CANVAS, step())


@pytest.mark.parametrize("flow", [False, True])
def test_the_mean_of_visual_anagrams_is_that_of_multidiffusion(schedule: Schedule, flow: bool) -> None:
    means = torch.tensor([[1.0, -0.5, 2.0], [0.0, 1.5, -1.0]], dtype=torch.float64)
    prior = GaussianMixture(means, rbf((3,), length_scale=0.4, jitter=0.1), torch.tensor([0.7, 0.3]))
    levels = Schedule.rectified_flow(6) if flow else schedule
    found = [
        fuse(prior, levels, VIEWS, (3,), fusion=fusion, noise=Noise.batch(0, 3))
        for fusion in (VisualAnagrams(), MultiDiffusion())
    ]
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)


def test_synctweedies_is_multidiffusion_where_windows_take_places_out_of_one_canvas(
    prior: Prior, schedule: Schedule
) -> None:
    windows = [Slice((i,), (6,)) for i in (0, 4, 8)]
    weights = [torch.tensor([1.0, 1.0, 0.9, 0.6, 0.3, 0.2]), torch.full((6,), 0.7), torch.ones(1, 6)]
    options = {"noise": Noise.batch(0, 3), "weights": weights, "conditions": [(0.4,), (-0.3,), (0.1,)]}
    found = [
        fuse(prior, schedule, windows, (2, 14), fusion=fusion, **options)
        for fusion in (SyncTweedies(), MultiDiffusion())
    ]
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fusion", [MultiDiffusion(), SyncTweedies(), VisualAnagrams(), VisualAnagrams(True)])
def test_one_window_over_all_is_plain_ddim(prior: Prior, schedule: Schedule, fusion: Fusion) -> None:
    noise = Noise.batch(4, 3)
    joint = fuse(prior, schedule, [Slice((0,), (8,))], (2, 8), noise=noise, fusion=fusion, conditions=[(0.4,)])
    alone = sample(prior, schedule, shape=(2, 8), noise=noise, method=Independent(), conditions=(0.4,))
    torch.testing.assert_close(joint, alone, rtol=1e-4, atol=1e-4)


def test_stochsync_with_one_window_and_one_inner_step_is_the_stochastic_step_by_hand() -> None:
    at = step(overlap=Overlap.of([Slice((0,), (3,))], BLANK))
    found = ddim(StochSync(inner=1, stop=0.0, joint=0).join(CANVAS, at), S)
    for place, y in enumerate(Y):
        assert float(found[0, place]) == pytest.approx(S.a * tweedie(y, T, 0) + S.s * float(Z[0, place]))


def test_stochsync_takes_many_steps_to_clean_and_keeps_what_its_set_leaves_out() -> None:
    last = Prediction(EARLIER, torch.full((1, 3), 99.0))
    found = StochSync(inner=3, stop=0.0, joint=0).join(CANVAS, step(1, last=last))
    assert torch.equal(found.eps, Z)
    assert float(found.x0[0, 0]) == 2.0
    t, s = LEVELS[1:3]
    for place in (1, 2):  # the second set in turn is the second window
        between = s.a * tweedie(Y[place], t, 1) + s.s * eps_of(Y[place], t, 1)
        assert float(found.x0[0, place]) == pytest.approx(tweedie(between, s, 1))
    found = StochSync(inner=3, stop=0.0, joint=0).join(CANVAS, step(0, last=last))
    for place, y in enumerate(Y[:2]):
        for t, s in pairwise(LEVELS[:3]):
            y = s.a * tweedie(y, t, 0) + s.s * eps_of(y, t, 0)
        assert float(found.x0[0, place]) == pytest.approx(tweedie(y, LEVELS[2], 0))


def test_stochsync_first_fills_what_is_bare_and_lets_stand_what_is_made() -> None:
    found = StochSync(inner=1, stop=0.0, joint=0).join(CANVAS, step())
    wanted = [tweedie(Y[0], T, 0), tweedie(Y[1], T, 0), tweedie(Y[2], T, 1)]
    assert found.x0[0].tolist() == pytest.approx(wanted)
    ring = Overlap.of([Slice((i,), (3,), (True,)) for i in (0, 2, 4)], torch.zeros(1, 6))
    found = StochSync(inner=1, stop=0.0, joint=0).join(torch.ones(1, 6), step(overlap=ring))
    assert found.x0[0].tolist() == pytest.approx([tweedie(1.0, T, n) for n in (0, 0, 0, 1, 1, 2)])


def test_stochsync_ends_with_all_windows_averaged_and_then_rests() -> None:
    last = Prediction(EARLIER, BLANK)
    ending = StochSync(inner=1, stop=0.5, joint=1)  # visits the first two of three steps
    t = LEVELS[1]
    averaged = mean(*[[tweedie(y, t, n) for y in Y[n : n + 2]] for n in (0, 1)])
    assert ending.join(CANVAS, step(1, last=last)).x0[0].tolist() == pytest.approx(averaged)
    resting = ending.join(CANVAS, step(2, last=last))
    assert torch.equal(resting.x0, last.x0)
    assert torch.equal(resting.eps, BLANK)


def test_windows_are_parted_into_sets_that_do_not_overlap_greedily_in_their_order() -> None:
    starts = (0, 3, 4, 8, 1, 20)
    overlap = Overlap.of([Slice((i,), (4,)) for i in starts], torch.zeros(1, 24))
    assert overlap.apart == ((0, 2, 3, 5), (1,), (4,))
    over = [Slice((0,), (4,)), Slice((2,), (4,))]
    apart = [torch.tensor([1.0, 1.0, 0.0, 0.0]), torch.ones(4)]
    assert Overlap.of(over, torch.zeros(1, 6), apart).apart == ((0, 1),)
    assert Overlap.of(over, torch.zeros(1, 6)).apart == ((0,), (1,))


@pytest.mark.parametrize(
    ("fusion", "evaluations"),
    [
        (MultiDiffusion(), 3 * 12),
        (SyncTweedies(), 3 * 12),
        (VisualAnagrams(), 3 * 12),
        # Sets of 2 windows and of 1: both at first, then 1, 2 and 1 in turn. In step i a window takes ⌈(12 − i)/4⌉.
        (StochSync(inner=3, stop=0.7, joint=0), 3 * 3 + 1 * 3 + 2 * 3 + 1 * 3),
        (StochSync(inner=3, stop=0.7, joint=2), 3 * 3 + 1 * 3 + 3 * 3 + 3 * 3),
        (StochSync(inner=1, stop=0.0, joint=0), 3 + 1 + 5 * 3),
    ],
)
def test_evaluations_are_as_many_as_stated(prior: Prior, schedule: Schedule, fusion: Fusion, evaluations: int) -> None:
    counted = Counted(prior)
    fuse(counted, schedule, [Slice((i,), (6,)) for i in (0, 4, 8)], (2, 14), noise=Noise.batch(0, 2), fusion=fusion)
    assert counted.rows == evaluations * 2 * prior.guided_rows


def test_stochsync_draws_new_noise_at_each_level_from_the_seed(prior: Prior, schedule: Schedule) -> None:
    windows = [Slice((0,), (6,)), Slice((4,), (6,))]
    found = [
        fuse(prior, schedule, windows, (2, 10), noise=Noise.batch(seed, 1), fusion=StochSync(4)) for seed in (3, 3, 4)
    ]
    assert torch.equal(found[0], found[1])
    assert not torch.allclose(found[0], found[2])


@pytest.mark.parametrize(
    ("fusion", "options"),
    [(MultiDiffusion, {"bootstrap": -1}), (StochSync, {"inner": 0}), (StochSync, {"stop": 1.5})],
)
def test_options_out_of_range_are_refused(fusion: type[Fusion], options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be|must lie"):
        fusion(**options)


def test_every_joint_method_has_a_name_and_wrong_ones_are_refused() -> None:
    ours = {fusion for fusion in Fusion.__subclasses__() if fusion.__module__.startswith("alm_core.fusions.")}
    assert set(FUSIONS.values()) == ours
    assert fusion_named("stochsync", inner=5, stop=None) == StochSync(inner=5)
    assert fusion_named("visual-anagrams", alternate=True) == VisualAnagrams(alternate=True)
    with pytest.raises(ValueError, match="unknown joint method 'average': wanted one of multidiffusion, synctweedies"):
        fusion_named("average")
    with pytest.raises(ValueError, match="'synctweedies' has no option 'inner'; it has none"):
        fusion_named("synctweedies", inner=3)
