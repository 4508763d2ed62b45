"""Example pictures as prompts: the laws of a prior, which pictures a prompt names, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from alm_core import Conditions, Noise
from alm_core.exemplar import ExemplarPrior
from alm_core.testing import check_prior
from alm_image import Hard, inpaint, load_prior
from alm_image.priors import ImagePrior
from alm_image.priors import examples as module
from alm_image.priors.examples import Examples, pictures_of
from PIL import Image
from torch import Tensor

COLOURS = {"red": (210, 40, 50), "blue": (30, 60, 200), "red+blue": (40, 200, 60)}


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with pictures of one grainy colour each."""
    for number, (name, colour) in enumerate(COLOURS.items()):
        grain = np.random.default_rng(number).integers(-15, 15, (10, 11, 3))
        Image.fromarray((np.array(colour) + grain).astype(np.uint8)).save(tmp_path / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_obeys_the_laws_of_a_prior(shown: Path) -> None:
    prior = Examples()
    conditions = (prior.condition("red.png", "", 9, 12), prior.condition("blue.png", "", 9, 12))
    check_prior(prior, prior.schedule(5), prior.state_shape(9, 12), conditions=conditions)


def test_a_row_is_made_of_the_pictures_that_its_condition_names(shown: Path) -> None:
    prior = Examples()
    level = prior.schedule(5).levels[1]
    x = Noise.batch(0, 1).draw((3, 9, 12)).repeat(3, 1, 1, 1)
    told = tuple(prior.condition(prompt, "", 9, 12) for prompt in ("red.png", "blue.png", "red.png + blue.png"))
    means = prior.predict(x, level, told).x0.mean((2, 3))
    shades = {name: torch.tensor(colour) / 127.5 - 1 for name, colour in COLOURS.items()}
    torch.testing.assert_close(means[0], shades["red"], atol=0.06, rtol=0)
    torch.testing.assert_close(means[1], shades["blue"], atol=0.06, rtol=0)
    between = torch.stack([shades["red"], shades["blue"]])
    assert bool((means[2] >= between.amin(0) - 0.06).all() and (means[2] <= between.amax(0) + 0.06).all())


def test_rows_of_one_condition_share_a_call(shown: Path) -> None:
    asked: list[int] = []

    class Watched(ExemplarPrior):
        def predict(self, x_t: Tensor, level: object, conditions: Conditions) -> object:  # type: ignore[override]
            asked.append(len(x_t))
            return super().predict(x_t, level, conditions)  # type: ignore[arg-type]

    blank = torch.zeros(1, 3, 6, 6)
    one, other = (Watched(blank, torch.ones_like(blank), examples=[torch.rand(3, 8, 8)]) for _ in range(2))
    prior, x = Examples(), Noise.batch(3, 4).draw((3, 6, 6))
    level = prior.schedule(4).levels[1]
    together = prior.predict_guided(x, level, (one, other, one, one))
    assert asked == [3, 1]
    for row, density in enumerate((one, other, one, one)):
        torch.testing.assert_close(together.x0[row], prior.predict(x[row : row + 1], level, (density,)).x0[0])


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("red.png", ["red.png"]),
        (" red.png+ blue.png ", ["red.png", "blue.png"]),
        ("red.png+blue.png+red.png", ["red.png", "blue.png"]),
        ("red+blue.png", ["red+blue.png"]),
        ("", []),
        (" + ", []),
        ("x" * 5000, ["x" * 5000]),
    ],
)
def test_a_prompt_names_pictures_each_once(shown: Path, prompt: str, names: list[str]) -> None:
    assert pictures_of(prompt) == names


def test_a_picture_named_twice_is_read_and_prepared_once(shown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = module.read_picture
    monkeypatch.setattr(module, "read_picture", lambda name: read.append(name) or real(name))
    prior, level = Examples(), Examples().schedule(3).levels[1]
    twice, once = (prior.condition(prompt, "", 6, 6) for prompt in ("blue.png+blue.png", "blue.png"))
    assert read == ["blue.png", "blue.png"]
    x = Noise.batch(0, 1).draw((3, 6, 6))
    assert torch.equal(prior.predict(x, level, (twice,)).x0, prior.predict(x, level, (once,)).x0)


@pytest.mark.parametrize(("side", "patch"), [(2, 3), (3, 3), (5, 5), (6, 5), (7, 7), (40, 7)])
def test_patches_are_as_wide_as_the_smallest_picture_allows(
    shown: Path, monkeypatch: pytest.MonkeyPatch, side: int, patch: int
) -> None:
    used: list[int] = []
    real = module.ExemplarPrior

    def watch(*args: Tensor, **more: object) -> ExemplarPrior:
        used.append(more["patch"])  # type: ignore[arg-type]
        return real(*args, **more)  # type: ignore[arg-type]

    Image.new("RGB", (50, side), (9, 99, 200)).save("small.png")
    with monkeypatch.context() as patched:
        patched.setattr(module, "ExemplarPrior", watch)
        condition = Examples().condition("small.png+red.png", "", 8, 8)
    assert used == [patch]
    x = Noise.batch(0, 1).draw((3, 8, 8))
    assert bool(torch.isfinite(Examples().predict(x, Examples().schedule(3).levels[1], (condition,)).x0).all())


@pytest.mark.parametrize(
    ("prompt", "negative", "error", "reason"),
    [
        (
            "a beach",
            "",
            FileNotFoundError,
            "no picture 'a beach': give the name of one .* or name a text-to-image model",
        ),
        ("", "", ValueError, "give the name of a picture as the prompt, or name a text-to-image model"),
        ("red.png", "rain", ValueError, "no negative prompt, got 'rain'"),
        ("red.png+none.png", "", FileNotFoundError, r"no picture 'none.png'"),
        ("clear.png", "", ValueError, "clear.png has transparent parts"),
        ("words.png", "", ValueError, "cannot be read"),
        (".", "", ValueError, "is a folder"),
    ],
)
def test_what_is_no_picture_is_refused_with_what_to_do(
    shown: Path, prompt: str, negative: str, error: type[Exception], reason: str
) -> None:
    Image.new("RGBA", (9, 9)).save("clear.png")
    (shown / "words.png").write_text("not a picture")
    with pytest.raises(error, match=reason):
        Examples().condition(prompt, negative, 8, 8)


@pytest.mark.parametrize("conditions", [None, ("red.png", "red.png"), ()])
def test_rows_without_conditions_of_its_own_are_refused(conditions: Conditions) -> None:
    with pytest.raises(ValueError, match="one condition of this prior a row is wanted: got 0 for 2 rows"):
        Examples().predict(torch.zeros(2, 3, 6, 6), Examples().schedule(3).levels[1], conditions)


@pytest.mark.parametrize("name", ["exemplar", "examples"])
def test_weightless_models_have_no_options_of_networks(name: str) -> None:
    for option in ({"guidance": 3.0}, {"dtype": "float16"}, {"vae_tiling": True}, {"variant": "fp16"}):
        with pytest.raises(ValueError, match=f"the model '{name}' has no network: leave out guidance"):
            load_prior(name, **option)  # type: ignore[arg-type]
    prior: ImagePrior = load_prior(name, guidance=1)
    assert (prior.guided_rows, prior.multiple, prior.windowed, prior.fixed_size) == (1, 1, False, False)
    x = torch.rand(1, 3, 5, 6)
    assert torch.equal(prior.encode(x), x)
    assert torch.equal(prior.decode(x), x)
    assert prior.state_shape(5, 6) == (3, 5, 6)


def test_a_hole_is_filled_from_examples(shown: Path) -> None:
    source, mask = Image.new("RGB", (16, 16), (128, 128, 128)), Image.new("L", (16, 16))
    mask.paste(255, (4, 4, 12, 12))
    made = inpaint(source, mask, prior=Examples(), prompt="blue.png", steps=6, blend=Hard()).images[0]
    inside = np.asarray(made)[4:12, 4:12].mean((0, 1))
    assert np.abs(inside - COLOURS["blue"]).max() < 25
