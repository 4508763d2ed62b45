"""Training: the held-out rule, what is learned from, and a run that learns, goes on and is loaded."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import walker
from alm_motion import cli, load_prior
from alm_motion.dataset import ROOT_EMPHASIS, action_of, held_out, joints20, read_folder, statistics, variants
from alm_motion.features import joints_of
from alm_motion.skeleton import MIRROR
from alm_motion.train import Settings, train

SMALL = Settings(minutes=0.05, width=16, multipliers=(1, 1), batch=256, shortest=16, longest=32)


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
    train(clips, tmp_path / "m", Settings(**{**vars(SMALL), "minutes": 0.08}), tell=reports.append)
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
