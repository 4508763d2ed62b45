"""Models in their real files: each loads, keeps the laws of a prior, and drives the same verb."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_motion
import torch
import walker
from alm_core import Level, SyncSDE
from alm_core.testing import check_prior
from alm_motion import complete, load_prior
from alm_motion.features import extract
from alm_motion.priors import MotionPrior
from alm_motion.priors.exemplar import Exemplar
from alm_motion.priors.network import Codec
from alm_motion.priors.unet1d import LOWEST
from motion_formula import motion
from safetensors.torch import load_file, save_file

MAKE: dict[str, Callable[[Path], Path]] = {
    "trained": tiny_motion.trained,
    "gmd": tiny_motion.published,
    "gmd mixed": lambda folder: tiny_motion.published(folder, mixed=True),
    "condmdi": lambda folder: tiny_motion.published(folder, unconstrained=True),
    "condmdi on keyframes": lambda folder: tiny_motion.published(folder, unconstrained=True, keyframe_conditioned=True),
    "mdm": tiny_motion.mdm,
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: make(tmp_path_factory.mktemp("model") / "m") for name, make in MAKE.items()}


@pytest.mark.parametrize("name", MAKE)
def test_the_laws_of_a_prior_hold(name: str, models: dict[str, Path]) -> None:
    prior = load_prior(models[name])
    channels = prior.encode(torch.zeros(1, 8, 263)).shape[1]
    check_prior(prior, prior.schedule(8), (channels, 24), tolerance=1e-3)


@pytest.mark.parametrize("name", [*MAKE, "exemplar"])
def test_every_model_drives_the_same_verb(name: str, models: dict[str, Path]) -> None:
    prior = load_prior(models.get(name, name))
    result = complete(walker.clip(frames=150), [slice(0, 60), slice(100, None)], prior=prior, steps=3)
    assert result.kept_error < 1e-9
    assert np.isfinite(result.clips[0].rotations).all()
    assert result.calls > 0


@pytest.mark.parametrize("name", [name for name in MAKE if name != "gmd mixed"])
def test_decoding_is_the_inverse_of_encoding(name: str, models: dict[str, Path]) -> None:
    prior = load_prior(models[name])
    features = extract(torch.from_numpy(motion(40))).float()[None]
    again = prior.decode(prior.encode(features))
    if not prior.absolute:  # from the origin, facing +Z
        again[..., 0] += features[:, :1, 0]
        return
    torch.testing.assert_close(again, features[..., : again.shape[2]], atol=1e-4, rtol=0)


def test_a_mixture_is_taken_apart_again(models: dict[str, Path]) -> None:
    prior = load_prior(models["gmd mixed"])
    features = extract(torch.from_numpy(motion(40))).float()[None]
    torch.testing.assert_close(prior.decode(prior.encode(features)), features, atol=2e-3, rtol=0)
    unknown = torch.zeros(1, 10, 263)
    unknown[0, 4, 200] = 1
    assert prior.mask_to_state(unknown)[0].sum(0).tolist() == [0, 0, 0, 0, 263, 0, 0, 0, 0, 0]
    assert not prior.partial


def test_a_relative_root_s_step_is_unknown_where_either_end_is() -> None:
    codec = Codec(torch.zeros(263), torch.ones(263), absolute=False)
    unknown = torch.zeros(1, 6, 263)
    unknown[0, 3, :4] = 1
    mask = codec.mask(unknown)[0]
    assert mask[0].tolist() == [0, 0, 1, 1, 0, 1]  # the way from frame 2 to 3, from 3 to 4, and of the last frame
    assert mask[3].tolist() == [0, 0, 0, 1, 0, 0]


def test_what_is_predicted_is_taken_as_the_folder_says(tmp_path: Path) -> None:
    level = Level(300.0, 0.8, 0.6)
    x_t = torch.randn(1, 263, 24, generator=torch.Generator().manual_seed(0))
    of_x0 = load_prior(tiny_motion.trained(tmp_path / "a", predicts="x0")).predict(x_t, level, None)
    of_v = load_prior(tiny_motion.trained(tmp_path / "b", predicts="v")).predict(x_t, level, None)
    torch.testing.assert_close(of_v.x0, 0.8 * x_t - 0.6 * of_x0.x0)
    torch.testing.assert_close(of_v.eps, 0.6 * x_t + 0.8 * of_x0.x0)
    torch.testing.assert_close(of_x0.eps, (x_t - 0.8 * of_x0.x0) / 0.6)


def test_guidance_leads_from_no_label_to_the_label(models: dict[str, Path]) -> None:
    level = Level(300.0, 0.8, 0.6)
    x_t = torch.randn(1, 263, 24, generator=torch.Generator().manual_seed(0))
    plain, guided = (load_prior(models["trained"], guidance=g) for g in (1.0, 2.5))
    label, none = (plain.condition(prompt) for prompt in ("walking", ""))
    with_label, without = (plain.predict(x_t, level, (c,)).x0 for c in (label, none))
    assert (with_label - without).abs().max() > 1e-4
    found = guided.predict_guided(x_t, level, (label,)).x0
    torch.testing.assert_close(found, without + 2.5 * (with_label - without), atol=1e-5, rtol=0)
    assert (plain.guided_rows, guided.guided_rows) == (1, 2)


def test_published_predictions_are_clipped_at_six_deviations(models: dict[str, Path]) -> None:
    level = Level(999.0, 1e-4, 1.0)
    found = load_prior(models["gmd"]).predict(1e4 * torch.ones(1, 263, 24), level, None)
    assert found.x0.abs().max() <= 6
    torch.testing.assert_close(1e-4 * found.x0 + found.eps, 1e4 * torch.ones(1, 263, 24))


def test_the_shipped_model_is_small_and_knows_actions() -> None:
    from importlib.resources import files

    folder = Path(str(files("alm_motion"))) / "models" / "cmu"
    assert (folder / "model.safetensors").stat().st_size < 16 * 2**20
    assert (folder / "README.md").is_file()
    with pytest.raises(ValueError, match=r"it knows .*walking"):
        load_prior().condition("flying")


def test_the_exemplar_prior_fills_a_rhythm_with_the_rhythm() -> None:
    clip = walker.clip(frames=360)
    result = complete(clip, [slice(0, 150), slice(210, None)], prior=Exemplar(), pin_feet=False)
    from alm_motion.clips import joints_of_clip

    made, true = (joints_of_clip(each)[150:210] for each in (result.clips[0], clip))
    still = np.repeat(joints_of_clip(clip)[149:150], 60, 0)
    local = [each - each[:, :1] for each in (made, true, still)]
    assert np.linalg.norm(local[0] - local[1], axis=2).mean() < np.linalg.norm(local[2] - local[1], axis=2).mean()


@pytest.mark.parametrize(
    ("spoil", "kind", "said"),
    [
        (lambda p: (p.parent / "args.json").unlink(), FileNotFoundError, "wants the args.json"),
        (lambda p: (p.parent / "Mean_abs_3d.npy").unlink(), FileNotFoundError, "wants Mean_abs_3d.npy beside it"),
        (lambda p: np.save(p.parent / "Std_abs_3d.npy", np.ones(3)), ValueError, "of shape (263,), got (3,)"),
        (lambda p: p.write_bytes(b"x"), ValueError, "is not a checkpoint of tensors"),
        (lambda p: torch.save({"model_avg": {"a.weight": torch.zeros(1)}}, p), ValueError, "missing embed_timestep"),
        (lambda p: _argue(p, latent_dim=32), ValueError, "of another shape"),
        (lambda p: _argue(p, latent_dim=100), ValueError, "a width must be a multiple of 8 at every level, got 100"),
        (lambda p: _argue(p, dim_mults=[2, -1]), ValueError, "a multiple of 8 at every level, got -16"),
        (lambda p: _argue(p, dim_mults=None), ValueError, "describes no network"),
        (lambda p: _argue(p, arch="unet_large"), ValueError, "the U-Net ('unet') is wanted"),
        (lambda p: _argue(p, traj_only=True), ValueError, "is of traj_only"),
        (lambda p: _argue(p, dataset="kit"), ValueError, "was trained on kit"),
        (lambda p: _argue(p, arch="trans_dec"), ValueError, "trans_enc"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(
    spoil: Callable[[Path], None], kind: type[Exception], said: str, tmp_path: Path
) -> None:
    path = tiny_motion.published(tmp_path / "m")
    spoil(path)
    with pytest.raises(kind, match=re.escape(said)):
        load_prior(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mean": [0.0] * 20}, "mean must be 263 finite numbers, got the shape (20,)"),
        ({"mean": [[0.0], []]}, "config.json is not that of a model"),
        ({"mean": [0.0] * 262 + [float("nan")]}, "mean must be 263 finite numbers"),
        ({"std": [0.0] * 263}, "std must be 263 finite numbers above 0"),
        ({"actions": ["walking"]}, "the network knows 2 actions, and 1 have names"),
        ({"network": {"actions": -2}}, "actions must be a whole number of 0 or more, got -2"),
        ({"network": {"width": 12}}, "a width must be a multiple of 8 at every level, got 12"),
        ({"network": {"width": 24.0}}, "width must be a whole number of 1 or more, got 24.0"),
        ({"network": {"width": 32}}, "of another shape"),
        ({"network": {"multipliers": [1] * 6}}, "1 to 4 multipliers of the width are wanted, got 6"),
        ({"network": {"channels": 100}}, "67 or 263 channels"),
        ({"network": {"frames": 100}}, "frames must be null, or a multiple of 8"),
        ({"network": {"colour": 1}}, "unknown keys colour"),
        ({"predicts": "noise"}, "is not that of a model"),
    ],
)
def test_a_folder_whose_numbers_do_not_fit_is_refused_in_one_line(
    change: dict[str, dict[str, object]], said: str, tmp_path: Path
) -> None:
    folder = tiny_motion.trained(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    if "network" in change:
        change = {"network": {**config["network"], **change["network"]}}
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ValueError, match=re.escape(said)) as found:
        load_prior(folder)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("size", [0, 4, 200, -9])
def test_cut_weights_are_refused_in_one_line(size: int, tmp_path: Path) -> None:
    weights = tiny_motion.trained(tmp_path / "m") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be read \(.*\): fetch or train") as found:
        load_prior(tmp_path / "m")
    assert "\n" not in str(found.value)


def test_guidance_of_a_model_that_reads_no_prompt_is_refused(models: dict[str, Path], tmp_path: Path) -> None:
    folder = tiny_motion.trained(tmp_path / "m")
    weights, config = load_file(folder / "model.safetensors"), json.loads((folder / "config.json").read_text())
    config |= {"actions": [], "network": {**config["network"], "actions": 0}}
    save_file({k: v for k, v in weights.items() if "embed_action" not in k}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    for path in (models["condmdi"], folder):
        with pytest.raises(
            ValueError, match=r"reads no prompt, so that nothing guides it, got 2\.5: leave guidance out"
        ):
            load_prior(path, guidance=2.5)
        assert load_prior(path, guidance=1.0).guided_rows == 1
    with pytest.raises(ValueError, match="takes no prompt, got 'walking'"):
        load_prior(folder).condition("walking")


def test_more_steps_than_there_are_are_refused(models: dict[str, Path]) -> None:
    for name, most in (("trained", 1000 - LOWEST), ("gmd", 1000), ("mdm", 50)):
        prior = load_prior(models[name])
        assert len(prior.schedule(most).levels) == most + 1
        with pytest.raises(ValueError, match=f"between 1 and {most} steps, got {most + 1}"):
            prior.schedule(most + 1)


def test_the_usual_steps_are_no_more_than_there_are(tmp_path: Path) -> None:
    prior = load_prior(tiny_motion.mdm(tmp_path / "m", diffusion_steps=20))
    assert prior.defaults.steps == 20


def _argue(path: Path, **arguments: object) -> None:
    file = path.parent / "args.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **arguments}))


def test_missing_and_unknown_keys_are_named_ten_at_most(tmp_path: Path) -> None:
    path = tiny_motion.published(tmp_path / "m")
    state = torch.load(path, weights_only=True)["model_avg"]
    kept = {f"other.{n}": torch.zeros(1) for n in range(14)} | dict(list(state.items())[:20])
    torch.save({"model_avg": kept}, path)
    with pytest.raises(
        ValueError, match=r"missing (\S+, ){9}\S+ and \d+ more; unknown (other\.\d+, ){9}other\.\d+ and 4 more"
    ):
        load_prior(path)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no model nowhere"):
        load_prior("nowhere")
    with pytest.raises(FileNotFoundError, match=r"neither config\.json nor a \.pt"):
        load_prior(tmp_path)
    (tmp_path / "a.bin").write_bytes(b"")
    with pytest.raises(ValueError, match=r"is no \.pt checkpoint"):
        load_prior(tmp_path / "a.bin")
    folder = tiny_motion.trained(tmp_path / "m")
    (folder / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="is not that of a model of alm-motion"):
        load_prior(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"no model\.safetensors"):
        load_prior(folder)
    with pytest.raises(ValueError, match="has no network"):
        load_prior("exemplar", guidance=2.0)
    with pytest.raises(ValueError, match="does not use a prompt"):
        load_prior("exemplar").condition("walk")


def test_too_little_is_told_for_the_exemplar_prior() -> None:
    with pytest.raises(ValueError, match="too little is kept for the exemplar prior"):
        complete(walker.clip(frames=150), [0, 149], prior=load_prior("exemplar"))


def test_single_joints_are_refused_where_a_model_takes_whole_frames(models: dict[str, Path]) -> None:
    keep = np.ones((150, 22), bool)
    keep[40:90, 20] = False
    for name in (models["gmd mixed"], "exemplar"):
        with pytest.raises(ValueError, match="mixes the channels of a frame"):
            complete(walker.clip(frames=150), keep, prior=load_prior(name))


def test_a_relative_model_is_carried_to_where_the_clip_goes_on(models: dict[str, Path]) -> None:
    prior: MotionPrior = load_prior(models["mdm"])
    result = complete(
        walker.clip(frames=240), [slice(0, 60), slice(180, None)], prior=prior, steps=4, method=SyncSDE(3.0)
    )
    steps = np.linalg.norm(np.diff(result.clips[0].positions()[:, 0], axis=0), axis=1)
    assert steps[[59, 179]].max() < max(0.08, 1.5 * steps[62:177].max())
