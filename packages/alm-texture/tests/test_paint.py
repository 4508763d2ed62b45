"""Painting: what is given stays, the rest is made from it, and a job goes on where it stopped."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from alm_core import (
    ALM,
    FixedNoise,
    Independent,
    Inversion,
    Level,
    Noise,
    NotFiniteError,
    Prediction,
    Prior,
    Replacement,
    SyncSDE,
)
from alm_core.fusions import Fusion, MultiDiffusion, StochSync, SyncTweedies
from alm_core.schedule import Schedule, scaled_linear
from alm_texture import canvas
from alm_texture.atlas import shade
from alm_texture.bake import Fit, Kept, Picture, Solver, Splatting, bake
from alm_texture.camera import Camera, paper_views
from alm_texture.canvas import canvas_of
from alm_texture.fill import fill_gutters
from alm_texture.keep import keep, transfer
from alm_texture.mesh import Mesh
from alm_texture.metrics import view_agreement
from alm_texture.paint import paint
from alm_texture.priors import Defaults, View, load_prior
from alm_texture.priors.exemplar import Exemplar
from alm_texture.render import render
from alm_texture.scene import Scene
from alm_texture.unwrap import unwrap
from shapes import uv_sphere, waves
from torch import Tensor

paint_module = import_module("alm_texture.paint")
EXAMPLE = torch.rand(3, 24, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1
QUICK = {"size": 32, "steps": 4, "texture_size": 64, "solver": Splatting()}


class Smooth:
    """A latent prior in closed form: x_0 ~ N(μ, I) in every cell, μ a colour, pixels four to a cell; no network.

    `calls` counts predictions and `fail_at` interrupts; `nan` breaks the decoder.
    """

    device, size, factor, multiple, guided_rows, identity = torch.device("cpu"), 64, 2, 2, 1, "smooth"
    shared = True
    defaults = Defaults(6, ALM(), FixedNoise())

    def __init__(self, *, lockstep: bool = True, fail_at: int | None = None, nan: bool = False) -> None:
        self.lockstep, self.fail_at, self.nan, self.calls = lockstep, fail_at, nan, 0
        self.seen: list[tuple[str, str, int]] = []

    def predict(self, x_t: Tensor, level: Level, conditions: object) -> Prediction:
        self.calls += 1
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        mean = torch.tensor([0.5, -0.25, 0.1]).view(1, 3, 1, 1)
        return Prediction.from_eps(x_t, level, level.s * (x_t - level.a * mean))

    predict_guided = predict

    def given(self, x_0: Tensor, mask: Tensor, outside: Tensor) -> "Smooth":
        return self

    def schedule(self, steps: int) -> Schedule:
        return Schedule.leading(scaled_linear(), steps)

    def encode(self, pixels: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(pixels, 2)

    def decode(self, state: Tensor) -> Tensor:
        return torch.nn.functional.interpolate(state * (float("nan") if self.nan else 1), scale_factor=2)

    def condition(self, prompt: str, negative_prompt: str, view: View) -> object:
        self.seen.append((prompt, negative_prompt, view.index))
        return None

    def backdrop(self, view: View, seed: int) -> Tensor:
        return torch.full((1, 3, view.fragments.height, view.fragments.width), 0.75)


@pytest.fixture(autouse=True)
def small_canvas(monkeypatch: pytest.MonkeyPatch) -> None:
    """An auxiliary texture that suits views of 32 cells."""
    monkeypatch.setattr(canvas, "AUXILIARY", 256)


@pytest.fixture(scope="module")
def exemplar() -> Exemplar:
    return Exemplar((EXAMPLE,))


def kept_of(size: int, rows: slice) -> Kept:
    """A random texture of which some rows stay."""
    texture = np.random.default_rng(1).integers(0, 256, (size, size, 3), np.uint8)
    mask = np.ones((size, size), np.float32)
    mask[rows] = 0
    return keep([texture], [mask])


def test_a_mesh_is_painted_from_an_example_and_every_texel_is_filled(exemplar: Exemplar) -> None:
    told: list[tuple[int, int]] = []
    result = paint(uv_sphere(), prior=exemplar, on_step=lambda *at: told.append(at), **QUICK)
    assert [t.shape for t in result.textures] == [(64, 64, 3)]
    assert len(result.views) == 10
    assert 0.9 < result.coverage <= 1
    assert told[-1] == (40, 40)
    assert told == sorted(told)
    # Colours are those of the example: nothing black from what no view saw, nothing of the backdrop.
    assert np.isfinite(result.baked.values).all()
    low, high = (EXAMPLE.amin() + 1) / 2, (EXAMPLE.amax() + 1) / 2
    assert result.baked.values.min() > float(low) - 0.1
    assert result.baked.values.max() < float(high) + 0.1


def test_equal_seeds_give_equal_textures_and_other_seeds_others(exemplar: Exemplar) -> None:
    first, again, other = (paint(uv_sphere(), prior=exemplar, seed=s, **QUICK).textures[0] for s in (4, 4, 5))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("lockstep", [True, False])
def test_kept_texels_come_out_as_they_went_in(lockstep: bool) -> None:
    kept = kept_of(64, slice(0, 40))
    result = paint(uv_sphere(), prior=Smooth(), keep=kept, **{**QUICK, "size": 64}, lockstep=lockstep)
    stays = kept.texels.reshape(64, 64)
    before = np.rint(kept.values.reshape(64, 64, 3) * 255).astype(np.uint8)
    assert np.array_equal(result.textures[0][stays], before[stays])
    assert not np.array_equal(result.textures[0][~stays], before[~stays])


def test_what_is_kept_and_the_backdrop_are_given_and_only_the_rest_is_made() -> None:
    scene, prior, cameras = Scene(uv_sphere()), Smooth(), paper_views()
    kept = kept_of(64, slice(0, 30))
    made = canvas_of(scene, prior, cameras, 64, 3, kept, 64)
    for window, outside, view in zip(made.windows, made.outside, made.views, strict=True):
        hole, x_0 = window.read(made.mask), window.read(made.x_0)
        assert bool((hole * outside == 0).all())
        # The backdrop, encoded: two cells in from any silhouette it is the colour itself.
        deep = torch.nn.functional.max_pool2d(1 - outside, 5, 1, 2) == 0
        assert torch.allclose(x_0[:, :1][deep], torch.tensor(0.75))
        # A cell is made where any of its pixels reads a texel that is to be made.
        uv = np.einsum("nk,nkd->nd", view.fragments.bary, scene.mesh.uv[view.fragments.face])
        inside = 1 - uv[:, 1] > 32 / 64
        pixel = view.fragments.pixel[inside]
        cell = pixel // 64 // 2 * 32 + pixel % 64 // 2
        shows = (1 - outside).flatten()[cell] > 0
        assert bool((hole[0, 0].flatten()[cell][shows] == 1).all())


def test_later_views_are_given_what_earlier_ones_made() -> None:
    scene, cameras = Scene(uv_sphere()), [Camera.orbit(0, 0), Camera.orbit(30, 0)]
    made = canvas_of(scene, Smooth(), cameras, 64, 0, None, 64)
    apart = {}
    for name, method in (("replacement", Replacement()), ("independent", Independent())):
        settings = {**QUICK, "size": 64, "steps": 20, "cameras": cameras, "lockstep": False}
        first, second = paint(scene.mesh, prior=Smooth(), method=method, **settings).states
        stood = made.windows[0].read(made.mask) * made.windows[0].stands
        x_0 = made.windows[0].write(made.x_0, torch.where(stood > 0, first, made.windows[0].read(made.x_0)))
        left = made.windows[0].write(made.mask, made.windows[0].read(made.mask) - stood)
        known = (made.windows[1].read(left) == 0) & (made.outside[1] == 0)
        assert int(known.sum()) > 300
        apart[name] = float((second - made.windows[1].read(x_0))[known].abs().mean())
    assert apart["replacement"] < 0.1 * apart["independent"]


def test_what_a_later_view_sees_better_is_left_to_it_and_not_baked() -> None:
    result = paint(uv_sphere(), prior=Smooth(), lockstep=False, **{**QUICK, "size": 64})
    left = [1 - worth for worth in result.worth if worth is not None]
    assert len(left) == 10
    assert float(left[0].sum()) > 20
    assert float(left[-1].sum()) == 0
    # All that the views left was made by a later one: what is seen at all is seen in pixels that count.
    everything = paint(uv_sphere(), prior=Smooth(), lockstep=True, **{**QUICK, "size": 64})
    assert result.coverage > everything.coverage - 0.02


def test_lockstep_couples_views_by_alm_more_than_syncsde_does() -> None:
    results = {
        name: paint(uv_sphere(), prior=Smooth(), method=method, **{**QUICK, "size": 64, "steps": 20}).agreement
        for name, method in (("alm", ALM()), ("syncsde", SyncSDE()), ("independent", Independent()))
    }
    assert results["alm"] < results["syncsde"] < results["independent"]


@pytest.mark.parametrize("fusion", [SyncTweedies(), MultiDiffusion(), StochSync()])
def test_joint_methods_make_views_that_are_windows_on_one_texture(fusion: Fusion) -> None:
    result = paint(uv_sphere(), prior=Smooth(), method=fusion, **{**QUICK, "size": 64})
    shared = canvas_of(Scene(result.mesh), Smooth(), result.cameras, 64, 0, None, 64)
    said: dict[int, list[float]] = {}
    for window, state in zip(shared.windows, result.states, strict=True):
        for place, value in zip(window.shown.tolist(), state[0].flatten(1).T.tolist(), strict=True):
            assert said.setdefault(place, value) == value  # two views that read one place see one value
    assert len(said) < sum(len(window.shown) for window in shared.windows)
    assert type(fusion).__name__ in result.method
    assert result.coverage > 0.9


def test_a_joint_method_keeps_kept_texels_and_takes_all_views_of_an_exemplar_in_one_call() -> None:
    mesh = uv_sphere()
    kept = keep([np.full((64, 64, 3), 90, np.uint8)], [(np.arange(64)[:, None] < 32) * np.ones((64, 64), np.float32)])
    result = paint(mesh, prior=Exemplar((EXAMPLE,)), method=SyncTweedies(), keep=kept, **QUICK)
    assert result.calls == QUICK["steps"]
    assert result.evaluations == QUICK["steps"] * len(result.cameras)
    stays = kept.texels.reshape(64, 64)
    assert bool((result.textures[0][stays] == 90).all())


@dataclass(frozen=True)
class Told(Exemplar):
    """An exemplar prior that notes of which view each density is, by what of it is no mesh."""

    noted: list[tuple[Tensor, ...]] = field(default_factory=list)

    def given(self, x_0: Tensor, mask: Tensor, outside: Tensor) -> Prior:
        self.noted.append((x_0, outside))
        return Noted(super().given(x_0, mask, outside), x_0, outside)


@dataclass(frozen=True, eq=False)
class Noted:
    """Checks that what it predicts is of its own view: outside of the mesh x̂_0 is what was given there."""

    prior: Prior
    x_0: Tensor
    outside: Tensor

    def predict(self, x_t: Tensor, level: Level, conditions: object) -> Prediction:
        prediction = self.prior.predict(x_t, level, None)
        assert len(x_t) == 1
        torch.testing.assert_close(prediction.x0 * self.outside, self.x_0 * self.outside)
        aside = (self.outside > 0).expand_as(x_t)
        # The canvas holds the noised backdrop of this very view there.
        assert float((x_t[aside] - level.a * self.x_0[aside]).std()) < 2 * level.s + 1e-3
        return prediction


@pytest.mark.parametrize("together", [None, 2])
@pytest.mark.parametrize("fusion", [StochSync(), SyncTweedies()])
def test_with_an_exemplar_each_view_is_predicted_by_its_own_density(fusion: Fusion, together: int | None) -> None:
    prior = Told((EXAMPLE,))
    result = paint(uv_sphere(), prior=prior, method=fusion, together=together, **QUICK)
    assert len(prior.noted) == len(result.cameras)
    assert bool(np.isfinite(result.textures[0]).all())


def test_views_count_by_how_squarely_they_see() -> None:
    shared = canvas_of(Scene(uv_sphere()), Smooth(), paper_views(), 64, 0, None, 64)
    for window, outside in zip(shared.windows, shared.outside, strict=True):
        assert float(window.facing.min()) > 0
        assert float(window.facing.max()) <= 1
        assert bool((window.facing[outside > 0] == 1).all())
        middle = window.facing[..., 12:20, 12:20].mean()
        ring = window.facing[(outside == 0) & (window.facing < 0.5)]
        assert float(middle) > 0.8 > 0.5 > float(ring.mean())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"reference": FixedNoise()}, "has no reference"),
        ({"resume": "views", "lockstep": False}, "finishes all views at once"),
    ],
)
def test_what_joint_methods_cannot_take_is_refused(options: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        paint(uv_sphere(), **{"prior": Smooth(), "method": SyncTweedies(), **QUICK, **options})


def test_an_interrupted_job_goes_on_from_its_last_finished_view_to_the_same_end(tmp_path: Path) -> None:
    mesh, settings = uv_sphere(), {**QUICK, "size": 64, "lockstep": False}
    whole = paint(mesh, prior=Smooth(), **settings)
    folder = tmp_path / "views"
    # 7 calls a view, as the last step has σ = 0: the 25th is in the fourth.
    with pytest.raises(KeyboardInterrupt):
        paint(mesh, prior=Smooth(fail_at=25), resume=folder, **settings)
    finished = sorted(path.name for path in folder.glob("view-*"))
    assert finished == ["view-000.npy", "view-001.npy", "view-002.npy"]
    rest = paint(mesh, prior=Smooth(), resume=folder, **settings)
    assert rest.resumed == 3
    assert rest.calls == whole.calls * 7 // 10
    assert np.array_equal(rest.textures[0], whole.textures[0])


def test_a_half_written_view_is_made_again(tmp_path: Path) -> None:
    mesh, settings = uv_sphere(), {**QUICK, "size": 64}
    whole = paint(mesh, prior=Smooth(), resume=tmp_path / "v", **settings)
    path = tmp_path / "v" / "view-009.npy"
    path.write_bytes(path.read_bytes()[:100])
    again = paint(mesh, prior=Smooth(), resume=tmp_path / "v", **settings)
    assert again.resumed == 9
    assert np.array_equal(again.textures[0], whole.textures[0])


def test_the_folder_of_another_job_or_of_other_files_is_refused(tmp_path: Path) -> None:
    mesh, settings = uv_sphere(), {**QUICK, "size": 64}
    paint(mesh, prior=Smooth(), resume=tmp_path / "v", seed=1, **settings)
    with pytest.raises(ValueError, match="another job"):
        paint(mesh, prior=Smooth(), resume=tmp_path / "v", seed=2, **settings)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("dear diary")
    with pytest.raises(ValueError, match="other files"):
        paint(mesh, prior=Smooth(), resume=tmp_path / "mine", **settings)
    with pytest.raises(ValueError, match="lockstep"):
        paint(mesh, prior=Smooth(), resume=tmp_path / "w", lockstep=True, **settings)


def test_prompts_reach_the_prior_once_for_each_view() -> None:
    prior = Smooth()
    paint(uv_sphere(), prior=prior, prompt="oak", negative_prompt="plastic", **{**QUICK, "size": 64})
    assert prior.seen == [("oak", "plastic", i) for i in range(10)]


def test_inversion_and_a_decoder_that_fails() -> None:
    done = paint(uv_sphere(), prior=Smooth(), reference=Inversion(), **{**QUICK, "size": 64})
    assert np.isfinite(done.baked.values).all()
    with pytest.raises(NotFiniteError, match="bfloat16"):
        paint(uv_sphere(), prior=Smooth(nan=True), **{**QUICK, "size": 64})


def test_what_does_not_fit_is_refused(exemplar: Exemplar) -> None:
    mesh = uv_sphere()
    with pytest.raises(ValueError, match="multiple of 2"):
        paint(mesh, prior=Smooth(), **{**QUICK, "size": 33})
    with pytest.raises(ValueError, match="unwrap"):
        paint(replace(mesh, uv=None), prior=exemplar, **QUICK)
    with pytest.raises(ValueError, match="does not use a prompt"):
        paint(mesh, prior=exemplar, prompt="oak", **QUICK)
    with pytest.raises(ValueError, match="--exemplar"):
        Exemplar(())
    # All that is to be painted lies where the only camera does not look.
    texture, mask = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.float32)
    mask[30:34, 30:34] = 1
    blind = [next(camera for camera in paper_views() if not _shows(mesh, camera, mask))]
    with pytest.raises(ValueError, match="no view sees"):
        paint(mesh, prior=Smooth(), keep=keep([texture], [mask]), cameras=blind, **{**QUICK, "size": 64})


def _shows(mesh: Mesh, camera: Camera, mask: np.ndarray) -> bool:
    return bool((shade(mesh, Scene(mesh).look(camera, 64), mask.reshape(-1, 1), 64) > 0).any())


def test_what_keeps_all_or_nothing_is_refused() -> None:
    texture = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="nothing is kept"):
        keep([texture], [np.ones((8, 8))])
    with pytest.raises(ValueError, match="nothing is to be painted"):
        keep([texture], [np.zeros((8, 8))])
    with pytest.raises(ValueError, match="as large as its texture"):
        keep([texture], [np.zeros((4, 8))])
    with pytest.raises(ValueError, match="square and of one size"):
        keep([texture, texture[:4]], [np.zeros((8, 8)), np.zeros((4, 8))])


def test_a_texture_moves_with_its_mesh_to_new_uvs() -> None:
    """A smooth pattern of the place on the surface is drawn the same from the old UVs and from the new."""
    mesh = uv_sphere(24, 48)
    old = Scene(mesh).atlas(256)
    values = np.zeros((old.count, 3), np.float32)
    values[old.texel] = waves(old.point)
    texture = np.rint(fill_gutters(old, values).reshape(256, 256, 3).clip(0, 1) * 255).astype(np.uint8)
    new = unwrap(mesh, size=256)
    moved = transfer(mesh, new, [texture], 256)
    for before, after in zip(
        render(mesh, paper_views()[:3], size=96, textures=[texture]),
        render(new, paper_views()[:3], size=96, textures=moved),
        strict=True,
    ):
        assert np.array_equal(before[..., 3], after[..., 3])
        assert np.abs(before[..., :3].astype(int) - after[..., :3]).mean() < 1.5


def test_the_tiny_controlnet_paints_together_and_view_by_view(folder: Callable[[str], Path]) -> None:
    prior = load_prior(folder("sd"), controlnet=folder("sd_depth"))
    for lockstep in (True, False):
        result = paint(
            uv_sphere(),
            prior=prior,
            prompt="a red boat",
            lockstep=lockstep,
            cameras=paper_views()[:3],
            **{**QUICK, "size": 64},
        )
        assert np.isfinite(result.baked.values).all()
        # ALM: ε(Y), ε(E) and the guided pair, 4 rows a step and view; its first two are left out at the end.
        assert result.evaluations == 3 * (4 * 4 - 2)
        assert result.calls == (7 if lockstep else 21)


def test_a_draw_of_a_view_does_not_depend_on_the_others() -> None:
    """Noise of view i is a pure function of the seed and i: fewer views leave the first as they were."""
    mesh, settings = uv_sphere(), {**QUICK, "size": 64, "lockstep": False}
    few = paint(mesh, prior=Smooth(), cameras=paper_views()[:1], **settings)
    many = paint(mesh, prior=Smooth(), cameras=paper_views()[:1] + paper_views()[4:5], **settings)
    assert np.array_equal(few.views[0], many.views[0])
    assert Noise((0,)).child(1) != Noise((0,)).child(2)


class Perfect(Smooth):
    """A latent model of cells of 8 pixels that makes a quarter everywhere, whatever it is given."""

    factor = multiple = 8

    def predict(self, x_t: Tensor, level: Level, conditions: object) -> Prediction:
        return Prediction.from_x0(x_t, level, torch.full_like(x_t, -0.5))

    predict_guided = predict

    def encode(self, pixels: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(pixels, 8)

    def decode(self, state: Tensor) -> Tensor:
        return torch.nn.functional.interpolate(state, scale_factor=8)


@pytest.mark.parametrize("solver", [Splatting(), Fit()])
@pytest.mark.parametrize("lockstep", [True, False])
def test_nothing_of_the_backdrop_is_baked_where_cells_are_coarse(lockstep: bool, solver: Solver) -> None:
    settings = {"size": 128, "steps": 3, "texture_size": 128, "solver": solver, "lockstep": lockstep}
    result = paint(uv_sphere(), prior=Perfect(), method=Independent(), **settings)
    assert np.abs(result.baked.values - 0.25).max() < 0.02


def test_the_prior_is_given_the_colours_of_the_kept_texture() -> None:
    scene, cameras = Scene(uv_sphere()), paper_views()[:1]
    texture = np.zeros((64, 64, 3), np.uint8)
    texture[:] = (200, 60, 20)
    mask = np.zeros((64, 64), np.float32)
    mask[40:] = 1
    made = canvas_of(scene, Smooth(), cameras, 64, 0, keep([texture], [mask]), 64)
    x_0, given = made.windows[0].read(made.x_0), made.windows[0].read(made.mask) == 0
    bare = torch.ones(1, 1, 64, 64)
    bare.view(-1)[torch.from_numpy(made.views[0].fragments.pixel)] = 0
    deep = (torch.nn.functional.max_pool2d(bare, 2) == 0) & given[:, :1]
    assert int(deep.sum()) > 20
    for channel, value in enumerate((200, 60, 20)):
        assert torch.allclose(x_0[:, channel : channel + 1][deep], torch.tensor(value / 127.5 - 1), atol=1e-5)
    # Beside the hole an autoencoder looks into it: there stands what is kept, on the average, and nothing else.
    texture[40:] = 255
    leak = canvas_of(scene, Smooth(), cameras, 64, 0, keep([texture], [mask]), 64)
    assert torch.allclose(leak.windows[0].read(leak.x_0), x_0, atol=1e-5)


def test_a_view_that_is_worth_nothing_is_neither_baked_nor_compared() -> None:
    scene, camera = Scene(uv_sphere()), paper_views()[0]
    view = scene.look(camera, 64)
    zero = np.zeros(len(view.pixel), np.float32)
    colours = [np.full((len(view.pixel), 3), value, np.float32) for value in (0.2, 0.9)]
    pair = [Picture(camera, view, colours[0]), Picture(camera, view, colours[1], zero)]
    assert np.abs(bake(scene, pair, size=64, solver=Splatting()).values - 0.2).max() < 1e-5
    assert np.isnan(view_agreement(scene.atlas(64), pair))
    assert view_agreement(scene.atlas(64), [pair[0], Picture(camera, view, colours[1])]) == pytest.approx(0.7)


def test_what_was_left_to_a_later_view_is_not_baked(monkeypatch: pytest.MonkeyPatch) -> None:
    baked: list[Picture] = []
    monkeypatch.setattr(paint_module, "bake", lambda *a, **k: baked.extend(a[1]) or bake(*a, **k))
    result = paint(uv_sphere(), prior=Smooth(), lockstep=False, **{**QUICK, "size": 64})
    for picture, worth in zip(baked, result.worth, strict=True):
        assert worth is not None
        assert picture.weight is not None
        cell = picture.view.pixel // 64 // 2 * 32 + picture.view.pixel % 64 // 2
        assert np.array_equal(picture.weight, worth.flatten().numpy()[cell])


def test_sizes_and_lists_that_do_not_fit_are_refused(exemplar: Exemplar) -> None:
    kept = kept_of(64, slice(0, 20))
    with pytest.raises(ValueError, match="16384 texels"):
        paint(uv_sphere(), prior=Smooth(), keep=kept, **{**QUICK, "texture_size": 128, "size": 64})
    with pytest.raises(ValueError, match="empty"):
        paint(uv_sphere(), prior=Smooth(), cameras=[], **{**QUICK, "size": 64})
    with pytest.raises(ValueError, match="leave lockstep out"):
        paint(uv_sphere(), prior=exemplar, lockstep=True, **QUICK)
    with pytest.raises(ValueError, match="steps must be 1"):
        paint(uv_sphere(), prior=exemplar, **{**QUICK, "steps": 0})
    with pytest.raises(ValueError, match="no picture"):
        bake(Scene(uv_sphere()), [])


def test_a_camera_among_others_that_sees_nothing_does_no_harm() -> None:
    turned = Camera.orbit(0, 0).pose.copy()
    turned[:3, 3] *= -1
    cameras = [Camera(turned), *paper_views()[:2]]
    for lockstep in (True, False):
        result = paint(uv_sphere(), prior=Smooth(), cameras=cameras, lockstep=lockstep, **{**QUICK, "size": 64})
        assert result.coverage > 0.3
