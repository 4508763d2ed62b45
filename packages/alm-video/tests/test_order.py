"""Stretches come out in the order of time, whatever order they were made in."""

from itertools import permutations
from pathlib import Path

import pytest
import torch
from alm_video import order
from alm_video.order import in_order


@pytest.mark.parametrize("stretches", permutations([(0, 3), (3, 2), (5, 4), (9, 1)]))
def test_in_the_order_of_time(stretches: tuple[tuple[int, int], ...]) -> None:
    whole = torch.arange(20.0).view(1, 2, 10)
    parts = ((start, whole[:, :, start : start + n]) for start, n in stretches)
    assert torch.equal(torch.cat(list(in_order(parts, 0, 10)), 2), whole)


def test_what_lies_outside_is_left_out() -> None:
    whole = torch.arange(10.0).view(1, 1, 10)
    parts = [(6, whole[:, :, 6:]), (0, whole[:, :, :6])]
    assert torch.equal(torch.cat(list(in_order(parts, 2, 8)), 2), whole[:, :, 2:8])
    with pytest.raises(AssertionError, match="up to 8 were to come, and 2 did"):
        list(in_order([(0, whole[:, :, :2])], 2, 8))


def test_what_comes_in_order_touches_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "save", lambda *_: pytest.fail("written to disk"))
    whole = torch.arange(10.0).view(1, 1, 10)
    assert len(list(in_order([(0, whole[:, :, :4]), (4, whole[:, :, 4:])], 0, 10))) == 2


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", full)
    whole = torch.arange(10.0).view(1, 1, 10)
    with pytest.raises(OSError, match="set TMPDIR to a folder with more room"):
        list(in_order([(4, whole[:, :, 4:]), (0, whole[:, :, :4])], 0, 10))


def test_nothing_is_left_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "TemporaryDirectory", lambda prefix: _Folder(tmp_path))
    whole = torch.arange(6.0).view(1, 1, 6)
    parts = in_order([(4, whole[:, :, 4:]), (2, whole[:, :, 2:4]), (0, whole[:, :, :2])], 0, 6)
    next(parts)
    assert len(list(tmp_path.iterdir())) == 2
    list(parts)
    assert not list(tmp_path.iterdir())


class _Folder:
    """A folder that stays."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> str:
        return str(self.path)

    def __exit__(self, *_: object) -> None:
        pass
