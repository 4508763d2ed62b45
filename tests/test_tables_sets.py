"""What the tables of generated pictures share: items of a prompt, references, and the best of a sweep."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from alm_core import SyncSDE
from alm_image import load_prior
from PIL import Image

from benchmarks.tables import sets, syncsde_01, syncsde_04, wides
from benchmarks.tables.common import Cells, Job
from benchmarks.tables.store import Store
from benchmarks.tables.tiny import makers


class Grey:
    """Two pictures of an item: its seed, and 100 more; references, whose first seed is 7 + APART, are 200 and more."""

    prior = None

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def prompts(self, subject: str) -> tuple[str, ...]:
        return f"{subject} once", f"{subject} twice"

    def made(self, subject: str, way: Any, seed: int, count: int) -> list[tuple[Image.Image, ...]]:
        self.calls.append((subject, way, seed, count))
        return [tuple(Image.new("L", (1, 1), n + add) for add in (0, 100)) for n in range(seed, seed + count)]

    def reference(self, prompt: str, seed: int, count: int) -> list[Image.Image]:
        self.calls.append((prompt, seed, count))
        return [Image.new("L", (1, 1), 193 + n - sets.APART) for n in range(seed, seed + count)]


def level(path: Path) -> int:
    return int(Image.open(path).getpixel((0, 0)))


def job(folder: Path, way: Any, limit: int = 3) -> Job:
    root = Store(folder, "")
    return Job("A row", "", way, limit, root.under("", way=repr(way)), root.under("all"), "tag")


def flags(**more: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"seed": 7, "references": 2, "batch": 1, "prompts": None, **more})


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_items_and_references_have_their_seeds_and_prompts_however_many_are_made_at_once(
    tmp_path: Path, batch: int
) -> None:
    grey, seen = Grey(), []

    def judge(job: Job, *told: Any) -> Cells:
        seen.append(told)
        return {"FID ↓": None}

    measure = sets.measuring(flags(batch=batch), ["an ape", "a bee"], grey, judge)
    assert measure(job(tmp_path, "way")) == ({"FID ↓": None}, 3)
    ((made, references, prompts),) = seen
    assert {name: level(path) for name, path in made.items()} == {
        f"{at:02d}-{n:04d}-{view}": 7 + n + 100 * view for at in (0, 1) for n in range(3) for view in (0, 1)
    }
    assert prompts == {name: f"{('an ape', 'a bee')[int(name[1])]} {('once', 'twice')[int(name[-1])]}" for name in made}
    assert [level(path) for path in references.values()] == [200, 201] * 4
    ways = [call for call in grey.calls if len(call) == 4]
    assert ways[: len(ways) // 2] == [
        ("an ape", "way", 7 + first, min(batch, 3 - first)) for first in range(0, 3, batch)
    ]
    grey.calls.clear()
    measure(job(tmp_path, "way", limit=4))
    assert grey.calls == [(name, "way", 10, 1) for name in ("an ape", "a bee")]


def test_a_sweep_is_its_best_and_a_further_strength_makes_that_alone(tmp_path: Path) -> None:
    tried: list[float] = []

    def cells(way: SyncSDE, store: Store) -> Cells:
        store.file("item", lambda path: (tried.append(way.strength), path.write_text("")))
        value = None if way.strength == 1 else abs(way.strength - 4)
        return {"FID ↓": {"value": value, "low": None, "high": None}, "KID ↓": {"value": -value if value else 0}}

    def best(*strengths: float) -> Cells:
        (row,) = sets.best(flags(strengths=strengths)).values()
        return sets.swept(job(tmp_path, row), cells, "FID ↓")

    assert best(1, 2, 5, 9)["FID ↓"]["value"] == 1
    assert best(2, 5, 4.5)["FID ↓"]["value"] == 0.5
    assert tried == [1, 2, 5, 9, 4.5]
    assert sets.best(flags(strengths=None)) == {}
    assert sets.swept(job(tmp_path, SyncSDE(9)), cells, "FID ↓")["FID ↓"]["value"] == 5


def test_prompts_are_those_of_the_file_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "prompts.json"
    told = flags(prompts=file, masks=None)
    scenes = [{**syncsde_01.KNOWN[0], "mask": [0.25, 0.5, 0.75, 1.0]}]
    file.write_text(json.dumps(scenes))
    (scene,) = sets.subjects(told, (), lambda each: syncsde_01.Scene.read(each, None, 8))
    assert told.subjects == scenes
    assert [scene.mask.getbbox(), scene.prompt] == [(2, 4, 6, 8), "a painting of a beach with a big boat"]
    pair = syncsde_04.Pair.read
    for read, wrong in (
        (lambda each: syncsde_01.Scene.read(each, None, 8), [{**scenes[0], "mask": "boat.png"}]),
        (lambda each: syncsde_01.Scene.read(each, None, 8), [{"background": "a beach"}]),
        (pair, [{"prompts": ["one", "two"], "view": "sideways"}]),
        (pair, [{"prompts": ["one"], "view": "skew"}]),
        (pair, []),
        (pair, {"prompts": ["one", "two"], "view": "skew"}),
    ):
        file.write_text(json.dumps(wrong))
        with pytest.raises(ValueError, match=r"prompts\.json has no such prompts"):
            sets.subjects(told, (), read)
    file.write_text('[{"prompt": "a lake"}]')
    with pytest.raises(ValueError, match="a prompt is wanted"):
        wides.load(told, ())


def test_the_papers_numbers_of_prompts_are_known() -> None:
    assert [len(each) for each in (syncsde_01.KNOWN, syncsde_04.KNOWN, wides.LANDSCAPES)] == [10, 5, 8]
    for told in syncsde_01.KNOWN:
        syncsde_01.Scene.read(told, None, 64)
    assert {syncsde_04.Pair.read(told).view for told in syncsde_04.KNOWN} == {
        "rotate-cw",
        "rotate-ccw",
        "rotate-180",
        "flip-vertical",
        "skew",
    }


@pytest.fixture(scope="module")
def floyd(tmp_path_factory: pytest.TempPathFactory) -> syncsde_04.Anagrams:
    folder, tiny = tmp_path_factory.mktemp("floyd"), makers("alm-image", "tiny").FOLDERS
    for name in ("deepfloyd", "deepfloyd_super"):
        tiny[name](folder / name)
    prior = load_prior(folder / "deepfloyd", guidance=3.0)
    upscaler = syncsde_04.load_upscaler(folder / "deepfloyd_super", text=syncsde_04.text_of(prior), guidance=3.0)
    return syncsde_04.Anagrams(argparse.Namespace(steps=2, together=1), prior, upscaler)


def bytes_of(pictures: Sequence[Image.Image]) -> list[bytes]:
    return [picture.tobytes() for picture in pictures]


def test_an_ambiguous_picture_is_measured_in_both_views_by_their_own_prompts(floyd: syncsde_04.Anagrams) -> None:
    pair = syncsde_04.Pair(("a horse", "a village"), "rotate-cw")
    ((first, second),) = floyd.made(pair, syncsde_04.Row(SyncSDE(2.0)), 5, 1)
    assert first.size == second.size == (32, 32)
    assert first.rotate(-90).tobytes() == second.tobytes() != first.rotate(90).tobytes()


def test_a_reference_of_two_stages_is_the_prompts_alone(floyd: syncsde_04.Anagrams) -> None:
    known = bytes_of(floyd.reference("a horse", 5, 2))
    assert known[0] != known[1]
    assert bytes_of(floyd.reference("a horse", 6, 1)) == known[1:]
    assert bytes_of(floyd.reference("a mule", 5, 1)) != known[:1]
    alone = floyd._anagram(("another", "a horse"), ("skew", "identity"), syncsde_04.Row(syncsde_04.Independent()), 5, 1)
    assert bytes_of(alone.canvases) == known[:1]
