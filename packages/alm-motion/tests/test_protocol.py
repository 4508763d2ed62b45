"""The published protocol end to end, on a fabricated HumanML3D folder."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from alm_motion.evaluators import load_evaluator, relative_features
from alm_motion.features import absolute, facing
from alm_motion.humanml import joints_of_relative, read_split
from alm_motion.protocol import HALVES, Complete, evaluate, half_given
from alm_motion.skeleton import Array
from evaluator_cases import body, evaluator_folder, numbers

FIXTURE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "fixtures" / "motion_evaluation.json").read_text(encoding="utf-8")
)
Motion = Callable[[int], Array]


def still(number: int) -> Array:
    """One pose that faces +Z, held: what is nearest to a hidden frame is what it hides."""
    pose = body(2, turn=0.0, phase=number)[:1]
    turn = 2 * float(facing(torch.from_numpy(pose))[0])
    cos, sin = np.cos(turn), np.sin(turn)
    return np.repeat(pose @ np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]]), 40 + number % 9, axis=0)


def walk(number: int) -> Array:
    return body(40 + 3 * (number % 9), speed=0.2 + 0.02 * number, turn=0.0, phase=number)


def dataset(folder: Path, motion: Motion, *, count: int = 36, kind: str = "new_joint_vecs", spare: int = 0) -> Path:
    """`count` motions, each with a sentence of its own on it, in the real on-disk format."""
    (folder / "texts").mkdir(parents=True)
    (folder / kind).mkdir()
    for number in range(count):
        joints = motion(number)
        features = relative_features(joints)
        values = {"new_joints": joints, "new_joint_vecs": features}.get(kind)
        np.save(folder / kind / f"{number:06d}.npy", absolute(torch.from_numpy(features)) if values is None else values)
        line = f"number {number}#a/DET person/NOUN walk/VERB {'slowly/ADV ' * (number % 5)}{number}/NUM#0.0#nan\n"
        (folder / "texts" / f"{number:06d}.txt").write_text(line, encoding="utf-8")
    names = [f"{number:06d}\n" for number in range(count + spare)]
    (folder / "test.txt").write_text("".join(names), encoding="utf-8")
    return folder


@dataclass
class Fake:
    """Embeds a motion as a mixture of its mean features, and a sentence as that of its last word's number."""

    name: str = "fake"
    seen: list[tuple[Array, list[int]]] = field(default_factory=list)

    def motion(self, features: Array, lengths: Sequence[int]) -> Array:
        self.seen.append((features, list(lengths)))
        rows = [each[:length].mean(0) for each, length in zip(features, lengths, strict=True)]
        return np.array(rows) @ numbers(263, 3, 1)

    def text(self, tokens: Sequence[Sequence[str]]) -> Array:
        return np.array([numbers(1, 3, int(each[-1].split("/")[0]))[0] for each in tokens])


def each(one: Callable[[Array, Array, str, int], Array]) -> Complete:
    """A completion of batches of one of single motions."""

    def batch(joints: Any, given: Any, prompts: Any, seed: int) -> list[Array]:
        return [one(j, g, p, seed + n) for n, (j, g, p) in enumerate(zip(joints, given, prompts, strict=True))]

    return batch


@each
def kept(joints: Array, given: Array, prompt: str, seed: int) -> Array:
    return joints


def test_the_whole_runs_with_the_networks_and_gives_a_table_that_json_holds(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", walk, spare=2)
    evaluator = load_evaluator(evaluator_folder(tmp_path / "evaluator", FIXTURE["shapes"]))
    told: list[tuple[int, int]] = []

    table = evaluate(
        folder,
        evaluator,
        each(lambda joints, given, _, s: joints + 0.01 * numbers(1, 3, s) * ~given[..., None] + 0.002 * (s == 3)),
        samples=1,
        replications=2,
        pairs=20,
        seed=3,
        on_sample=lambda done, count: told.append((done, count)),
    )
    assert table["protocol"] == {
        "evaluator": "t2m",
        "motions": 36,
        "missing": 2,
        "samples": 32,
        "replications": 2,
        "pairs": 20,
        "seed": 3,
    }
    assert list(table["rows"]) == ["ground truth", *HALVES]
    measures = ["fid", "matching_score", *(f"r_precision_{k}" for k in (1, 2, 3)), "diversity", "foot_skate"]
    assert list(table["rows"]["ground truth"]) == measures
    for half in HALVES:
        assert list(table["rows"][half]) == [*measures, "kept_error", "gap_error"]
        assert table["rows"][half]["kept_error"]["mean"] == pytest.approx(3**0.5)  # 2 √3 mm in the first replication
        assert table["rows"][half]["gap_error"]["mean"] > 0.01
    assert all(
        np.isfinite([each["mean"], each["interval"]]).all() for row in table["rows"].values() for each in row.values()
    )
    assert told == [(done, 2 * 3 * 32) for done in range(32, 2 * 3 * 32 + 1, 32)]
    assert json.loads(json.dumps(table)) == table


def test_a_perfect_completion_scores_as_the_truth(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", still, count=32)
    table = evaluate(folder, Fake(), kept, samples=32, replications=1, pairs=32)
    truth = table["rows"]["ground truth"]
    assert truth["fid"]["mean"] == pytest.approx(0, abs=1e-9)
    assert truth["matching_score"]["mean"] > 0.1
    for half in HALVES:
        row = table["rows"][half]
        assert row["gap_error"]["mean"] == pytest.approx(0, abs=1e-9)
        for name, each in truth.items():
            assert row[name]["mean"] == pytest.approx(each["mean"], abs=1e-8)
            assert each["interval"] is None


def test_a_table_is_that_of_its_seed(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", walk)
    one, same, other = (
        evaluate(folder, Fake(), kept, samples=32, replications=1, pairs=9, halves=["middle half"], seed=seed)["rows"]
        for seed in (3, 3, 4)
    )
    assert one == same != other


def test_a_completion_that_strays_is_farther_from_the_truth(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", still, count=32)

    def fid(stray: float) -> float:
        @each
        def complete(joints: Array, given: Array, prompt: str, seed: int) -> Array:
            return joints + stray * numbers(len(joints), 66, seed).reshape(joints.shape) * ~given[..., None]

        rows = evaluate(folder, Fake(), complete, samples=32, replications=1, pairs=9, halves=["last half"])["rows"]
        return float(rows["last half"]["fid"]["mean"])

    found = [fid(stray) for stray in (0.003, 0.03, 0.1)]
    assert found[0] < found[1] < found[2]


@dataclass
class Knowing(Fake):
    """Embeds a sentence as the motion of its number, each batch the next of `offsets` off."""

    motions: Sequence[Array] = ()
    offsets: list[float] = field(default_factory=list)

    def text(self, tokens: Sequence[Sequence[str]]) -> Array:
        places = [Fake().motion(self.motions[int(each[-1].split("/")[0])][None], [40])[0] for each in tokens]
        return np.array(places) + np.array([0, self.offsets.pop(0), 0])


def test_scores_of_sentences_that_know_their_motions_are_those_of_the_definition(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", still, count=32)
    motions = [np.load(folder / "new_joint_vecs" / f"{number:06d}.npy") for number in range(32)]
    know = Knowing(motions=motions, offsets=[0, 0])
    exact = evaluate(folder, know, kept, samples=1, replications=1, pairs=3, halves=["first half"])
    assert exact["rows"]["first half"]["r_precision_1"]["mean"] == 1
    # In a replication the sentences are read once for the truth and once for all halves.
    know = Knowing(motions=motions, offsets=[1, 3, 1, 5])
    far = evaluate(folder, know, kept, samples=1, replications=2, pairs=3, halves=["last half"])
    score = far["rows"]["last half"]["matching_score"]
    assert score == {"mean": pytest.approx(4, abs=1e-7), "interval": pytest.approx(1.96 / 2**0.5, abs=1e-7)}
    assert far["rows"]["ground truth"]["matching_score"]["mean"] == pytest.approx(1, abs=1e-7)


def test_the_reference_is_all_motions_and_rows_are_whole_batches(tmp_path: Path) -> None:
    fake = Fake()
    evaluate(
        dataset(tmp_path / "data", walk, count=70),
        fake,
        kept,
        samples=20,
        replications=1,
        pairs=3,
        halves=["last half"],
    )
    assert [len(lengths) for _, lengths in fake.seen] == [32, 32, 6, 32, 32, 32]


def test_a_completion_is_told_what_is_given_and_nothing_of_the_rest(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", walk, count=40)
    calls: list[tuple[Array, Array, str, int]] = []
    evaluate(
        folder,
        Fake(),
        each(lambda *call: calls.append(call) or call[0]),  # type: ignore[func-returns-value]
        samples=32,
        replications=2,
        pairs=10,
        seed=7,
    )
    assert len(calls) == 2 * 3 * 32
    assert sorted(seed for *_, seed in calls) == sorted([*range(7, 71)] * 3)
    for number, (joints, given, prompt, _) in enumerate(calls):
        half = list(HALVES)[number // 32 % 3]
        assert given.tolist() == half_given(half, len(joints)).tolist()
        assert len(joints) % 4 == 0
        known = np.flatnonzero(given[:, 0])
        for frame in np.flatnonzero(~given[:, 0]):
            nearest = known[np.abs(known - frame).argmin()]
            assert np.array_equal(joints[frame], joints[nearest])
        assert prompt in {f"number {n}" for n in range(40)}
    drawn = [[(prompt, len(joints)) for joints, _, prompt, _ in calls[at : at + 32]] for at in range(0, 192, 32)]
    assert drawn[0] == drawn[1] == drawn[2] != drawn[3] == drawn[4] == drawn[5]


def test_the_evaluator_sees_relative_features_of_what_was_made(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", walk, count=32)
    made: list[Array] = []

    @each
    def complete(joints: Array, given: Array, prompt: str, seed: int) -> Array:
        made.append(joints * [1, 1.01, 1])
        return made[-1]

    fake = Fake()
    evaluate(folder, fake, complete, samples=32, replications=1, pairs=10, halves=["middle half"])
    features, lengths = fake.seen[-1]
    assert lengths == [len(joints) for joints in made]
    assert features.shape == (32, max(lengths), 263)
    for row, joints in zip(features, made, strict=True):
        assert np.array_equal(row[: len(joints)], relative_features(joints))


@pytest.mark.parametrize("kind", ["new_joint_vecs", "new_joint_vecs_abs_3d"])
def test_all_forms_of_the_data_give_the_same_motions(tmp_path: Path, kind: str) -> None:
    wanted = read_split(dataset(tmp_path / "joints", walk, count=4, kind="new_joints")).entries
    found = read_split(dataset(tmp_path / kind, walk, count=4, kind=kind)).entries
    for one, other in zip(wanted, found, strict=True):
        np.testing.assert_allclose(one.features(), other.features(), atol=1e-9)
        np.testing.assert_allclose(joints_of_relative(one.features())[:-1], walk(int(one.path.stem))[:-1], atol=1e-9)


def test_halves_are_of_the_motions_own_length() -> None:
    made = {half: np.flatnonzero(~half_given(half, 40)[:, 5]).tolist() for half in HALVES}
    assert made == {
        "first half": [*range(20)],
        "middle half": [*range(10, 30)],
        "last half": [*range(20, 40)],
    }
    assert half_given("last half", 196).sum() == 98 * 22


def test_a_sentence_on_a_part_is_an_entry_of_its_own(tmp_path: Path) -> None:
    folder = dataset(tmp_path, lambda n: body(150), count=1, kind="new_joint_vecs")
    lines = [
        "the whole#a/DET#0.0#0.0",
        "a part#walk/VERB#1.5#4.0",
        "too short#a/DET#0.0#1.9",
        "also whole#him/PRON#nan#nan",
    ]
    (folder / "texts" / "000000.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    part, whole = read_split(folder).entries
    assert (part.start, part.stop, part.captions[0].text, part.captions[0].tokens) == (30, 80, "a part", ("walk/VERB",))
    assert (whole.start, whole.stop, [c.text for c in whole.captions]) == (0, 150, ["the whole", "also whole"])
    assert np.array_equal(part.features(), np.load(folder / "new_joint_vecs" / "000000.npy")[30:80])
    rng = np.random.default_rng(0)
    assert {whole.draw(rng)[1].text for _ in range(20)} == {"the whole", "also whole"}


def test_a_draw_is_a_cut_of_whole_units_at_any_place(tmp_path: Path) -> None:
    folder = dataset(tmp_path, lambda n: body(50), count=1, kind="new_joint_vecs")
    entry, rng = read_split(folder).entries[0], np.random.default_rng(0)
    whole, starts, lengths = entry.features(), set(), []
    for _ in range(300):
        cut, _ = entry.draw(rng)
        start = int(np.abs(whole[:, 4:] - cut[0, 4:]).sum(1).argmin())
        assert np.array_equal(whole[start : start + len(cut)], cut)
        starts.add((len(cut), start))
        lengths.append(len(cut))
    assert starts == {(48, s) for s in range(3)} | {(44, s) for s in range(7)}
    assert 0.25 < lengths.count(44) / 300 < 0.42


def test_motions_of_other_lengths_are_left_out_and_long_ones_cut(tmp_path: Path) -> None:
    frames = [39, 40, 196, 199, 200]
    folder = dataset(tmp_path, lambda n: body(frames[n]), count=5, kind="new_joint_vecs")
    assert [(entry.start, entry.stop) for entry in read_split(folder).entries] == [(0, 40), (0, 196), (0, 196)]


def test_completions_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", still, count=32)

    def run(complete: Any = kept, **options: Any) -> None:
        evaluate(folder, Fake(), complete, **{"samples": 32, "replications": 1, "pairs": 9, **options})

    with pytest.raises(ValueError, match="finite joints"):
        run(each(lambda joints, given, prompt, seed: joints[:-1]))
    with pytest.raises(ValueError, match="finite joints"):
        run(each(lambda joints, given, prompt, seed: joints * np.nan))
    with pytest.raises(ValueError, match="first half, middle half, last half: got second half"):
        run(halves=["second half"])
    with pytest.raises(ValueError, match="has 32 motions"):
        run(pairs=33)
    with pytest.raises(ValueError, match="0 replications"):
        run(replications=0)


def test_folders_that_are_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"test\.txt, texts and one of new_joint_vecs"):
        read_split(tmp_path)
    folder = dataset(tmp_path / "data", still, count=1, kind="new_joints")
    (folder / "texts" / "000000.txt").write_text("a sentence without its words\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"000000\.txt, line 1: sentence#word/KIND"):
        read_split(folder)
    np.save(folder / "new_joints" / "000000.npy", np.zeros((39, 22, 3)))
    with pytest.raises(ValueError, match="no motion of 40 to 199 frames"):
        read_split(folder)
    other = dataset(tmp_path / "other", still, count=1, kind="new_joints")
    np.save(other / "new_joints" / "000000.npy", np.zeros((50, 21, 3)))
    with pytest.raises(ValueError, match=r"\(F, 22, 3\), got \(50, 21, 3\)"):
        read_split(other).entries[0].features()
