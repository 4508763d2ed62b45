"""The sampling of a mesh's views: together level by level, joined on one texture, or one after another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from alm_core import Counted, Method, Noise, Prior, Progress, Reference, extend, sample
from alm_core.fuse import fuse
from alm_core.fusions import Fusion
from alm_core.prior import ByCondition
from torch import Tensor

from alm_texture.canvas import Canvas
from alm_texture.priors.base import ViewPrior
from alm_texture.resume import Finished

__all__ = ["Job", "OnStep"]

OnStep = Callable[[int, int], None]
"""Told after each step how many are done, and of how many."""


@dataclass
class Job:
    """The sampling of all views, and what it took."""

    prior: ViewPrior
    canvas: Canvas
    method: Method | Fusion
    reference: Reference | None
    steps: int
    seed: int
    prompt: str
    negative_prompt: str
    on_step: OnStep | None
    calls: int = 0
    rows: int = 0

    def together(self, at_most: int | None) -> list[Tensor]:
        """The states (1, …) of all views, advanced level by level."""
        counted = Counted(self.prior)
        last: list[Tensor] = []

        def tell(progress: Progress) -> None:
            last[:] = progress.pieces
            self.tell(progress.index, progress.count)

        extend(
            counted,
            self.prior.schedule(self.steps),
            self.canvas.windows,
            self.canvas.x_0,
            self.canvas.mask,
            noise=self.noise,
            method=cast(Method, self.method),
            reference=self.reference,
            conditions=[(self.condition(i),) for i in range(len(self.canvas.views))],
            together=at_most,
            on_step=tell,
        )
        self.count(counted)
        return last

    def joined(self, at_most: int | None) -> list[Tensor]:
        """The states (1, …) of all views, read from the one canvas that they share.

        A view counts by how squarely it sees the surface, as in SyncMVD and SyncTweedies.
        """
        canvas, told = self.canvas, [self.condition(i) for i in range(len(self.canvas.views))]
        prior: Prior = self.prior
        if not self.prior.shared:  # then each view has one of its own, and is conditioned on that
            prior = ByCondition()
            read = ([window.read(x) for window in canvas.windows] for x in (canvas.x_0, canvas.mask))
            told = [self.prior.given(*each) for each in zip(*read, canvas.outside, strict=True)]
        counted = Counted(prior)
        y = fuse(
            counted,
            self.prior.schedule(self.steps),
            canvas.windows,
            tuple(canvas.x_0.shape[1:]),
            noise=self.noise,
            fusion=cast(Fusion, self.method),
            conditions=[(one,) for one in told],
            weights=[window.facing for window in canvas.windows],
            x_0=canvas.x_0,
            mask=canvas.mask,
            together=at_most,
            on_step=lambda progress: self.tell(progress.index, progress.count),
        )
        self.count(counted)
        return [window.read(y) for window in canvas.windows]

    def one_by_one(self, finished: Finished | None) -> tuple[list[Tensor], list[Tensor | None], int]:
        """The states of all views, each made given the finished earlier ones, and how many were finished before.

        Between them, for each view, 0 in the cells (1, 1, …) that it made and left to a later one, 1 elsewhere.
        """
        canvas, count = self.canvas, len(self.canvas.views)
        states: list[Tensor] = []
        worth: list[Tensor | None] = []
        x_0, mask, done = canvas.x_0, canvas.mask, 0
        for i, (window, outside) in enumerate(zip(canvas.windows, canvas.outside, strict=True)):
            given, hole = window.read(x_0), window.read(mask)
            before = finished.read(i) if finished else None
            if before is not None:
                y, done = before.to(given), done + 1
            elif bool(hole.any()):
                y = self.view(i, given, hole, outside)
            else:
                y = given
            if finished and before is None:
                finished.write(i, y)
            states.append(y)
            # What was made at a glancing angle is left to a later view that sees it better.
            left = hole * (1 - window.stands)
            worth.append(1 - left[:, :1])
            x_0 = window.write(x_0, torch.where(hole - left > 0, y, given))
            mask = window.write(mask, left)
            self.tell((i + 1) * self.steps, count * self.steps)
        return states, worth, done

    def view(self, i: int, given: Tensor, hole: Tensor, outside: Tensor) -> Tensor:
        """The state of one view."""
        counted = Counted(self.prior.given(given, hole, outside))
        count = len(self.canvas.views) * self.steps
        y = sample(
            counted,
            self.prior.schedule(self.steps),
            noise=self.noise.child(i),
            x_0=given,
            mask=hole,
            method=cast(Method, self.method),
            reference=self.reference,
            conditions=(self.condition(i),),
            on_step=lambda progress: self.tell(i * self.steps + progress.index, count),
        )
        self.count(counted)
        return y

    @property
    def noise(self) -> Noise:
        """Of the one sample that is made."""
        return Noise((self.seed,), self.prior.device)

    def condition(self, i: int) -> object:
        """Of view i."""
        return self.prior.condition(self.prompt, self.negative_prompt, self.canvas.views[i])

    def count(self, counted: Counted) -> None:
        """Adds up what a run took."""
        self.calls, self.rows = self.calls + counted.calls, self.rows + counted.rows

    def tell(self, done: int, count: int) -> None:
        """Tells the callback."""
        if self.on_step:
            self.on_step(done, count)
