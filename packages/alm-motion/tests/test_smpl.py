import pickle
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from alm_motion.retarget import lengths_of
from alm_motion.skeleton import BONES, NAMES, PARENTS
from alm_motion.smpl import (
    SmplPoses,
    fit_betas,
    posed,
    rest_joints,
    to_joints,
    to_poses,
    to_y_up,
    to_z_up,
)
from alm_motion.smpl_files import JOINTS, Body, read_body
from scipy import sparse
from scipy.spatial.transform import Rotation

J = {name: index for index, name in enumerate(NAMES.split())}
KINDS = tuple(JOINTS)
SINGLE = [joint for joint in range(22) if PARENTS.count(joint) == 1]
LEAVES = [joint for joint in range(22) if PARENTS.count(joint) == 0]


def kintree(count):
    """The 22, and then joints in rows of three from the wrists (from the head for SMPL-X's first three)."""
    parents = list(PARENTS)
    if count == 55:
        parents += [15, 15, 15]
    fingers = (count - len(parents)) // 2
    for wrist in (20, 21):
        for finger in range(fingers):
            parents.append(wrist if finger % 3 == 0 else len(parents) - 1)
    return tuple(parents)


def arrays(kind, *, betas=10, seed=3):
    """A model's arrays as files name them: four vertices about each joint, and everything random."""
    draw = np.random.default_rng(seed)
    parents = kintree(JOINTS[kind])
    joints = rest_joints(kind) + draw.normal(0, 0.01, (22, 3))
    for parent in parents[22:]:
        joints = np.concatenate([joints, joints[[parent]] + draw.normal(0, 0.05, 3)])
    count = len(parents)
    regressor = np.kron(np.eye(count), np.full(4, 0.25)) + draw.uniform(0, 1e-3, (count, 4 * count))
    weights = draw.uniform(0, 1, (4 * count, count)) ** 8 + np.kron(np.eye(count), np.ones((4, 1)))
    return {
        "v_template": np.repeat(joints, 4, 0) + draw.normal(0, 0.03, (4 * count, 3)),
        "shapedirs": draw.normal(0, 0.02, (4 * count, 3, betas)),
        "posedirs": draw.normal(0, 0.001, (4 * count, 3, 9 * (count - 1))),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "weights": weights / weights.sum(1, keepdims=True),
        "f": draw.integers(0, 4 * count, (30, 3)).astype(np.uint32),
        "kintree_table": np.array([[2**32 - 1, *parents[1:]], range(count)], np.uint32),
    }


def body(kind, **options):
    made = arrays(kind, **options)
    parents = (-1, *made["kintree_table"][0, 1:].tolist())
    faces = made["f"].astype(np.int64)
    first = [made[key] for key in ("v_template", "shapedirs", "posedirs", "J_regressor", "weights")]
    return Body(*first, faces, parents)


def some_poses(kind, *, frames=7, seed=5, size=0.6, betas=10):
    draw = np.random.default_rng(seed)
    poses = draw.normal(0, size, (frames, 3 * JOINTS[kind]))
    return SmplPoses(poses, draw.normal(0, 2, (frames, 3)), draw.normal(0, 1, betas), kind)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def degrees_between(u, v):
    return np.degrees(np.arccos((unit(u) * unit(v)).sum(-1)))


# ---- the rest, and there and back ----


def test_the_default_body_stands_with_its_arms_out_and_its_legs_down_on_humanml3ds_bones():
    rest = rest_joints("smplh")
    bones = rest[1:] - rest[list(PARENTS[1:])]
    np.testing.assert_allclose(np.linalg.norm(bones, axis=1), BONES[1:], atol=1e-12)
    for side, sign in (("left", 1), ("right", -1)):
        for bone in ("elbow", "wrist"):
            np.testing.assert_allclose(unit(bones[J[f"{side}_{bone}"] - 1]), [sign, 0, 0], atol=1e-12)
        for bone in ("knee", "ankle"):
            np.testing.assert_allclose(unit(bones[J[f"{side}_{bone}"] - 1]), [0, -1, 0], atol=1e-12)
        assert bones[J[f"{side}_foot"] - 1, 2] > 0.1
    assert bones[J["spine1"] - 1, 2] < 0 < bones[J["head"] - 1, 2]
    # as measured on 012314 of HumanML3D, whose pelvis and chest are rigid
    for one, other, angle in (
        ("left_hip", "right_hip", 68.9),
        ("left_hip", "spine1", 143.3),
        ("right_hip", "spine1", 141.2),
        ("neck", "left_collar", 31.3),
        ("left_collar", "right_collar", 61.5),
    ):
        assert abs(degrees_between(bones[J[one] - 1], bones[J[other] - 1]) - angle) < 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_body_at_rest_has_no_turns_and_stands_where_its_pelvis_is(kind):
    rest = rest_joints(kind)
    found = to_poses(rest[None] + [3.0, 1.0, -2.0], kind=kind)
    assert found.poses.shape == (1, 3 * JOINTS[kind])
    np.testing.assert_allclose(found.poses, 0, atol=1e-9)
    np.testing.assert_allclose(found.trans, [[3.0, 1.0, -2.0]], atol=1e-12)


def test_a_turn_of_the_whole_body_is_the_pelvis_alone():
    rest = rest_joints("smplh")
    turn = np.array([0.4, -1.1, 0.7])
    found = to_poses((rest @ Rotation.from_rotvec(turn).as_matrix().T)[None])
    np.testing.assert_allclose(found.poses[0, :3], turn, atol=1e-9)
    np.testing.assert_allclose(found.poses[0, 3:], 0, atol=1e-9)


def test_joints_are_placed_by_the_equation():
    poses = some_poses("smplh")
    rest = rest_joints("smplh")
    found = to_joints(poses)
    for frame in range(7):
        turned, placed = {}, {}
        for joint, parent in enumerate(PARENTS):
            local = Rotation.from_rotvec(poses.poses[frame, 3 * joint : 3 * joint + 3]).as_matrix()
            if joint == 0:
                turned[0], placed[0] = local, rest[0] + poses.trans[frame]
                continue
            placed[joint] = placed[parent] + turned[parent] @ (rest[joint] - rest[parent])
            turned[joint] = turned[parent] @ local
        np.testing.assert_allclose(found[frame], [placed[joint] for joint in range(22)], atol=1e-9)


def test_a_bent_elbow_is_one_turn_about_the_axis_that_it_bends_in():
    rest = rest_joints("smpl")
    bent = rest.copy()
    forearm = BONES[J["left_wrist"]]
    bent[J["left_wrist"]] = bent[J["left_elbow"]] + forearm * np.array([np.cos(1.2), 0, np.sin(1.2)])
    wanted = np.zeros((24, 3))
    wanted[J["left_elbow"]] = [0, -1.2, 0]
    np.testing.assert_allclose(to_poses(bent[None], kind="smpl").poses[0], wanted.ravel(), atol=1e-9)


@pytest.mark.parametrize("with_model", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_poses_to_joints_and_back_give_the_same_joints(kind, with_model):
    model = body(kind) if with_model else None
    poses = some_poses(kind, frames=40)
    joints = to_joints(poses, model=model)
    back = to_poses(joints, model=model, kind=kind, betas=poses.betas)
    np.testing.assert_allclose(to_joints(back, model=model), joints, atol=1e-6)
    np.testing.assert_allclose(back.trans, poses.trans, atol=1e-9)
    again = to_poses(to_joints(back, model=model), model=model, kind=kind, betas=poses.betas)
    np.testing.assert_allclose(again.rotations(), back.rotations(), atol=1e-6)


def test_bones_of_other_lengths_keep_their_directions_where_one_bone_leaves_a_joint():
    draw = np.random.default_rng(8)
    joints = to_joints(some_poses("smplh"))
    longer = joints.copy()
    for joint, parent in enumerate(PARENTS[1:], 1):
        longer[:, joint] = longer[:, parent] + draw.uniform(0.6, 1.5) * (joints[:, joint] - joints[:, parent])
    found = to_joints(to_poses(longer))
    for parent in SINGLE:
        joint = PARENTS.index(parent)
        wanted, got = longer[:, joint] - longer[:, parent], found[:, joint] - found[:, parent]
        np.testing.assert_allclose(unit(got), unit(wanted), atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(got, axis=1), BONES[joint], atol=1e-9)
    np.testing.assert_allclose(found[:, 0], longer[:, 0], atol=1e-12)


def test_single_bones_are_not_twisted_and_the_ends_are_not_turned():
    rest = rest_joints("smplh")
    vectors = to_poses(to_joints(some_poses("smplh"))).poses.reshape(7, 52, 3)
    for joint in SINGLE:
        bone = unit(rest[PARENTS.index(joint)] - rest[joint])
        np.testing.assert_allclose(vectors[:, joint] @ bone, 0, atol=1e-9)
        assert np.linalg.norm(vectors[:, joint], axis=1).min() > 0.01
    for joint in (*LEAVES, *range(22, 52)):
        np.testing.assert_allclose(vectors[:, joint], 0, atol=1e-12)


def test_the_pelvis_turns_as_near_to_its_three_bones_as_any_rotation_can():
    draw = np.random.default_rng(2)
    joints = to_joints(some_poses("smplh", frames=4))
    joints[:, 1:4] += draw.normal(0, 0.03, (4, 3, 3))  # no longer rigid
    rest = rest_joints("smplh")
    u, v = unit(rest[1:4] - rest[0]), unit(joints[:, 1:4] - joints[:, [0]])

    def off(rotations):
        return np.square(np.einsum("fij,kj->fki", rotations, u) - v).sum((1, 2))

    found = to_poses(joints).rotations()[:, 0]
    np.testing.assert_allclose(np.linalg.det(found), 1, atol=1e-9)
    for size in (1e-3, 0.1, 1, 3):
        for _ in range(50):
            assert (off(Rotation.from_rotvec(draw.normal(0, size, (4, 3))).as_matrix() @ found) >= off(found)).all()


@pytest.mark.parametrize(("joint", "axis"), [("knee", [1, 0, 0]), ("elbow", [0, 1, 0])])
def test_a_limb_folded_wholly_back_is_half_a_turn_about_the_axis_that_it_bends_in(joint, axis):
    rest = rest_joints("smpl")
    folded = rest.copy()
    middle = J[f"left_{joint}"]
    end = PARENTS.index(middle)
    folded[end] = 2 * rest[middle] - rest[end]
    if joint == "knee":
        folded[J["left_foot"]] = folded[end] + (rest[J["left_foot"]] - rest[end])
    found = to_poses(folded[None], kind="smpl")
    np.testing.assert_allclose(np.abs(found.poses[0, 3 * middle : 3 * middle + 3]), np.pi * np.array(axis), atol=1e-6)
    np.testing.assert_allclose(to_joints(found)[0], folded, atol=1e-6)


def test_a_body_that_spins_three_times_jumps_in_its_numbers_once_a_turn_and_nowhere_else():
    angles = np.linspace(0, 6 * np.pi, 200)
    joints = np.stack([rest_joints("smplh") @ Rotation.from_rotvec([0, a, 0]).as_matrix().T for a in angles])
    found = to_poses(joints)
    step = angles[1]
    jumps = np.diff(found.poses[:, 1])
    np.testing.assert_allclose(np.minimum(np.abs(jumps - step), np.abs(jumps - step + 2 * np.pi)), 0, atol=1e-6)
    assert (jumps < 0).sum() == 3
    assert 1.5 * np.pi - step < found.poses[:, 1].max() <= 1.5 * np.pi
    np.testing.assert_allclose(to_joints(found), joints, atol=1e-6)


def test_a_smooth_motion_has_smooth_poses():
    time = np.linspace(0, 4, 400)[:, None, None]
    draw = np.random.default_rng(4)
    rate, start = draw.uniform(0.5, 2, (1, 52, 3)), draw.uniform(0, 6, (1, 52, 3))
    vectors = 0.5 * np.sin(rate * time + start)
    vectors[:, 0] = [0, 3.1, 0] + 0.4 * np.sin(3 * time[:, 0] + start[:, 0])  # facing back: about half a turn
    joints = to_joints(SmplPoses(vectors.reshape(400, -1), np.zeros((400, 3)), np.zeros(10)))
    found = to_poses(joints).poses.reshape(400, 52, 3)
    assert np.abs(np.diff(found, axis=0)).max() < 0.1
    assert np.linalg.norm(found[:, 0], axis=1).max() > np.pi


# ---- Z up and Y up ----


@pytest.mark.parametrize("with_model", [False, True])
def test_a_file_with_z_up_becomes_one_with_y_up_and_back(with_model):
    model = body("smplh") if with_model else None
    poses = some_poses("smplh")
    found = to_y_up(poses, model=model)
    before, after = to_joints(poses, model=model), to_joints(found, model=model)
    np.testing.assert_allclose(after, np.stack([before[..., 0], before[..., 2], -before[..., 1]], -1), atol=1e-9)
    np.testing.assert_array_equal(found.poses[:, 3:], poses.poses[:, 3:])
    back = to_z_up(found, model=model)
    np.testing.assert_allclose(back.rotations(), poses.rotations(), atol=1e-9)
    np.testing.assert_allclose(back.trans, poses.trans, atol=1e-9)


# ---- shape ----


def test_the_betas_of_measured_bones_give_bodies_of_such_bones():
    model = body("smplh", betas=16)
    betas = np.random.default_rng(6).normal(0, 1, 10)
    wanted = lengths_of(to_joints(replace(some_poses("smplh"), betas=betas), model=model))
    found = fit_betas(wanted, model, spread=1e-5)
    got = lengths_of(model.joints(found)[None, :22])
    assert found.shape == (10,)
    np.testing.assert_allclose(got, wanted, atol=1e-4)
    assert np.abs(lengths_of(model.joints(np.zeros(0))[None, :22]) - wanted).max() > 0.01


def test_the_betas_are_at_the_least_of_the_equation():
    model = body("smpl")
    draw = np.random.default_rng(7)
    lengths = lengths_of(model.joints(draw.normal(0, 1, 10))[None, :22]) * draw.uniform(0.9, 1.1, 22)

    def cost(betas, spread):
        joints = model.joints(betas)
        total = sum(float(b) ** 2 for b in betas)
        for joint, parent in enumerate(PARENTS[1:], 1):
            total += ((np.linalg.norm(joints[joint] - joints[parent]) - lengths[joint]) / spread) ** 2
        return total

    for spread in (0.004, 0.03):
        found = fit_betas(lengths, model, spread=spread)
        for step in np.concatenate([np.eye(10), -np.eye(10)]) * 1e-3:
            assert cost(found + step, spread) > cost(found, spread)
    assert np.linalg.norm(found) < np.linalg.norm(fit_betas(lengths, model, spread=0.004))


# ---- files ----


class Chumpy:
    """While it is open, classes that pickle as chumpy's do."""

    def __enter__(self):
        names = {"Ch": "chumpy.ch", "Select": "chumpy.reordering", "Product": "chumpy.ch_ops"}
        for module in ("chumpy", *names.values()):
            sys.modules[module] = ModuleType(module)
        for name, module in names.items():
            kind = type(name, (), {"__module__": module})
            setattr(sys.modules[module], name, kind)
            setattr(self, name, kind)
        return self

    def __exit__(self, *_):
        for name in [name for name in sys.modules if name.partition(".")[0] == "chumpy"]:
            del sys.modules[name]

    def ch(self, array):
        return self.made(self.Ch, x=array, _dirty_vars={"x"}, _itr=None, _depends_on_deps={})

    def made(self, kind, **state):
        found = kind()
        found.__dict__.update(state)
        return found


def assert_is(found, made):
    for key in ("v_template", "shapedirs", "posedirs", "J_regressor", "weights"):
        np.testing.assert_allclose(getattr(found, key), made[key], rtol=1e-6, err_msg=key)
    np.testing.assert_array_equal(found.faces, made["f"])
    assert found.kintree == (-1, *made["kintree_table"][0, 1:])


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_of_chumpys_objects_is_read_without_chumpy(tmp_path, protocol):
    made = arrays("smpl")
    path = tmp_path / "SMPL_NEUTRAL.pkl"
    with Chumpy() as chumpy:
        turned = np.moveaxis(made["shapedirs"], 2, 0)
        places = np.arange(turned.size).reshape(turned.shape).transpose(1, 2, 0)
        data = {
            **made,
            "v_template": chumpy.ch(made["v_template"]),
            "shapedirs": chumpy.made(
                chumpy.Select, a=chumpy.ch(turned), idxs=places.ravel(), preferred_shape=made["shapedirs"].shape
            ),
            "J_regressor": sparse.csc_matrix(made["J_regressor"]),
            "weights": sparse.csr_matrix(made["weights"]),
            "bs_type": "lrotmin",
            "of_no_use": np.float64(2.5),
        }
        path.write_bytes(pickle.dumps(data, protocol))
    assert "chumpy" not in sys.modules
    found = read_body(path)
    assert found.kind == "smpl"
    assert_is(found, made)


def python2(array):
    """An array as Python 2 pickled it: numpy's old names, and the data a string of bytes."""
    shape = "".join(f"I{size}\n" for size in array.shape)
    data = "".join(f"\\x{byte:02x}" for byte in array.tobytes())
    return (
        "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(" + shape + "tcnumpy\ndtype\n"
        f"(S'{array.dtype.str[1:]}'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'{data}'\ntb"
    ).encode("ascii")


def test_a_pickle_of_python_2_is_read(tmp_path):
    made = arrays("smpl")
    matrix = sparse.csc_matrix(made["J_regressor"])
    old = {key: python2(array) for key, array in made.items()}
    old["v_template"] = (
        b"ccopy_reg\n_reconstructor\n(cchumpy.ch\nCh\nc__builtin__\nobject\nNtR(dS'x'\n%bsb" % (old["v_template"])
    )
    old["J_regressor"] = (
        b"ccopy_reg\n_reconstructor\n(cscipy.sparse.csc\ncsc_matrix\nc__builtin__\nobject\nNtR"
        b"(dS'_shape'\n(I%d\nI%d\ntsS'data'\n%bsS'indices'\n%bsS'indptr'\n%bsb"
        % (*matrix.shape, python2(matrix.data), python2(matrix.indices), python2(matrix.indptr))
    )
    path = tmp_path / "basicModel.pkl"
    path.write_bytes(b"(d" + b"".join(b"S'%b'\n%bs" % (key.encode(), value) for key, value in old.items()) + b".")
    assert_is(read_body(path), made)


@pytest.mark.parametrize(("kind", "directions", "kept"), [("smplh", 16, 16), ("smplx", 20, 10), ("smplx", 400, 300)])
def test_an_npz_is_read_and_of_smplx_only_the_bodys_shape(tmp_path, kind, directions, kept):
    made = arrays(kind, betas=directions)
    path = tmp_path / "model.npz"
    np.savez(path, **made, gender=np.array({"of": "no use"}, object))
    found = read_body(path)
    assert (found.kind, found.shapedirs.shape[-1]) == (kind, kept)
    assert_is(found, {**made, "shapedirs": made["shapedirs"][..., :kept]})


class Runs:
    """Pickles as a call of a function."""

    def __init__(self, function, *values):
        self.call = function, values

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("function", [eval, exec, getattr, __import__, np.load, np.save, Path, print])
def test_a_pickle_that_would_run_something_is_refused_by_its_name(tmp_path, capsys, function):
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({**arrays("smpl"), "bs_type": Runs(function, "print('ran')")}))
    with pytest.raises(ValueError, match=f"evil.pkl cannot be read .it names .*{function.__name__}, which no body"):
        read_body(path)
    assert "ran" not in capsys.readouterr().out


def test_an_array_of_an_npz_is_never_unpickled(tmp_path, capsys):
    path = tmp_path / "evil.npz"
    evil = np.array([Runs(print, "ran"), *arrays("smpl")["weights"].ravel()[1:]], object)
    np.savez(path, **{**arrays("smpl"), "weights": evil.reshape(96, 24)})
    with pytest.raises(ValueError, match=r"evil.npz cannot be read .*allow_pickle"):
        read_body(path)
    assert "ran" not in capsys.readouterr().out


def test_objects_of_chumpy_that_hold_no_plain_array_are_refused_by_their_name(tmp_path):
    path = tmp_path / "odd.pkl"
    with Chumpy() as chumpy:
        path.write_bytes(pickle.dumps({**arrays("smpl"), "weights": chumpy.made(chumpy.Product, a=1, b=2)}))
    with pytest.raises(ValueError, match=r"it holds a chumpy\.ch_ops\.Product"):
        read_body(path)


def test_what_is_no_body_model_is_refused_in_one_line(tmp_path):
    def refused(name, data, told):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ValueError, match=told) as error:
            read_body(path)
        assert name in str(error.value)
        assert "\n" not in str(error.value)

    whole = pickle.dumps(arrays("smpl"))
    refused("cut.pkl", whole[: len(whole) // 2], "cannot be read")
    refused("page.pkl", b"<!DOCTYPE html><html>log in</html>", "cannot be read")
    refused("list.pkl", pickle.dumps([1, 2]), "a dict is wanted")
    refused("empty.npz", b"", "cannot be read")
    refused("model.txt", b"", r"must be a file that ends in \.npz or \.pkl")
    lacking = arrays("smpl")
    del lacking["weights"], lacking["f"]
    refused("lacking.pkl", pickle.dumps(lacking), "it lacks weights, f,")
    hand = {**arrays("smpl"), "kintree_table": np.zeros((2, 16), np.uint32)}
    refused("hand.pkl", pickle.dumps(hand), "16 joints are not a body's")
    short = {**arrays("smpl"), "posedirs": np.zeros((96, 3, 200))}
    refused("short.pkl", pickle.dumps(short), r"posedirs must be \(96, 3, 207\), got \(96, 3, 200\)")
    with pytest.raises(FileNotFoundError, match="there is no body model at"):
        read_body(tmp_path / "none.pkl")


# ---- smplx ----


@pytest.fixture
def smplx():
    return pytest.importorskip("smplx", reason="its licence keeps it out of the lock: pip install smplx")


def points(count):
    """smplx wants the vertices of nose, eyes, toes and finger tips: any will do."""
    ends = [f"{side}{finger}" for side in "lr" for finger in ("thumb", "index", "middle", "ring", "pinky")]
    toes = [f"{side}{toe}" for side in "LR" for toe in ("BigToe", "SmallToe", "Heel")]
    return {name: place % count for place, name in enumerate(["nose", "reye", "leye", "rear", "lear", *toes, *ends])}


def forward(smplx, kind, poses, tmp_path, monkeypatch):
    """Vertices and joints by smplx's own classes, of the arrays of `kind`."""
    import torch
    from smplx.utils import Struct
    from smplx.vertex_ids import vertex_ids

    count = 20 if kind == "smplx" else 10
    made = arrays(kind, betas=count)
    vector = torch.tensor(poses.poses, dtype=torch.float32)
    given = {
        "betas": torch.tensor(poses.betas, dtype=torch.float32).expand(len(vector), -1),
        "global_orient": vector[:, :3],
        "transl": torch.tensor(poses.trans, dtype=torch.float32),
    }
    hands = {f"hands_mean{side}": np.ones(45) for side in "lr"}
    hands |= {f"hands_components{side}": np.ones((45, 45)) for side in "lr"}
    options = {"use_pca": False, "flat_hand_mean": True, "batch_size": len(vector)}
    if kind == "smpl":
        model = smplx.SMPL("", data_struct=Struct(**made), vertex_ids=points(96), batch_size=len(vector))
        given |= {"body_pose": vector[:, 3:]}
    elif kind == "smplh":
        model = smplx.SMPLH("", data_struct=Struct(**made, **hands), vertex_ids=points(208), **options)
        given |= {"body_pose": vector[:, 3:66], "left_hand_pose": vector[:, 66:111], "right_hand_pose": vector[:, 111:]}
    else:
        monkeypatch.setitem(vertex_ids, "smplx", points(220))
        marks = {"lmk_faces_idx": np.zeros(51, np.int64), "lmk_bary_coords": np.full((51, 3), 1 / 3)}
        np.savez(tmp_path / "SMPLX_NEUTRAL.npz", **made, **hands, **marks)
        model = smplx.SMPLX(str(tmp_path / "SMPLX_NEUTRAL.npz"), **options)
        given |= {"body_pose": vector[:, 3:66], "jaw_pose": vector[:, 66:69], "leye_pose": vector[:, 69:72]}
        given |= {"reye_pose": vector[:, 72:75]}
        given |= {"left_hand_pose": vector[:, 75:120], "right_hand_pose": vector[:, 120:]}
    with torch.no_grad():
        found = model(**given)
    own = replace(body(kind, betas=count), shapedirs=made["shapedirs"][..., :10])
    return found.vertices.numpy(), found.joints.numpy(), own


@pytest.mark.parametrize("kind", KINDS)
def test_joints_and_vertices_are_those_of_smplxs_own_models(smplx, kind, tmp_path, monkeypatch):
    poses = some_poses(kind)
    vertices, joints, model = forward(smplx, kind, poses, tmp_path, monkeypatch)
    np.testing.assert_allclose(to_joints(poses, model=model), joints[:, :22], atol=1e-5)
    found, faces = posed(model, poses)
    np.testing.assert_allclose(found, vertices, atol=1e-5)
    np.testing.assert_array_equal(faces, model.faces)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_at_rest_is_its_template(smplx, kind):
    model = body(kind)
    poses = SmplPoses(np.zeros((2, 3 * JOINTS[kind])), np.zeros((2, 3)), np.zeros(0), kind)
    np.testing.assert_allclose(posed(model, poses)[0], np.stack([model.v_template] * 2), atol=1e-9)


def test_a_world_that_is_turned_turns_the_mesh(smplx):
    model = body("smplh")
    poses = some_poses("smplh")
    before, after = posed(model, poses)[0], posed(model, to_z_up(poses, model=model))[0]
    np.testing.assert_allclose(after, np.stack([before[..., 0], -before[..., 2], before[..., 1]], -1), atol=1e-9)


def test_a_long_motion_is_posed_as_its_frames_are(smplx):
    model = body("smpl")
    poses = some_poses("smpl", frames=70)
    whole = posed(model, poses)[0]
    for frame in (0, 31, 32, 69):
        one = replace(poses, poses=poses.poses[[frame]], trans=poses.trans[[frame]])
        np.testing.assert_allclose(posed(model, one)[0][0], whole[frame], atol=1e-9)


def test_a_mesh_stands_where_the_joints_that_were_given_are(smplx):
    clumps = np.kron(np.eye(55), np.ones((4, 1)))  # four vertices about each joint, which go with it alone
    model = replace(body("smplx"), J_regressor=clumps.T / 4, weights=clumps, posedirs=np.zeros((220, 3, 486)))
    poses = some_poses("smplx")
    joints = to_joints(poses, model=model)
    vertices, _ = posed(model, to_poses(joints, model=model, betas=poses.betas))
    np.testing.assert_allclose(vertices.reshape(7, 55, 4, 3).mean(2)[:, :22], joints, atol=1e-6)


# ---- refusals ----


def test_without_smplx_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "smplx", None)
    monkeypatch.setitem(sys.modules, "smplx.lbs", None)
    with pytest.raises(ImportError, match=r"alm-motion\[smpl\]"):
        posed(body("smpl"), some_poses("smpl"))


def test_wrong_sizes_and_kinds_are_refused():
    joints = to_joints(some_poses("smplh"))
    with pytest.raises(ValueError, match=r"\(F, 22, 3\) are wanted, got \(7, 21, 3\)"):
        to_poses(joints[:, 1:])
    with pytest.raises(ValueError, match="finite joints"):
        to_poses(np.where(joints == joints[2, 3, 1], np.nan, joints))
    with pytest.raises(ValueError, match="one of smpl, smplh, smplx, got 'mano'"):
        to_poses(joints, kind="mano")
    with pytest.raises(ValueError, match="got smplx poses and a model of smpl"):
        to_poses(joints, model=body("smpl"), kind="smplx")
    with pytest.raises(ValueError, match="got smplh poses and a model of smpl"):
        posed(body("smpl"), some_poses("smplh"))
    with pytest.raises(ValueError, match="at most 10 betas are wanted"):
        to_joints(some_poses("smpl", betas=16), model=body("smpl"))
    with pytest.raises(ValueError, match=r"smpl has poses \(F, 72\)"):
        SmplPoses(np.zeros((3, 66)), np.zeros((3, 3)), np.zeros(10), "smpl")
    with pytest.raises(ValueError, match="22 lengths"):
        fit_betas(BONES[1:], body("smpl"))
