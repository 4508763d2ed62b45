"""Training: the held-out rule, what is learned from, and a run that learns, goes on and is loaded."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import walker
from alm_motion import cli, load_prior
from alm_motion.dataset import ROOT_EMPHASIS, action_of, held_out, joints20, jumping, read_folder, statistics, variants
from alm_motion.features import joints_of
from alm_motion.formats.bvh import write_bvh
from alm_motion.skeleton import MIRROR
from alm_motion.train import Training, train

SMALL = Training(minutes=0.05, width=16, multipliers=(1, 1), batch=256, shortest=16, longest=32)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    frames = [150 + n for n in range(40)]
    kept = [n for n in frames if not held_out("walk_1", n)][:2]
    out = next(n for n in frames if held_out("walk_1", n))
    for number, count in enumerate([*kept, out], 1):
        (folder / f"walk_{number}.bvh").write_text(walker.text(count))
    return folder


def test_the_held_out_rule_is_that_of_the_docs() -> None:
    import hashlib

    for name, frames in (("salsa_01", 2243), ("salsa_16", 2243), ("walking_extra_49", 308), ("running_1", 84)):
        key = f"{name.rpartition('_')[0]}-{frames}"
        assert held_out(name, frames) == (int(hashlib.sha256(key.encode()).hexdigest(), 16) % 10 == 0)
    assert held_out("salsa_01", 2243)
    assert held_out("salsa_16", 2243)
    assert not held_out("running_1", 84)


def test_partners_and_takes_of_one_scene_fall_on_one_side() -> None:
    for frames in range(500, 560):
        assert held_out("salsa_01", frames) == held_out("salsa_16", frames)


def test_actions_are_names_without_numbers() -> None:
    names = ("walking_2", "walking_extra_13", "basketball_signal_3")
    assert [action_of(name) for name in names] == ["walking", "walking", "basketball signal"]


def test_a_folder_is_read_at_20_frames_a_second_in_variants(clips: Path) -> None:
    learn, test = read_folder(clips)
    assert (len(learn), len(test)) == (2, 1)
    one = learn[0]
    plain = joints20(one)
    np.testing.assert_allclose(plain, one.joints[::3], atol=1e-9)
    fast = joints20(one, speed=1.1)
    assert len(fast) == int((len(one.joints) - 1) / 60 * 20 / 1.1) + 1
    found = variants(one)
    assert len(found) == 12
    mirrored = joints_of(found[5]).numpy()
    straight = joints_of(found[4]).numpy()
    np.testing.assert_allclose(mirrored, straight[:, MIRROR] * [-1, 1, 1], atol=1e-5)


def test_statistics_are_one_deviation_a_block_and_the_root_counts_more() -> None:
    features = torch.randn(4000, 263, dtype=torch.float64) * 2 + 1
    mean, std = statistics([features[:2000], features[2000:]])
    assert mean[:3].abs().max() == 0
    torch.testing.assert_close(mean[3:], features.mean(0)[3:].float(), atol=1e-5, rtol=0)
    torch.testing.assert_close(std[:3] * ROOT_EMPHASIS, torch.full((3,), 2.0), atol=0.1, rtol=0)
    assert std[4:67].unique().numel() == 1


def test_a_run_learns_goes_on_and_is_a_model(clips: Path, tmp_path: Path) -> None:
    reports: list[dict[str, float]] = []
    train(clips, tmp_path / "m", SMALL, tell=reports.append)
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert config["actions"] == ["walk"]
    assert len(config["mean"]) == config["network"]["channels"] == 67
    train(clips, tmp_path / "m", Training(**{**vars(SMALL), "minutes": 0.08}), tell=reports.append)
    assert reports[1]["steps"] > reports[0]["steps"]
    assert reports[1]["held_out"] < reports[0]["held_out"] * 1.2
    prior = load_prior(tmp_path / "m")
    from alm_motion import complete

    assert complete(walker.clip(90), [slice(0, 30), slice(60, None)], prior=prior, steps=3).kept_error < 1e-9


def test_a_checkpoint_is_not_begun_anew_without_being_asked(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state.pt").write_bytes(b"mine")
    assert cli.main(["train", str(clips), "-o", str(tmp_path)]) == 2
    assert "--resume" in capsys.readouterr().err
    assert (tmp_path / "state.pt").read_bytes() == b"mine"


def test_a_frame_that_is_not_between_its_neighbours_jumps() -> None:
    time = np.arange(40)[:, None, None]
    joints = np.array([0.3, 0.1, -0.2]) * time + np.zeros((40, 22, 3))  # fast, and even
    assert not jumping(joints).any()
    joints[20, :, 1] += 0.081
    assert np.flatnonzero(jumping(joints)).tolist() == [20]
    joints[20, :, 1] -= 0.002
    assert not jumping(joints).any()
    joints[30, :11] += [0, 0, 0.17]  # half of the joints, twice as far
    assert np.flatnonzero(jumping(joints)).tolist() == [30]
    assert jumping(joints[:2]).tolist() == [False, False]


def test_a_clip_is_read_in_pieces_between_the_frames_that_jump(tmp_path: Path) -> None:
    frames = next(n for n in range(200, 300) if not held_out("walk_1", n) and held_out("walk_1", n - 103))
    motion = walker.bvh(frames)
    motion.values[100, 1] += 40
    (tmp_path / "walk_1.bvh").write_text(write_bvh(motion))
    learn, test = read_folder(tmp_path)
    # The jump is in its neighbours, too, which lie half as far from theirs; one more on each side is dropped.
    assert [len(one.joints) for one in learn] == [98, frames - 103]
    assert not test  # the rule goes by the whole clip
    assert {(one.name, one.action) for one in learn} == {("walk_1", "walk")}
    assert not any(jumping(one.joints).any() for one in learn)
    assert all(abs(one.joints[:, :, 1].min()) < 0.05 for one in learn)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--width", "100"], "a width must be a multiple of 8 at every level, got 100"),
        (["--width", "8"], "a width must be a multiple of 8 at every level, got 12"),
        (["--width", "0"], "width must be a whole number of 1 or more, got 0"),
        (["--minutes", "-1"], "the minutes to train must be above 0, got -1"),
        (["--minutes", "0"], "the minutes to train must be above 0, got 0"),
        (["--minutes", "nan"], "the minutes to train must be above 0, got nan"),
        (["--seed", "-3"], "the seed must be 0 or more"),
    ],
)
def test_wrong_numbers_are_refused_before_anything_is_written(
    flags: list[str], said: str, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", str(clips), "-o", str(tmp_path / "m"), *flags]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert not (tmp_path / "m").exists()


def test_folders_with_nothing_to_learn_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = next(n for n in range(150, 190) if held_out("walk_1", n))
    short = next(n for n in range(20, 40) if not held_out("walk_1", n))
    strange = walker.text(60).replace("LeftUpLeg", "Tentacle")
    for name, text, said in (
        ("held", walker.text(out), "only clips that the rule holds out"),
        ("short", walker.text(short), "no clip of a second or more"),
        ("strange", strange, "strange/walk_1.bvh: the skeleton is not known"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "walk_1.bvh").write_text(text)
        assert cli.main(["train", str(tmp_path / name), "-o", str(tmp_path / "m")]) == 2
        told = capsys.readouterr().err
        assert said in told
        assert told.count("\n") == 1
        assert not (tmp_path / "m").exists()


def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second goes by with every look at the clock, so that a step lasts one."""
    seconds = itertools.count()
    monkeypatch.setattr("alm_motion.train.time", SimpleNamespace(monotonic=lambda: float(next(seconds))))


def test_a_run_that_goes_on_draws_what_an_unbroken_one_draws(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticking(monkeypatch)
    two, four = (replace(SMALL, minutes=(steps - 0.5) / 60) for steps in (2, 4))
    train(clips, tmp_path / "whole", four)
    train(clips, tmp_path / "broken", two)
    begun = torch.load(tmp_path / "broken" / "state.pt", weights_only=True)
    train(clips, tmp_path / "broken", four)
    whole, broken = (torch.load(tmp_path / name / "state.pt", weights_only=True) for name in ("whole", "broken"))
    assert (begun["steps"], whole["steps"], broken["steps"]) == (2, 4, 4)
    assert whole["random"] == broken["random"] != begun["random"]
    del begun["random"]  # a checkpoint of before
    torch.save(begun, tmp_path / "broken" / "state.pt")
    train(clips, tmp_path / "broken", four)
    assert torch.load(tmp_path / "broken" / "state.pt", weights_only=True)["steps"] == 4


def test_a_checkpoint_of_another_network_is_refused_and_left(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticking(monkeypatch)
    train(clips, tmp_path, replace(SMALL, minutes=0.01))
    state = (tmp_path / "state.pt").read_bytes()
    with pytest.raises(ValueError, match="is not a checkpoint of this network") as found:
        train(clips, tmp_path, replace(SMALL, minutes=0.01, width=24))
    assert "\n" not in str(found.value)
    assert (tmp_path / "state.pt").read_bytes() == state
