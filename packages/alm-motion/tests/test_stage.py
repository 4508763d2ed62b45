"""The stage: a clip's joints on the model's grid, and back."""

import numpy as np
import pytest
import walker
from alm_motion.clips import joints_of_clip
from alm_motion.stage import Stage


@pytest.mark.parametrize("fps", [20.0, 24.0, 25.0, 29.97, 30.0, 59.94, 60.0, 120.0, 1 / 0.033333, 1 / 0.0083333])
def test_a_gap_begins_on_the_grid_and_nothing_of_the_clip_is_lost(fps: float) -> None:
    joints = joints_of_clip(walker.clip(frames=round(4 * fps), fps=fps))
    for gap in range(round(fps), round(2 * fps)):
        given = np.ones((len(joints), 22), bool)
        given[gap : gap + round(fps)] = False
        stage = Stage.of(joints, given, fps)
        assert np.abs(stage.grid - (gap - 1) / fps).min() < 1e-3
        assert stage.grid[0] < 1 / 20
        assert stage.times[-1] - stage.grid[-1] < 1 / 20 + 1e-3
        inside = (stage.grid > (gap - 0.98) / fps) & (stage.grid < (gap + round(fps) - 0.02) / fps)
        assert not stage.given[inside].any()


@pytest.mark.parametrize("fps", [20.0, 60.0])
def test_given_joints_come_back(fps: float) -> None:
    joints = joints_of_clip(walker.clip(frames=round(3 * fps), fps=fps))
    given = np.ones((len(joints), 22), bool)
    given[round(fps) : round(2 * fps)] = False
    stage = Stage.of(joints, given, fps)
    back = stage.back(stage.fitted.forth(joints)[np.rint(stage.grid * fps).astype(int)])
    assert np.linalg.norm(back - joints, axis=2)[given].max() < 0.01


def test_a_clip_shorter_than_a_frame_of_the_model_has_two_points() -> None:
    joints = joints_of_clip(walker.clip(frames=3))
    given = np.ones((3, 22), bool)
    given[1] = False
    assert len(Stage.of(joints, given, 60.0).grid) == 2
