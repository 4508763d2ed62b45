"""AnimateDiff against diffusers: whole runs of its pipeline, its FreeNoise, and the scheduler of a picture model."""

from typing import Any

import pytest
import torch
from alm_video.priors.animatediff import MotionNetwork, WindowedBlock, windowed
from alm_video.priors.folders import Turn
from diffusers import AnimateDiffPipeline, MotionAdapter
from tiny_video import folder, load, prior, run, state
from torch import Tensor

PROMPT, NEGATIVE = "a red boat on a lake", "grey"


def unet_of(name: str = "animatediff") -> Any:
    network = prior(name).network
    assert isinstance(network, MotionNetwork)
    return network.unet


def pipeline(name: str = "animatediff", **parts: Any) -> Any:
    pipe = AnimateDiffPipeline.from_pretrained(folder(name), **parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def of(pipe: Any, start: Tensor, steps: int) -> Tensor:
    side = 8 * start.shape[-1]
    frames: Tensor = pipe(
        PROMPT,
        num_frames=start.shape[2],
        height=side,
        width=side,
        num_inference_steps=steps,
        guidance_scale=3.5,
        negative_prompt=NEGATIVE,
        latents=start,
        output_type="latent",
    ).frames
    return frames


def test_our_loop_is_diffusers_own_pipeline() -> None:
    made = load("animatediff", guidance=3.5)
    start = state(made, frames=5, seed=7)
    wanted = of(pipeline(), start, 5)
    torch.testing.assert_close(run(made, 5, 5, PROMPT, NEGATIVE), wanted, atol=1e-4, rtol=1e-4)


def test_a_picture_model_with_an_adapter_is_the_network_of_both_at_the_levels_of_the_adapter() -> None:
    """Linear betas and a linspace grid, though the picture model's own are scaled_linear and leading."""
    made = load("stable_diffusion", guidance=3.5)
    schedule = made.schedule(4, 16, 16, 4)
    assert [level.t for level in schedule.levels] == [999, 666, 333, 0, 0]
    alphas = torch.cumprod(1 - torch.linspace(0.00085, 0.012, 1000, dtype=torch.float64), 0)
    for level in schedule.levels[:-1]:
        assert level.a**2 == pytest.approx(float(alphas[int(level.t)]), abs=1e-6)
    pipe = pipeline("stable_diffusion", motion_adapter=MotionAdapter.from_pretrained(folder("motion_adapter")))
    x = state(made, seed=7)
    with torch.no_grad():
        positive, negative = pipe.encode_prompt(PROMPT, "cpu", 1, True, NEGATIVE)
        states = torch.cat([negative, positive]).repeat_interleave(x.shape[2], 0)
        of_u, of_c = pipe.unet(torch.cat([x, x]), 666, encoder_hidden_states=states).sample.chunk(2)
    found = made.predict_guided(x, schedule.levels[1], (made.condition(PROMPT, NEGATIVE),))
    torch.testing.assert_close(found.eps, of_u + 3.5 * (of_c - of_u), atol=1e-4, rtol=1e-4)


def test_the_pipelines_own_scheduler_is_kept() -> None:
    """Its grid is leading: from index 1, in steps of 100."""
    levels = prior("animatediff").schedule(10, 64, 64, 16).levels
    assert [level.t for level in levels] == [*range(901, 0, -100), 0]
    assert levels[-1].s == 0


@pytest.mark.parametrize(("frames", "window", "stride"), [(12, 8, 4), (10, 4, 2), (9, 5, 2)])
def test_windows_that_fit_are_diffusers_own_freenoise(frames: int, window: int, stride: int) -> None:
    pipe = pipeline()
    pipe.enable_free_noise(context_length=window, context_stride=stride, weighting_scheme="pyramid")
    made = prior("animatediff")
    start = state(made, frames=frames)
    states = made.condition(PROMPT, "").positive[0][None]
    with torch.no_grad():
        wanted = pipe.unet(start, 301, encoder_hidden_states=states.repeat_interleave(frames, 0)).sample
        found = made.fused(window, stride).network(start, 301.0, (states,))  # type: ignore[attr-defined]
        plain = made.network(start, 301.0, (states,))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    assert (found - plain).abs().max() > 1e-3


def test_a_last_window_that_does_not_fit_is_mixed_as_the_others_are() -> None:
    """Of 7 frames in windows of 4 by 2 the last begins with frame 3; frame 3 is in all three."""
    block = next(
        part for name, part in unet_of().named_modules() if name.endswith("transformer_blocks.0") and "mot" in name
    )
    x = torch.randn(3, 7, block.norm1.normalized_shape[0])
    with torch.no_grad():
        found = WindowedBlock(block, 4, 2)(x)
        lone = WindowedBlock(block, 4, 2)._attend
        pieces = [lone(x[:, start : start + 4]) for start in (0, 2, 3)]
        mixed = (1 * pieces[0][:, 3] + 2 * pieces[1][:, 1] + 1 * pieces[2][:, 0]) / 4
        wanted = mixed + block.ff(block.norm3(mixed))
        torch.testing.assert_close(found[:, 3], wanted, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(WindowedBlock(block, 7, 3)(x), block(x), atol=0, rtol=0)


def test_windows_share_the_weights_and_leave_the_plain_model_alone() -> None:
    made = prior("animatediff")
    x, level, conditions = state(made, frames=8), made.schedule(5, 16, 16, 8).levels[2], (made.condition(PROMPT, ""),)
    before = made.predict(x, level, conditions).eps
    fused = made.fused(4, 2)
    other = fused.network.unet  # type: ignore[attr-defined]
    own = {id(parameter) for parameter in unet_of().parameters()}
    assert {id(parameter) for parameter in other.parameters()} == own
    assert {id(buffer) for buffer in other.buffers()} == {id(buffer) for buffer in unet_of().buffers()}
    assert not any(isinstance(part, WindowedBlock) for part in unet_of().modules())
    assert sum(isinstance(part, WindowedBlock) for part in other.modules()) == 7
    after = fused.predict(x, level, conditions).eps
    torch.testing.assert_close(made.predict(x, level, conditions).eps, before, atol=0, rtol=0)
    assert (after - before).abs().max() > 1e-3


def test_as_few_frames_as_a_window_are_the_plain_model() -> None:
    made = prior("animatediff")
    x, level, conditions = state(made, frames=8), made.schedule(5, 16, 16, 8).levels[2], (made.condition(PROMPT, ""),)
    for window in (8, 16):
        found = made.fused(window, 4).predict(x, level, conditions).eps
        torch.testing.assert_close(found, made.predict(x, level, conditions).eps, atol=0, rtol=0)


@pytest.mark.parametrize(("window", "stride"), [(25, 8), (8, 9), (8, 0), (0, 0)])
def test_windows_that_cannot_be_are_refused(window: int, stride: int) -> None:
    with pytest.raises(ValueError, match=rf"of 1 to 24 frames.*got a window of {window} and a stride of {stride}"):
        prior("animatediff").fused(window, stride)


def test_offloaded_windows_move_with_the_plain_model() -> None:
    """The hook is one, and it moves the modules that both have."""
    from accelerate.hooks import add_hook_to_module

    made = load("animatediff")
    unet, asked = made.network.unet, []  # type: ignore[attr-defined]

    class Noted(Turn):
        def pre_forward(self, module: torch.nn.Module, *args: Any, **named: Any) -> tuple[Any, Any]:
            asked.append(module)
            return super().pre_forward(module, *args, **named)

    hook = Noted(unet, [], torch.device("cpu"))
    add_hook_to_module(unet, hook)
    other = windowed(unet, 4, 2)
    x, states = state(made, frames=8), (made.condition(PROMPT, "").positive[0][None],)
    with torch.no_grad():
        found = MotionNetwork(other)(x, 301.0, states)
        wanted = prior("animatediff").fused(4, 2).network(x, 301.0, states)  # type: ignore[attr-defined]
    torch.testing.assert_close(found, wanted)
    assert other._hf_hook is hook
    assert asked == [other]
    unet.to(torch.float64)
    assert {parameter.dtype for parameter in other.parameters()} == {torch.float64}
    assert {buffer.dtype for buffer in other.buffers()} == {torch.float64}


def test_slicing_changes_nothing_but_the_way() -> None:
    plain, sliced = prior("animatediff"), load("animatediff", attention="slicing")
    x, level = state(plain), plain.schedule(5, 16, 16, 4).levels[2]
    found = [made.predict(x, level, (made.condition(PROMPT, ""),)).eps for made in (plain, sliced)]
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-5)
