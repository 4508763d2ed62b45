"""Windows along one axis, without end: what `extend` makes on a canvas, made piece by piece in constant memory.

Windows are taken in groups, in the order given; those of a group take each step together. A group observes what earlier
ones covered, at every level, and of those only the windows that a later one overlaps are held. What nothing can change
any more is yielded at once. The result does not depend on how many windows make a group.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from alm_core.methods import ALM, Method
from alm_core.noise import Noise
from alm_core.prior import Conditions, Prior, rows_of
from alm_core.reference import FixedNoise, Reference
from alm_core.sample import INITIAL, Progress, given_part, suited_reference
from alm_core.schedule import Schedule
from alm_core.window import Slice, coverage
from alm_core.windowed import WINDOW, States, View, Work

__all__ = ["Strip", "stream"]


@dataclass(frozen=True)
class Strip:
    """Windows of `size` on a long third axis of (rows, channels, n, …), by where they start, in the order of making.

    `given(start, stop)` are x_0 (rows or 1, channels, stop − start, …) and its mask there, broadcastable to it: 1 is to
    be made. On a `ring` of that length the axis has no ends: windows that run over it go on from 0. Raises ValueError
    where windows do not fit.
    """

    starts: Sequence[int]
    size: int
    given: Callable[[int, int], tuple[Tensor, Tensor]]
    ring: int | None = None

    def __post_init__(self) -> None:
        """Checks sizes."""
        if self.size < 1 or len(set(self.starts)) < len(self.starts):
            raise ValueError(f"wanted windows of 1 or more, each once: got {self.size} at {list(self.starts)}")
        if self.ring is not None and (self.size > self.ring or not all(0 <= s < self.ring for s in self.starts)):
            raise ValueError(f"windows of {self.size} from {list(self.starts)} do not fit a ring of {self.ring}")

    def covered(self, start: int) -> list[int]:
        """The places in the window that starts there."""
        return [p % self.ring if self.ring else p for p in range(start, start + self.size)]

    def meet(self, one: int, other: int) -> bool:
        """Whether two windows share a place."""
        apart = abs(one - other)
        return min(apart, (self.ring or 2 * apart) - apart) < self.size

    def around(self, starts: Sequence[int]) -> list[int]:
        """The places of some windows, as they follow one another: a ring is cut where none of them lies."""
        places = sorted({place for start in starts for place in self.covered(start)})
        cut = next((i for i, place in enumerate(places) if self.ring and (place - 1) % self.ring not in places), 0)
        return places[cut:] + places[:cut]

    def known(self, places: Sequence[int], rows: int) -> tuple[Tensor, Tensor]:
        """x_0 and the mask of places, as `given_part` has them."""
        parts = [given_part(*self.given(run[0], run[-1] + 1), rows) for run in runs(places)]
        x_0, mask = (torch.cat(each, 2) for each in zip(*parts, strict=True))
        return x_0, mask


def stream(
    prior: Callable[[Tensor, Tensor], Prior],
    schedule: Schedule,
    strip: Strip,
    *,
    noise: Noise,
    method: Method | None = None,
    reference: Reference | None = None,
    conditions: Callable[[int], Conditions] | None = None,
    begins: Callable[[int], int] | None = None,
    later_on_top: bool = False,
    together: int = 1,
    on_step: Callable[[Progress], None] | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Yields (start, states) of stretches as soon as they are made, float32 (rows, channels, n, …) each, in that order.

    `prior(x_0, mask)` is called for each group with what its first window (rows or 1, channels, size, …) knows: itself
    for a network; one that is made from it wants `together` to be 1. `conditions(start)` are those of a window.
    `begins(place)` says from which draw of noise a place starts, by default its own; windows share them. Else as
    `extend`, `together` windows a group, all of them in one network call.
    """
    method = method or ALM()
    reference = reference or suited_reference(method, FixedNoise())
    groups = [list(strip.starts[i : i + together]) for i in range(0, len(strip.starts), together)]
    making = _Making(strip, later_on_top, set(strip.starts))

    def work(known: Tensor, mask: Tensor) -> Work:
        return Work(prior(known, mask), schedule, method, reference, later_on_top, together, on_step)

    for number, group in enumerate(groups):
        canvas, at = making.advance(group, work, noise, conditions, begins, number, len(groups))
        for run in runs(making.ready(group)):
            yield run[0], canvas[:, :, at[run[0]] : at[run[0]] + len(run)]


@dataclass
class _Making:
    """How far it is: the windows `left`, the states `kept` of those that one of them overlaps, the places `told`."""

    strip: Strip
    later_on_top: bool
    left: set[int]
    kept: dict[int, tuple[View, States]] = field(default_factory=dict)
    told: set[int] = field(default_factory=set)

    @torch.no_grad()
    def advance(
        self,
        group: list[int],
        work_for: Callable[[Tensor, Tensor], Work],
        noise: Noise,
        conditions: Callable[[int], Conditions] | None,
        begins: Callable[[int], int] | None,
        number: int,
        count: int,
    ) -> tuple[Tensor, dict[int, int]]:
        """Makes a group, `number` of `count`: the clean canvas around it, and where on it each place lies.

        Of the whole axis it has only the places of the group and of the earlier windows that it meets.
        """
        strip, rows = self.strip, len(noise.seeds)
        near = [start for start in self.kept if any(strip.meet(start, each) for each in group)]
        places = strip.around([*near, *group])
        at = {place: index for index, place in enumerate(places)}
        x_0, mask = strip.known(places, rows)
        blank = torch.zeros_like(x_0.expand(rows, *x_0.shape[1:]))
        past = [(replace(self.kept[s][0], window=self._window(at[s], blank)), self.kept[s][1]) for s in near]

        def before(index: int) -> Tensor:
            canvas = blank
            for view, states in past:
                canvas = view.lay(states[index], canvas, self.later_on_top)
            return canvas

        covered = blank[:1]
        for view, _ in past:
            covered = torch.maximum(covered, coverage(view.window, covered))
        window, clean = self._window(at[group[0]], blank), before(-1)
        knows = clean + (1 - mask) * (x_0 - clean)
        work = work_for(window.read(knows), window.read(mask * (1 - covered)))
        views, pieces = [], []
        for start in group:
            window = self._window(at[start], blank)
            told = rows_of(conditions(start) if conditions else None, rows)
            views.append(work.view(window, x_0, mask, covered, noise.child(WINDOW, start), told))
            covered = torch.maximum(covered, coverage(window, covered))
            shape = (blank.shape[1], *blank.shape[3:])
            draws = [noise.draw(shape, INITIAL, begins(p) if begins else p) for p in strip.covered(start)]
            pieces.append(torch.stack(draws, 2))
        self.left -= set(group)
        steps = work.schedule.steps
        states = work.lockstep(views, pieces, before, done=number * steps, count=count * steps, keep=bool(self.left))
        self.kept.update(zip(group, zip(views, states, strict=True), strict=True))
        for start in [start for start in self.kept if not any(strip.meet(start, each) for each in self.left)]:
            del self.kept[start]
        return work.compose(views, [own[-1] for own in states], clean), at

    def ready(self, group: list[int]) -> list[int]:
        """The places, in order, that this group decided: later windows lie below, or there are none."""
        places = {p for start in group for p in self.strip.covered(start)} - self.told
        if self.later_on_top:
            places -= {p for start in self.left for p in self.strip.covered(start)}
        self.told.update(places)
        return sorted(places)

    def _window(self, start: int, blank: Tensor) -> Slice:
        """The window at a place of the canvas."""
        beyond = blank.shape[3:]
        loop = (self.strip.ring is not None, *(False for _ in beyond))
        return Slice((start, *(0 for _ in beyond)), (self.strip.size, *beyond), loop)


def runs(places: Sequence[int]) -> list[list[int]]:
    """Places as stretches of neighbours, each after the one before it."""
    found: list[list[int]] = []
    for place in places:
        if found and found[-1][-1] + 1 == place:
            found[-1].append(place)
        else:
            found.append([place])
    return found
