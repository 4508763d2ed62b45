"""Painting a mesh from its views: each is made given what the earlier ones, and a kept texture, show of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from alm_core import Method, NotFiniteError, Reference
from alm_core.fusions import Fusion
from alm_core.sample import suited_reference
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from alm_texture.bake import Baked, Kept, Picture, Solver, bake
from alm_texture.camera import Camera, paper_views
from alm_texture.canvas import canvas_of
from alm_texture.job import Job, OnStep
from alm_texture.mesh import Mesh
from alm_texture.metrics import view_agreement
from alm_texture.priors.base import View, ViewPrior
from alm_texture.resume import Finished, fingerprint
from alm_texture.scene import Scene

__all__ = ["Result", "paint"]

SMALLEST = 16
"""Pixels that a view is wide, at least: below, a patch or a latent is all of the mesh."""


@dataclass(frozen=True, eq=False)
class Result:
    """What `paint` returns.

    `textures` has one uint8 (size, size, 3) picture a page of `mesh`, in the order of its materials, and `views` one a
    camera, as the model made it. `coverage` is the share of the surface that some view sees or that was kept; the rest
    is filled from its nearest. `agreement` is the mean difference, in [0, 1], of two views where they show the same
    place (nan where none do). `evaluations` and `calls` count the network's rows and passes; `resumed` is how many
    views were finished before. `states` are the views in the prior's own units, (1, …), and `worth` is 0 in the cells
    (1, 1, …) that a view made and left to a later one, 1 elsewhere, None for all 1. `seconds` is wall time without
    loading the model.
    """

    mesh: Mesh
    textures: list[NDArray[np.uint8]]
    views: list[NDArray[np.uint8]]
    cameras: list[Camera]
    coverage: float
    agreement: float
    evaluations: int
    calls: int
    resumed: int
    seconds: float
    seed: int
    method: str
    states: list[Tensor] = field(repr=False)
    worth: list[Tensor | None] = field(repr=False)
    baked: Baked = field(repr=False)


def paint(
    mesh: Mesh,
    *,
    prior: ViewPrior,
    cameras: Sequence[Camera] | None = None,
    method: Method | Fusion | None = None,
    reference: Reference | None = None,
    prompt: str = "",
    negative_prompt: str = "",
    steps: int | None = None,
    seed: int = 0,
    size: int | None = None,
    texture_size: int = 1024,
    keep: Kept | None = None,
    solver: Solver | None = None,
    lockstep: bool | None = None,
    together: int | None = None,
    resume: str | Path | None = None,
    rasterizer: str = "embree",
    on_step: OnStep | None = None,
) -> Result:
    """A texture for the mesh, `texture_size` texels wide a page, made by `prior` through views `size` pixels wide.

    The mesh must have UVs (`unwrap`). `cameras` are the paper's ten unless given. `keep` is a texture of which a part
    stays exactly as it is: only the rest is made. With `lockstep` all views advance together, level by level, at most
    `together` in a network call, as the papers' code does and as models that let views look at each other need;
    without it each view is finished before the next, and with `resume`, a folder, an interrupted job goes on from its
    last finished view. None is what suits the prior. The method, reference and steps are the prior's own unless given;
    a joint method (`Fusion`) has all views at once on one texture, and no reference.

    Raises ValueError where something does not fit, or no camera sees what is to be painted.
    """
    start = time.perf_counter()
    size = prior.size if size is None else size
    steps = prior.defaults.steps if steps is None else steps
    lockstep = prior.lockstep and resume is None if lockstep is None else lockstep
    cameras = paper_views() if cameras is None else list(cameras)
    if not -(2**63) <= seed < 2**63:
        raise ValueError(f"the seed must fit 64 bits, got {seed}")
    _check_sizes(prior, size, steps, len(cameras), keep, texture_size, len(mesh.materials))
    method, reference = _suited(prior, method, reference, lockstep, resume is not None)
    scene = Scene(mesh, rasterizer)
    canvas = canvas_of(scene, prior, cameras, size, seed, keep, texture_size)
    if not bool(canvas.mask.any()):
        raise ValueError("no view sees anything that is to be painted: choose other views, or keep less")
    job = Job(prior, canvas, method, reference, steps, seed, prompt, negative_prompt, on_step)
    worth: list[Tensor | None] = [None] * len(cameras)
    done = 0
    if isinstance(method, Fusion):
        states = job.joined(together)
    elif lockstep:
        states = job.together(together)
    else:
        made_of = (prior.identity, method, reference, prompt, negative_prompt, steps, seed, size)
        key = fingerprint(mesh, cameras, keep, *made_of)
        finished = Finished(Path(resume), key, len(cameras)) if resume is not None else None
        states, worth, done = job.one_by_one(finished)
    pictures = [_picture(prior, *each) for each in zip(canvas.views, states, worth, strict=True)]
    baked = bake(scene, pictures, size=texture_size, solver=solver, kept=keep)
    return Result(
        mesh=mesh,
        textures=[_eight_bit(page) for page in baked.values],
        views=[_eight_bit(p.view.image(p.values, 1.0)) for p in pictures],
        cameras=cameras,
        coverage=baked.coverage,
        agreement=view_agreement(scene.atlas(texture_size), pictures),
        evaluations=job.rows,
        calls=job.calls,
        resumed=done,
        seconds=time.perf_counter() - start,
        seed=seed,
        method=repr(method),
        states=states,
        worth=worth,
        baked=baked,
    )


def _check_sizes(
    prior: ViewPrior, size: int, steps: int, cameras: int, keep: Kept | None, texture_size: int, pages: int
) -> None:
    if size % prior.multiple or size < SMALLEST:
        raise ValueError(f"views must be {SMALLEST} pixels wide or more, a multiple of {prior.multiple}, got {size}")
    if steps < 1:
        raise ValueError(f"steps must be 1 or more, got {steps}")
    if not cameras:
        raise ValueError("the list of cameras is empty: leave it out for the paper's ten views")
    texels = pages * texture_size**2
    if keep is not None and len(keep.texels) != texels:
        raise ValueError(
            f"a kept texture must have {texels} texels, {pages} of {texture_size} x {texture_size}, got "
            f"{len(keep.texels)}: give its own width as texture_size"
        )


def _suited(
    prior: ViewPrior, method: Method | Fusion | None, reference: Reference | None, lockstep: bool, resumed: bool
) -> tuple[Method | Fusion, Reference | None]:
    """The method and its reference, of which a joint method has none. Raises ValueError where they do not fit."""
    method = method or prior.defaults.method
    name = type(method).__name__
    if isinstance(method, Fusion):
        if reference is not None or resumed:
            raise ValueError(f"{name} has no reference, and finishes all views at once: leave reference and resume out")
        return method, None
    if lockstep and resumed:
        raise ValueError("a job is resumed view by view, and lockstep finishes all at once: leave one of them out")
    if lockstep and not prior.shared:
        raise ValueError("this prior is made anew for each view, so views cannot advance together: leave lockstep out")
    if lockstep and method.needs_clean:
        raise ValueError(
            f"{name} needs what earlier views have finished, and here all advance together: use another method, or let "
            "views not read each other (--no-cross-view, in Python lockstep=False)"
        )
    return method, reference or suited_reference(method, prior.defaults.reference)


def _picture(prior: ViewPrior, view: View, state: Tensor, worth: Tensor | None) -> Picture:
    """What the view shows, decoded; `worth` (1, 1, …) is of cells."""
    seen, weight = view.fragments, None
    if worth is not None:
        weight = interpolate(worth.cpu(), (seen.height, seen.width)).flatten().numpy()[seen.pixel]
    return Picture(view.camera, seen, _pixels(prior, state)[:, seen.pixel].T, weight)


def _pixels(prior: ViewPrior, state: Tensor) -> NDArray[np.float32]:
    """(3, pixels) in [0, 1] of one state. Raises `NotFiniteError`."""
    made = prior.decode(state)[0].float().cpu()
    if not bool(torch.isfinite(made).all()):
        raise NotFiniteError("decoding gave NaN or infinity: if the model runs in float16, try bfloat16 or float32")
    return ((made.clamp(-1, 1) + 1) / 2).flatten(1).numpy()


def _eight_bit(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.asarray(np.rint(values.clip(0, 1) * 255), np.uint8)
