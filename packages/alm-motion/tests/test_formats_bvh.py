"""BVH: what is read is written back, to the number; rotations by hand; what is broken is told with its line."""

import math
import re

import numpy as np
import pytest
import walker
from alm_motion.formats import FormatError
from alm_motion.formats.bvh import Bvh, Node, parse_bvh, write_bvh
from scipy.spatial.transform import Rotation

SMALL = """HIERARCHY
ROOT hip
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation
  JOINT knee
  {
    OFFSET 0 -4 0.5
    CHANNELS 3 Yrotation Xrotation Zrotation
    End Site
    {
      OFFSET 0 -3 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.04
1 2 3 10 20 30 40 50 60
4 5 6 0 0 90 0 0 0
"""


def about(axis: str, degrees: float) -> np.ndarray:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array(
        {
            "X": [[1, 0, 0], [0, c, -s], [0, s, c]],
            "Y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
            "Z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
        }[axis]
    )


def test_the_first_named_rotation_is_outermost() -> None:
    rotations, translations = parse_bvh(SMALL).local()
    np.testing.assert_allclose(rotations[0, 0], about("Z", 10) @ about("Y", 20) @ about("X", 30), atol=1e-12)
    np.testing.assert_allclose(rotations[0, 1], about("Y", 40) @ about("X", 50) @ about("Z", 60), atol=1e-12)
    np.testing.assert_allclose(translations[:, 0], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_allclose(translations[:, 1], [[0, -4, 0.5]] * 2)


def test_names_offsets_ends_and_rate_are_read() -> None:
    bvh = parse_bvh(SMALL)
    assert [node.name for node in bvh.nodes] == ["hip", "knee", "knee_end"]
    assert [node.parent for node in bvh.nodes] == [-1, 0, 1]
    assert bvh.nodes[2].end
    assert bvh.frame_time == 0.04


def test_what_is_read_is_written_back_to_the_number() -> None:
    bvh = parse_bvh(SMALL)
    again = parse_bvh(write_bvh(bvh))
    assert again.nodes == bvh.nodes
    assert (again.values == bvh.values).all()
    assert again.frame_time == bvh.frame_time
    assert write_bvh(bvh).startswith(SMALL.partition("MOTION")[0].rstrip())


def test_a_hierarchy_without_its_own_text_is_written_and_read() -> None:
    made = walker.bvh(frames=3)
    again = parse_bvh(write_bvh(made))
    assert [(n.name, n.parent, n.channels) for n in again.nodes] == [(n.name, n.parent, n.channels) for n in made.nodes]
    np.testing.assert_array_equal(again.values, made.values)


def test_channels_of_rotations_turn_back_into_them_whatever_the_order() -> None:
    bvh = parse_bvh(SMALL)
    rotations = Rotation.random(20, random_state=3).as_matrix().reshape(10, 2, 3, 3)
    rotations = np.concatenate([rotations, np.tile(np.eye(3), (10, 1, 1, 1))], 1)
    moved = np.random.default_rng(1).normal(size=(10, 3, 3))
    moved[:, 1:] = [[0, -4, 0.5], [0, -3, 0]]
    values = bvh.channel_values(rotations, moved, np.zeros(9))
    again = parse_bvh(write_bvh(type(bvh)(bvh.nodes, values, 0.04)))
    found, shifts = again.local()
    np.testing.assert_allclose(found, rotations, atol=1e-9)
    np.testing.assert_allclose(shifts, moved, atol=1e-12)


def test_angles_run_on_from_the_frame_before() -> None:
    bvh = parse_bvh(SMALL)
    angles = np.linspace(0, 720, 73)
    rotations = np.tile(np.eye(3), (73, 3, 1, 1))
    rotations[:, 0] = Rotation.from_euler("Z", angles[:, None], degrees=True).as_matrix()
    values = bvh.channel_values(rotations, np.zeros((73, 3, 3)), np.zeros(9))
    np.testing.assert_allclose(values[:, 3], angles, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("HIERARCHY", "<xml>"), "does not begin with HIERARCHY"),
        (("MOTION", "NOTION"), "no MOTION"),
        (("Frames: 2", "Frames: 0"), "no frames"),
        (("Frames: 2", "Frames: 3"), "says Frames: 3 and has 2"),
        (("Frames: 2", "Frames: inf"), "line 17 is 'Frames: inf', wanted 'Frames:'"),
        (("Frames: 2", "Frames: nan"), "wanted 'Frames:'"),
        (("Frames: 2", "Frames: 2.5"), "wanted 'Frames:'"),
        (("Frame Time: 0.04", "Frame Time: inf"), "above 0 seconds"),
        (("JOINT knee", "JOINT left knee"), "line 6: a name is one word, before '{': got 'left' and then 'knee'"),
        (("Frame Time: 0.04", "Frame Time: 0"), "above 0 seconds"),
        (("Frame Time: 0.04", "Frame Time: soon"), "wanted 'Frame Time:'"),
        (("1 2 3 10", "1 2 nan 10"), "frame 0, hip Zposition is nan"),
        (("1 2 3 10", "1 2 10"), "line 19 has 8 numbers, and the skeleton 9"),
        (("1 2 3 10", "1 2 x 10"), "line 19"),
        (("Yrotation Xrotation Zrotation", "Yrotation Xrotation Wrotation"), "unknown channels Wrotation"),
        (("OFFSET 0 -4 0.5", "OFFSET 0 -4"), "line 9"),
        (("}\nMOTION", "\nMOTION"), "braces do not pair"),
        (("JOINT knee", "BONE knee"), "'BONE' is not known"),
    ],
)
def test_a_broken_file_is_told_with_its_place(change: tuple[str, str], said: str) -> None:
    with pytest.raises(FormatError, match=re.escape(said)):
        parse_bvh(SMALL.replace(*change, 1))


@pytest.mark.parametrize("change", [("\n", "\r\n"), (" ", "\t"), (": ", ":\t"), ("{\n", "{ \t\n")])
def test_other_line_ends_and_tabs_read_alike_and_lines_end_as_they_came(change: tuple[str, str]) -> None:
    changed = SMALL.replace(*change).replace("End\tSite", "End Site").replace("Frame\tTime", "Frame Time")
    found, plain = parse_bvh(changed), parse_bvh(SMALL)
    assert found.nodes == plain.nodes
    assert (found.values == plain.values).all()
    assert found.frame_time == plain.frame_time
    written = write_bvh(found)
    assert written.count("\n") == SMALL.count("\n")
    assert written.count("\r\n") == changed.count("\r\n")


def test_a_name_of_two_words_is_not_written() -> None:
    with pytest.raises(ValueError, match="one word, got 'left knee'"):
        write_bvh(Bvh((Node("left knee", -1, (0.0, 0.0, 0.0)),), np.empty((1, 0)), 0.1))
