"""The t2m evaluators against the public code's keys and outputs, and the files that they come in.

The fixture was made by `fixtures/make_motion_evaluation.py`; its weights are `evaluator_cases.formula`'s.
"""

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from alm_motion.evaluators import T2MEvaluator, load_evaluator, relative_features
from alm_motion.evaluators.networks import MotionEncoder, MovementEncoder, TextEncoder
from alm_motion.evaluators.words import KINDS, read_words
from alm_motion.features import absolute, joints_of
from alm_motion.skeleton import Array
from evaluator_cases import LENGTHS, SENTENCES, VOCABULARY, body, evaluator_folder, numbers, vocabulary

FIXTURE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "fixtures" / "motion_evaluation.json").read_text(encoding="utf-8")
)
TOKENS = [sentence.split() for sentence in SENTENCES]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return evaluator_folder(tmp_path / "evaluator", FIXTURE["shapes"])


@pytest.fixture
def evaluator(folder: Path) -> T2MEvaluator:
    return load_evaluator(folder)


def motions(evaluator: T2MEvaluator) -> Array:
    """The fixture's motions before normalisation; beyond their lengths is what nobody may look at."""
    mean, std = evaluator.mean.double().numpy(), evaluator.std.double().numpy()
    filled = np.full((len(LENGTHS), 196, 263), 1e3)
    for row, length in enumerate(LENGTHS):
        filled[row, :length] = numbers(length, 263, 10 + row) * std + mean
    return filled


def test_the_keys_and_shapes_of_the_published_checkpoint_are_complete() -> None:
    with torch.device("meta"):
        networks = {
            "movement_encoder": MovementEncoder(259, 512, 512),
            "motion_encoder": MotionEncoder(512, 1024, 512),
            "text_encoder": TextEncoder(300, 15, 512, 512),
        }
    found = sorted(
        (part, key, list(value.shape))
        for part, network in networks.items()
        for key, value in network.state_dict().items()
    )
    assert len(found) == FIXTURE["full"]["count"]
    assert hashlib.sha256(json.dumps(found).encode()).hexdigest() == FIXTURE["full"]["sha256"]


def test_motions_are_embedded_as_by_the_public_code(evaluator: T2MEvaluator) -> None:
    np.testing.assert_allclose(evaluator.motion(motions(evaluator), LENGTHS), FIXTURE["motion"], atol=2e-6)


def test_sentences_are_embedded_as_by_the_public_code(evaluator: T2MEvaluator) -> None:
    np.testing.assert_allclose(evaluator.text(TOKENS), FIXTURE["text"], atol=2e-6)


def test_padded_captions_are_read_as_in_the_released_evaluation(folder: Path) -> None:
    padded = load_evaluator(folder, padded_captions=True)
    np.testing.assert_allclose(padded.text(TOKENS), FIXTURE["padded_text"], atol=2e-6)
    assert np.abs(np.array(FIXTURE["padded_text"]) - FIXTURE["text"]).max() > 1e-3
    assert padded.name != load_evaluator(folder).name


def test_a_row_is_the_same_alone_and_in_any_batch(evaluator: T2MEvaluator) -> None:
    features = motions(evaluator)
    together, texts = evaluator.motion(features, LENGTHS), evaluator.text(TOKENS)
    for row, length in enumerate(LENGTHS):
        alone = evaluator.motion(features[row : row + 1, :length], [length])
        np.testing.assert_allclose(alone[0], together[row], atol=1e-6)
        np.testing.assert_allclose(evaluator.text(TOKENS[row : row + 1])[0], texts[row], atol=1e-6)
    order = [3, 0, 4, 1, 2]
    shuffled = evaluator.motion(features[order], [LENGTHS[row] for row in order])
    np.testing.assert_allclose(shuffled, together[order], atol=1e-6)


def test_contacts_are_not_read_and_the_last_channel_before_them_is(evaluator: T2MEvaluator) -> None:
    features = motions(evaluator)
    before = evaluator.motion(features, LENGTHS)
    features[..., 259:] += 5
    assert np.array_equal(evaluator.motion(features, LENGTHS), before)
    features[..., 258] += 5
    assert np.abs(evaluator.motion(features, LENGTHS) - before).min(1).max() > 1e-5


@pytest.mark.parametrize(
    ("token", "word", "kind"),
    [
        ("a/DET", "a", "DET"),
        ("walk/NOUN", "walk", "Act_VIP"),
        ("left/VERB", "left", "Loc_VIP"),
        ("slowly/ADV", "slowly", "Desc_VIP"),
        ("arm/VERB", "arm", "Body_VIP"),
        ("stair/NOUN", "stair", "Obj_VIP"),
        ("person/XYZ", "person", "OTHER"),
        ("zebra/NOUN", "unk", "OTHER"),
    ],
)
def test_words_have_the_vector_and_the_kind_that_they_are_written_with(
    tmp_path: Path, token: str, word: str, kind: str
) -> None:
    vocabulary(tmp_path)
    vectors, kinds, count = read_words(tmp_path).sentence([token])
    table = np.load(tmp_path / "our_vab_data.npy").astype("f")
    place = {each: len(VOCABULARY) - 1 - n for n, each in enumerate(VOCABULARY)}
    assert count == 3
    for row, each in enumerate(["sos", word, "eos", "unk"]):
        assert vectors[row].tolist() == table[place[each]].tolist()
    assert kinds.shape == (22, 15)
    assert [KINDS[k] for k in kinds.argmax(1)[:4]] == ["OTHER", kind, "OTHER", "OTHER"]
    assert kinds.sum(1).tolist() == [1] * 22


def test_a_long_sentence_is_cut_after_twenty_words_and_keeps_its_end(tmp_path: Path) -> None:
    vocabulary(tmp_path)
    words = read_words(tmp_path)
    vectors, _, count = words.sentence(["a/DET"] * 19 + ["him/PRON"] + ["walk/VERB"] * 5)
    assert count == 22
    assert vectors[20].tolist() == words.vectors[words.index["him"]].tolist()
    assert vectors[21].tolist() == words.vectors[words.index["eos"]].tolist()
    with pytest.raises(ValueError, match="walk/VERB: got 'walk'"):
        words.sentence(["a/DET", "walk"])


def test_features_are_those_of_the_public_code_from_the_first_frame_to_the_last() -> None:
    np.testing.assert_allclose(relative_features(body(24))[[0, 1, 11, 22, 23]], FIXTURE["features"], atol=2e-5)


def test_features_give_back_their_joints() -> None:
    joints = body(30, turn=0.0)
    found = joints_of(absolute(torch.from_numpy(relative_features(joints)))).numpy()
    np.testing.assert_allclose(found[:29], joints[:29], atol=1e-9)
    np.testing.assert_allclose(relative_features(joints + np.array([3, 0, -2])), relative_features(joints), atol=1e-9)
    with pytest.raises(ValueError, match="two frames or more"):
        relative_features(joints[:1])


def test_a_checkpoint_is_found_where_the_downloads_leave_it(folder: Path, tmp_path: Path) -> None:
    wanted = load_evaluator(folder).text(TOKENS)
    other = tmp_path / "downloads"
    for place in ("t2m/text_mot_match", "t2m/Comp_v6_KLD01", "glove"):
        (other / place).mkdir(parents=True)
    (folder / "model").rename(other / "t2m/text_mot_match/model")
    (folder / "meta").rename(other / "t2m/Comp_v6_KLD01/meta")
    for file in folder.iterdir():
        file.rename(other / "glove" / file.name)
    assert np.array_equal(load_evaluator(other).text(TOKENS), wanted)


def test_what_is_missing_is_named_with_where_it_was_looked_for(folder: Path) -> None:
    (folder / "our_vab_idx.pkl").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no our_vab_idx\.pkl"):
        load_evaluator(folder)
    (folder / "meta" / "std.npy").unlink()
    vocabulary(folder)
    with pytest.raises(FileNotFoundError, match=r"std\.npy"):
        load_evaluator(folder)
    (folder / "meta" / "mean.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"mean and std: looked for meta/mean\.npy"):
        load_evaluator(folder)
    (folder / "model" / "finest.tar").unlink()
    with pytest.raises(FileNotFoundError, match=r"text_mot_match/model/finest\.tar"):
        load_evaluator(folder)


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("harm"),))


@pytest.mark.parametrize("name", ["our_vab_words.pkl", "our_vab_idx.pkl", "model/finest.tar"])
def test_a_pickle_that_would_run_code_is_refused(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (folder / name).write_bytes(pickle.dumps([Harmful()], protocol=2))
    with pytest.raises(ValueError, match=name):
        load_evaluator(folder)
    assert not (tmp_path / "harm").exists()


def test_files_of_something_else_are_refused(folder: Path) -> None:
    np.save(folder / "meta" / "std.npy", np.zeros(263))
    with pytest.raises(ValueError, match="above 0"):
        load_evaluator(folder)
    np.save(folder / "meta" / "std.npy", np.ones(251))
    with pytest.raises(ValueError, match=r"263 finite numbers, got \(251,\)"):
        load_evaluator(folder)
    np.save(folder / "meta" / "std.npy", np.ones(263))
    (folder / "our_vab_idx.pkl").write_bytes(pickle.dumps(dict.fromkeys(VOCABULARY, 99)))
    with pytest.raises(ValueError, match="beyond the 12 vectors"):
        load_evaluator(folder)
    (folder / "our_vab_idx.pkl").write_bytes(pickle.dumps({"unk": 0}))
    with pytest.raises(ValueError, match="numbers them all"):
        load_evaluator(folder)
    vocabulary(folder)
    torch.save({"movement_encoder": {}}, folder / "model" / "finest.tar")
    with pytest.raises(ValueError, match="movement_encoder, motion_encoder, text_encoder"):
        load_evaluator(folder)


def test_an_evaluator_of_another_skeleton_is_refused(tmp_path: Path) -> None:
    shapes = json.loads(json.dumps(FIXTURE["shapes"]))
    shapes["movement_encoder"]["main.0.weight"][1] = 247
    with pytest.raises(ValueError, match="evaluators of 263 features"):
        load_evaluator(evaluator_folder(tmp_path / "kit", shapes))


def test_lengths_and_sizes_are_checked(evaluator: T2MEvaluator) -> None:
    features = motions(evaluator)
    with pytest.raises(ValueError, match="4 to 196 frames, got 3 to 196"):
        evaluator.motion(features, [3, 196, 40, 40, 40])
    with pytest.raises(ValueError, match="4 to 40 frames, got 40 to 44"):
        evaluator.motion(features[:, :40], [44, 40, 40, 40, 40])
    with pytest.raises(ValueError, match=r"N lengths are wanted, got .* and 4"):
        evaluator.motion(features, LENGTHS[:4])
    with pytest.raises(ValueError, match="one sentence or more"):
        evaluator.text([])
