"""The second stage of an ambiguous picture: enlarged by an `Upscaler` in its last view, or in all of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from alm_core import Counted, Independent, Noise, sample
from alm_core.fuse import fuse
from alm_core.fusions import VisualAnagrams
from alm_core.prior import Conditions
from alm_core.sample import Progress
from torch import Tensor

from alm_image.options import Options
from alm_image.priors.deepfloyd_two import Upscaler
from alm_image.views import View

__all__ = ["Enlarging"]

STAGE = 5
"""The key of this stage's own source of noise; 0 to 4 are the core's."""


@dataclass(frozen=True)
class Enlarging:
    """Pixels (rows, 3, h, w) in [−1, 1] become those of the upscaler's size; `counted` is its prior, counted.

    `prompts` and `views` have one entry a view.
    """

    counted: Counted
    upscaler: Upscaler
    prompts: tuple[str, ...]
    views: tuple[View, ...]
    noise_level: int
    steps: int
    options: Options

    def last(self, pixels: Tensor, on_step: Callable[[Progress], None] | None) -> Tensor:
        """What the last view shows, enlarged under its prompt, and put back: not synchronised (SyncSDE A.4)."""
        view = self.views[-1]

        def told(progress: Progress) -> None:
            x0 = progress.x0()
            if on_step:
                on_step(replace(progress, x0=lambda: view.write(x0, x0)))

        y = sample(
            self.counted,
            self.upscaler.prior.schedule(self.steps),
            noise=self._noise,
            shape=self._shape,
            method=Independent(),
            conditions=self._condition(self.prompts[-1], self._noised(view.read(pixels))),
            on_step=told,
        )
        return view.write(y, y)

    def joined(self, pixels: Tensor, on_step: Callable[[Progress], None] | None) -> Tensor:
        """The canvas, enlarged in all views, whose ε̂ are averaged (Visual Anagrams)."""
        noised = self._noised(pixels)
        return fuse(
            self.counted,
            self.upscaler.prior.schedule(self.steps),
            self.views,
            self._shape,
            noise=self._noise,
            fusion=VisualAnagrams(),
            conditions=[self._condition(p, v.read(noised)) for p, v in zip(self.prompts, self.views, strict=True)],
            together=self.options.together,
            on_step=on_step,
        )

    @property
    def _noise(self) -> Noise:
        return Noise.batch(self.options.seed, self.options.count, self.upscaler.prior.device).child(STAGE)

    @property
    def _shape(self) -> tuple[int, ...]:
        return self.upscaler.prior.state_shape(self.upscaler.size, self.upscaler.size)

    def _noised(self, small: Tensor) -> Tensor:
        """x_n; its noise is neither the sampler's nor the first stage's."""
        return self.upscaler.enlarged(small, self._noise.child(STAGE).draw(self._shape), self.noise_level)

    def _condition(self, prompt: str, noised: Tensor) -> Conditions:
        return self.upscaler.condition(prompt, self.options.negative_prompt, noised, self.noise_level)
