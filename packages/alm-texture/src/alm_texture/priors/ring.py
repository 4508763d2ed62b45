"""Which views stand beside which: what cross-view attention goes by."""

from collections.abc import Sequence

from alm_texture.camera import Camera

__all__ = ["Ring", "rings"]

LEVEL = 10.0
"""Views whose elevations lie within so many degrees, one from the next, stand about equally high."""

Ring = tuple[int, ...]


def rings(cameras: Sequence[Camera]) -> tuple[int, list[Ring]]:
    """The reference view, and for each view the one or two beside it; all by index.

    As SyncMVD: around a ring a view sees the one before and the one after; views that make no ring see the front or the
    back of the main one, whichever is nearer in azimuth; the reference is that front. A ring is three views or more of
    about one elevation, the main one the largest, the most level one among equals.
    """
    groups = _elevations(cameras)
    main = max(groups, key=lambda group: (len(group), -min(abs(cameras[i].elevation) for i in group)))
    front = min(main, key=lambda i: abs(cameras[i].azimuth))
    back = max(main, key=lambda i: abs(cameras[i].azimuth))
    beside: list[Ring] = [()] * len(cameras)
    for group in groups:
        around = sorted(group, key=lambda i: cameras[i].azimuth)
        for place, view in enumerate(around):
            if len(group) >= 3:
                beside[view] = (around[place - 1], around[(place + 1) % len(around)])
            else:
                others = [end for end in (front, back) if end != view]
                beside[view] = tuple(sorted(others, key=lambda end: _apart(cameras[view], cameras[end]))[:1])
    return front, beside


def _elevations(cameras: Sequence[Camera]) -> list[list[int]]:
    """The views in groups of about one elevation."""
    groups: list[list[int]] = []
    for view in sorted(range(len(cameras)), key=lambda i: cameras[i].elevation):
        if groups and cameras[view].elevation - cameras[groups[-1][-1]].elevation <= LEVEL:
            groups[-1].append(view)
        else:
            groups.append([view])
    return groups


def _apart(one: Camera, other: Camera) -> float:
    """Degrees of azimuth between two cameras, in [0, 180]."""
    return abs((one.azimuth - other.azimuth + 180) % 360 - 180)
