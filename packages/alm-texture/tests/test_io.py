import errno
import json
import os
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import trimesh
from alm_texture.export import save_mesh
from alm_texture.io import WriteError, check_output, read_image, read_mesh, save_images
from alm_texture.mesh import Material, Mesh
from numpy.typing import NDArray
from PIL import Image

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"
PLY = """ply
format ascii 1.0
element vertex 3
property float x
property float y
property float z
element face 1
property list uchar int vertex_indices
end_header
0 0 0
1 0 0
0 1 0
"""


def picture(rows: int = 5, columns: int = 7, seed: int = 0) -> NDArray[np.uint8]:
    """Without any symmetry."""
    return np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), np.uint8)


def cube(offset: float = 0.0, scale: float = 1.0, up: str = "y") -> Mesh:
    """Eight vertices and a ninth that no face names; each side has a cell of the page: seams along all edges."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([f for a, b, c, d in quads for f in ((a, b, c), (a, c, d))])
    uv = np.array([[(0, 0), (1, 0), (1, 1)], [(0, 0), (1, 1), (0, 1)]] * 6, float) * 0.3
    uv += np.array([(n // 2 % 3 / 3 + 0.01, n // 6 / 2 + 0.02) for n in range(12)])[:, None]
    page = np.arange(12) % 3 // 2
    materials = (Material("brick wall"), Material("glass"))
    part = (np.arange(12) >= 8).astype(np.int64)
    vertices = np.concatenate([[[9.0, 9, 9]], corners * (1, 2, 3) * scale + offset * np.array([1, -2, 3])])
    return Mesh(vertices, faces + 1, uv, page, materials, part, ("walls", "roof"), up)


def surface(mesh: Mesh) -> NDArray[np.float64]:
    return mesh.vertices[mesh.faces]


def glb(tree: dict[str, object], data: bytes = b"") -> bytes:
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(data), b"BIN\0") + data
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


def triangle_tree(**primitive: object) -> tuple[dict[str, object], bytes]:
    """One triangle (0 0 0, 1 0 0, 0 1 0) with the UVs (0.25, 0.125), (0.5, 0.125), (0.25, 1), in glTF's orientation."""
    data = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4").tobytes()
    data += np.array([[0.25, 0.125], [0.5, 0.125], [0.25, 1]], "<f4").tobytes()
    tree: dict[str, object] = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "one"}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, **primitive}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5126, "count": 3, "type": "VEC2"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 36},
            {"buffer": 0, "byteOffset": 36, "byteLength": 24},
        ],
        "buffers": [{"byteLength": len(data)}],
    }
    return tree, data


@pytest.mark.parametrize("up", ["y", "z"])
@pytest.mark.parametrize(("offset", "scale"), [(0, 1), (1e6, 1), (0, 1e-5), (-3, 1 / 3)])
def test_a_glb_gives_back_float32_positions_uvs_and_texels(
    tmp_path: Path, up: str, offset: float, scale: float
) -> None:
    mesh, textures = cube(offset, scale, up), [picture(seed=1), picture(4, 4, seed=2)]
    save_mesh(mesh, textures, tmp_path / "m.glb", roughness=0.7)
    back = read_mesh(tmp_path / "m.glb")
    wanted = surface(mesh).astype(np.float32)
    if up == "z":
        wanted = wanted[..., [0, 2, 1]] * np.float32([1, 1, -1])
    order = np.concatenate([np.flatnonzero((mesh.part == k) & (mesh.page == p)) for k in (0, 1) for p in (0, 1)])
    assert np.array_equal(surface(back).astype(np.float32), wanted[order])
    assert back.uv is not None
    assert mesh.uv is not None
    assert np.abs(back.uv - mesh.uv[order]).max() < 1e-7
    assert (back.parts, [m.name for m in back.materials]) == (mesh.parts, ["brick wall", "glass"])
    assert np.array_equal(back.part, mesh.part[order])
    assert np.array_equal(back.page, mesh.page[order])
    for material, texture in zip(back.materials, textures, strict=True):
        assert np.array_equal(material.texture, texture)


def test_a_saved_glb_is_plain_gltf_whose_textures_repeat_and_keep_every_texel(tmp_path: Path) -> None:
    mesh, textures = cube(up="z"), [picture(seed=1), np.dstack([picture(seed=2), picture(seed=3)[..., :1]])]
    assert mesh.uv is not None
    save_mesh(mesh, textures, tmp_path / "m.glb", roughness=0.7)
    data = (tmp_path / "m.glb").read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    tree, binary = json.loads(data[20 : 20 + length]), data[28 + length :]
    views = [binary[v["byteOffset"] :][: v["byteLength"]] for v in tree["bufferViews"]]
    roots = [tree["nodes"][number] for number in tree["scenes"][0]["nodes"]]
    assert [node["name"] for node in roots] == ["upright"]
    assert np.array_equal(np.reshape(roots[0]["matrix"], (4, 4)).T @ [1, 2, 3, 1], [1, 3, -2, 1])
    nodes = [tree["nodes"][number] for number in roots[0]["children"]]
    assert [node["name"] for node in nodes] == list(mesh.parts)
    assert [len(tree["meshes"][node["mesh"]]["primitives"]) for node in nodes] == [2, 2]
    for material, name, texture in zip(tree["materials"], ("brick wall", "glass"), textures, strict=True):
        assert (material["name"], material["doubleSided"]) == (name, True)
        base = material["pbrMetallicRoughness"]
        assert (base["metallicFactor"], base["roughnessFactor"], base.get("baseColorFactor")) == (0, 0.7, None)
        used = tree["textures"][base["baseColorTexture"]["index"]]
        sampler = tree.get("samplers", [{}])[used["sampler"]] if "sampler" in used else {}
        assert (sampler.get("wrapS", 10497), sampler.get("wrapT", 10497)) == (10497, 10497)
        image = tree["images"][used["source"]]
        assert image["mimeType"] == "image/png"
        assert np.array_equal(np.asarray(Image.open(BytesIO(views[image["bufferView"]]))), texture)
    for primitive in (p for m in tree["meshes"] for p in m["primitives"]):
        assert set(primitive["attributes"]) == {"POSITION", "TEXCOORD_0"}
    first = tree["meshes"][0]["primitives"][0]
    arrays = {
        k: np.frombuffer(views[tree["accessors"][n]["bufferView"]], "<f4") for k, n in first["attributes"].items()
    }
    order = np.frombuffer(views[tree["accessors"][first["indices"]]["bufferView"]], "<u4")
    mine = (mesh.part == 0) & (mesh.page == 0)
    wanted = (mesh.uv[mine] * (1, -1) + (0, 1)).astype(np.float32).reshape(-1, 2)
    assert np.array_equal(arrays["TEXCOORD_0"].reshape(-1, 2)[order], wanted)
    assert np.array_equal(
        arrays["POSITION"].reshape(-1, 3)[order], surface(mesh)[mine].astype(np.float32).reshape(-1, 3)
    )


@pytest.mark.parametrize("name", ["m.glb", "m.obj"])
def test_awkward_faces_equal_names_and_equal_textures_survive_a_round_trip(tmp_path: Path, name: str) -> None:
    mesh = cube()
    assert mesh.uv is not None
    faces = np.concatenate([mesh.faces, mesh.faces[:3], mesh.faces[:2, ::-1], [[1, 1, 2], [3, 3, 3]]])
    more = np.concatenate([mesh.uv, mesh.uv[:3], mesh.uv[:2, ::-1], mesh.uv[:2] + 1.5])
    page, part = (np.concatenate([each, each[:7]]) for each in (mesh.page, mesh.part))
    odd = Mesh(mesh.vertices, faces, more, page, (Material("a"), Material("a")), part, ("it", "it"))
    save_mesh(odd, [picture(), picture()], tmp_path / name)
    back = read_mesh(tmp_path / name)
    assert (len(back.parts), len(back.materials)) == (2, 2)
    order = np.lexsort([page, part]) if name == "m.glb" else np.argsort(part, kind="stable")
    assert np.array_equal(surface(back), surface(odd)[order])
    assert back.uv is not None
    assert np.abs(back.uv - more[order]).max() < 1.2e-7, "GLB has float32, and UVs up to 2.5 here"
    assert np.array_equal(back.page, page[order])
    assert np.array_equal(back.part, part[order])


def test_saving_what_a_glb_held_gives_its_uvs_back_to_the_bit(tmp_path: Path) -> None:
    save_mesh(cube(), [picture(), picture()], tmp_path / "a.glb")
    first = read_mesh(tmp_path / "a.glb")
    save_mesh(first, [picture(), picture()], tmp_path / "b.glb")
    second = read_mesh(tmp_path / "b.glb")
    assert np.array_equal(first.uv, second.uv)
    assert np.array_equal(first.vertices, second.vertices)


def test_only_uv_seams_split_vertices_and_unnamed_ones_are_left_out(tmp_path: Path) -> None:
    mesh = cube()
    assert mesh.uv is not None
    save_mesh(mesh, [picture(), picture()], tmp_path / "m.glb")
    keys = np.concatenate([mesh.faces[..., None], mesh.uv, mesh.page[:, None, None] + np.zeros((12, 3, 1))], 2)
    parts = np.concatenate([keys, mesh.part[:, None, None] + np.zeros((12, 3, 1))], 2)
    assert len(read_mesh(tmp_path / "m.glb").vertices) == len(np.unique(parts.reshape(-1, 5), axis=0))
    save_mesh(mesh, [picture(), picture()], tmp_path / "m.obj")
    assert len(read_mesh(tmp_path / "m.obj").vertices) == 8


@pytest.mark.parametrize(("offset", "scale"), [(0, 1), (1e6, 1 / 7), (0, 1e-5 / 3)])
def test_an_obj_gives_back_positions_uvs_faces_and_names_to_the_bit(
    tmp_path: Path, offset: float, scale: float
) -> None:
    mesh, textures = cube(offset, scale), [picture(seed=1), picture(4, 4, seed=2)]
    save_mesh(mesh, textures, tmp_path / "m.obj")
    back = read_mesh(tmp_path / "m.obj", up="z")
    assert np.array_equal(surface(back), surface(mesh))
    assert np.array_equal(back.uv, mesh.uv)
    assert np.array_equal(back.page, mesh.page)
    assert np.array_equal(back.part, mesh.part)
    assert (back.parts, [m.name for m in back.materials], back.up) == (mesh.parts, ["brick wall", "glass"], "z")
    assert all(np.array_equal(m.texture, t) for m, t in zip(back.materials, textures, strict=True))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m-1.png", "m-2.png", "m.mtl", "m.obj"]


def test_names_that_obj_would_confuse_are_told_apart(tmp_path: Path) -> None:
    mesh = cube()
    same = Mesh(mesh.vertices, mesh.faces, mesh.uv, mesh.page, (Material("a"), Material("a")), mesh.part, ("", ""))
    save_mesh(same, [picture(seed=1), picture(seed=2)], tmp_path / "m.obj")
    back = read_mesh(tmp_path / "m.obj")
    assert ([m.name for m in back.materials], back.parts) == (["a", "a.2"], ("unnamed", "unnamed.2"))
    assert np.array_equal(back.materials[1].texture, picture(seed=2))


def test_transparency_is_written_and_read(tmp_path: Path) -> None:
    rgba = np.dstack([picture(), np.arange(35, dtype=np.uint8).reshape(5, 7)])
    save_images([(rgba, tmp_path / "a.png"), (picture(), tmp_path / "b.webp")])
    values, alpha = read_image(tmp_path / "a.png")
    assert np.array_equal(values, picture())
    assert np.array_equal(alpha, rgba[..., 3])
    values, alpha = read_image((tmp_path / "b.webp").read_bytes())
    assert np.array_equal(values, picture())
    assert alpha is None


def test_an_obj_is_read_with_polygons_negative_indices_groups_and_options(tmp_path: Path) -> None:
    save_images([(picture(), tmp_path / "the tex.png")])
    (tmp_path / "m.mtl").write_text("newmtl red paint\nmap_Kd -s 1 1 1 -clamp on C:\\art\\the tex.png\n")
    (tmp_path / "m.obj").write_text(
        "mtllib m.mtl\nv 0 0 0 1 0 0\nv 1 0 0\nv\t1 1 0\nv 0 1 0\nvt 0 0\nvt 0.5 0\nvt 0.5 1 0\nvt 0 1\n"
        "g left\nf 1/1 2/2 \\\n 3/3 4/4\ng right # and not left\nusemtl red  paint\nf -4/-4 -1/-1/ 3/3/\nl 1 2\n"
    )
    mesh = read_mesh(tmp_path / "m.obj")
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 3, 2]]
    assert mesh.parts == ("left", "right # and not left")
    assert [m.name for m in mesh.materials] == ["default", "red paint"]
    assert mesh.uv is not None
    assert mesh.uv[2].tolist() == [[0, 0], [0, 1], [0.5, 1]]
    assert np.array_equal(mesh.materials[1].texture, picture())


def test_an_obj_that_trimesh_would_misread_is_read(tmp_path: Path) -> None:
    seam = TRIANGLE + "v 1 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nvt .5 .5\nvn 0 0 1\nf 1/1 2/2 3/3\nf 2/4/1 4/2/1 3/1/1\n"
    (tmp_path / "m.obj").write_text(seam)
    mesh = read_mesh(tmp_path / "m.obj")
    assert (len(mesh.vertices), mesh.faces.tolist()) == (4, [[0, 1, 2], [1, 3, 2]])
    assert mesh.uv is not None
    assert mesh.uv.tolist() == [[[0, 0], [1, 0], [0, 1]], [[0.5, 0.5], [1, 0], [0, 0]]]
    (tmp_path / "m.obj").write_text(seam + "f 2//1 4//1 3//1\n")
    with pytest.raises(ValueError, match="none in 1 of 3 faces"):
        read_mesh(tmp_path / "m.obj")
    (tmp_path / "m.obj").write_text(f"{TRIANGLE}f -3 -2 -1\nv 5 5 5\nv 6 5 5\nv\t5 6 5\nf\t-3 -2 -1 # 3\n")
    assert read_mesh(tmp_path / "m.obj").faces.tolist() == [[0, 1, 2], [3, 4, 5]]
    (tmp_path / "m.obj").write_text(TRIANGLE + "f 0 1 2\n")
    with pytest.raises(ValueError, match=r"line 4 of .* names vertex 0 of 3"):
        read_mesh(tmp_path / "m.obj")


def test_several_material_libraries_are_read(tmp_path: Path) -> None:
    save_images([(picture(seed=1), tmp_path / "a.png"), (picture(seed=2), tmp_path / "01 b.png")])
    (tmp_path / "a.mtl").write_text("newmtl a\nmap_Kd a.png\n")
    (tmp_path / "b.mtl").write_text("# none\nnewmtl b\nKd 1 1 1\n\tmap_Kd\t-mm 0 1 -clamp off 01 b.png\n")
    faces = "usemtl b\nf 1/1 2/1 3/1\nusemtl a\nf 3/1 2/1 1/1\n"
    (tmp_path / "m.obj").write_text(f"mtllib a.mtl\nmtllib b.mtl\n{TRIANGLE}vt 0 0\n{faces}")
    mesh = read_mesh(tmp_path / "m.obj")
    assert [m.name for m in mesh.materials] == ["b", "a"]
    assert np.array_equal(mesh.materials[0].texture, picture(seed=2))
    assert np.array_equal(mesh.materials[1].texture, picture(seed=1))


def test_degenerate_repeated_and_non_manifold_faces_survive(tmp_path: Path) -> None:
    faces = "f 1 2 3\nf 1 2 3\nf 3 2 1\nf 1 1 2\nf 1 2 4\nf 2 1 5\nf 1 2 6\n"
    text = TRIANGLE + "v 0 0 1\nv 0 0 -1\nv 2 0 0\n" + faces
    (tmp_path / "m.obj").write_text(text)
    mesh = read_mesh(tmp_path / "m.obj")
    wanted = [[int(n) - 1 for n in line.split()[1:]] for line in faces.splitlines()]
    assert mesh.faces.tolist() == wanted
    assert mesh.uv is None
    trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(tmp_path / "m.ply")
    assert read_mesh(tmp_path / "m.ply").faces.tolist() == wanted
    trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(tmp_path / "m.stl")
    solid = read_mesh(tmp_path / "m.stl", up="z")
    assert np.array_equal(surface(solid), surface(mesh))
    assert solid.up == "z"


def test_a_ply_gives_its_uvs_at_vertices_and_at_corners_and_its_texture(tmp_path: Path) -> None:
    head = "ply\nformat ascii 1.0\ncomment TextureFile t.png\nelement vertex 3\nproperty double x\nproperty double y\n"
    save_images([(picture(), tmp_path / "t.png")])
    (tmp_path / "v.ply").write_text(
        f"{head}property double z\nproperty float s\nproperty float t\nelement face 1\n"
        "property list uchar int vertex_indices\nend_header\n0 0 0 0.5 0.25\n1 0 0 1 0.25\n0 1 0 0.5 0.75\n3 0 1 2\n"
    )
    (tmp_path / "c.ply").write_text(
        f"{head}property double z\nelement face 2\nproperty list uchar int vertex_indices\nproperty list uchar float "
        "texcoord\nend_header\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2 6 0.5 0.25 1 0.25 0.5 0.75\n3 0 2 1 6 0 0 0 1 1 0\n"
    )
    one, other = read_mesh(tmp_path / "v.ply"), read_mesh(tmp_path / "c.ply")
    assert one.uv is not None
    assert other.uv is not None
    assert one.uv.tolist() == [[[0.5, 0.25], [1, 0.25], [0.5, 0.75]]]
    assert other.uv.tolist() == [*one.uv.tolist(), [[0, 0], [0, 1], [1, 0]]]
    assert surface(other).tolist() == [[[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 0, 0], [0, 1, 0], [1, 0, 0]]]
    assert np.array_equal(one.materials[0].texture, picture())
    (tmp_path / "t.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"t\.png, which is missing"):
        read_mesh(tmp_path / "v.ply")


def test_nodes_place_instances_and_a_mirroring_one_keeps_faces_outwards(tmp_path: Path) -> None:
    tree, data = triangle_tree(material=0)
    tree["materials"] = [{"name": "skin"}]
    tree["nodes"] = [
        {"translation": [10, 0, 0], "children": [1, 2]},
        {"mesh": 0, "name": "turned", "rotation": [0, 0, 0.5**0.5, 0.5**0.5], "scale": [2, 3, 4]},
        {"mesh": 0, "name": "mirrored", "scale": [-1, 1, 1]},
        {"mesh": 0, "name": "in no scene"},
    ]
    (tmp_path / "m.glb").write_bytes(glb(tree, data))
    mesh = read_mesh(tmp_path / "m.glb")
    assert mesh.parts == ("turned", "mirrored")
    assert [m.name for m in mesh.materials] == ["skin"]
    assert np.allclose(surface(mesh)[0], [[10, 0, 0], [10, 2, 0], [7, 0, 0]])
    assert surface(mesh)[1].tolist() == [[10, 1, 0], [9, 0, 0], [10, 0, 0]]
    assert np.allclose(mesh.normals[:, 2], [1, 1])
    assert mesh.uv is not None
    assert mesh.uv[0].tolist() == [[0.25, 0.875], [0.5, 0.875], [0.25, 0]]
    assert mesh.uv[1].tolist() == mesh.uv[0, ::-1].tolist()


def test_a_scene_that_another_program_wrote_is_read_in_world_coordinates(tmp_path: Path) -> None:
    scene, box = trimesh.Scene(), trimesh.creation.icosphere(1)
    rotation = trimesh.transformations.random_rotation_matrix(np.array([0.1, 0.5, 0.8]))
    scene.add_geometry(box, node_name="first", geom_name="ball", transform=rotation)
    scene.add_geometry(box, node_name="second", geom_name="ball", transform=np.diag([2.0, 3, 4, 1]))
    scene.export(tmp_path / "m.glb")
    mesh = read_mesh(tmp_path / "m.glb")
    assert mesh.parts == ("first", "second")
    for number, matrix in enumerate((rotation, np.diag([2.0, 3, 4, 1]))):
        assert np.allclose(surface(mesh)[mesh.part == number], box.triangles @ matrix[:3, :3].T, atol=1e-6)


def test_solids_of_an_stl_are_parts_of_one_page(tmp_path: Path) -> None:
    corners = "\n".join(f"vertex {x} {y} 0.5" for x, y in ((0, 0), (1, 0), (0, 1)))
    facet = f"facet normal 0 0 1\nouter loop\n{corners}\nendloop\nendfacet\n"
    (tmp_path / "m.stl").write_text("".join(f"solid {name}\n{facet}endsolid {name}\n" for name in ("lid", "pot")))
    mesh = read_mesh(tmp_path / "m.stl")
    assert (mesh.parts, mesh.part.tolist(), len(mesh.materials)) == (("lid", "pot"), [0, 1], 1)


def strip_tree(*modes: int) -> tuple[dict[str, object], bytes]:
    """Strided positions and normalised UVs of one byte, without a material."""
    data = np.array([[0, 0, 0, 9], [1, 0, 0, 9], [0, 1, 0, 9], [1, 1, 0, 9]], "<f4").tobytes()
    data += np.array([[0, 0], [255, 51], [0, 255], [255, 255]], "u1").tobytes()
    tree, _ = triangle_tree()
    attributes = {"POSITION": 0, "TEXCOORD_0": 1}
    tree["meshes"] = [{"primitives": [{"attributes": attributes, "mode": mode} for mode in modes]}]
    tree["accessors"] = [
        {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"},
        {"bufferView": 1, "componentType": 5121, "count": 4, "type": "VEC2", "normalized": True},
    ]
    tree["bufferViews"] = [
        {"buffer": 0, "byteOffset": 0, "byteLength": 64, "byteStride": 16},
        {"buffer": 0, "byteOffset": 64, "byteLength": 8},
    ]
    tree["buffers"] = [{"byteLength": len(data)}]
    return tree, data


def test_strips_strides_and_normalised_uvs_are_read_and_lines_left_out(tmp_path: Path) -> None:
    (tmp_path / "m.glb").write_bytes(glb(*strip_tree(0, 1, 2, 5, 3)))
    mesh = read_mesh(tmp_path / "m.glb")
    assert surface(mesh).tolist() == [[[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[1, 1, 0], [0, 1, 0], [1, 0, 0]]]
    assert mesh.uv is not None
    assert np.allclose(mesh.uv[1], [[1, 0], [0, 0], [1, 0.8]])


def test_geometry_that_trimesh_would_misread_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.glb").write_bytes(glb(*strip_tree(6)))
    with pytest.raises(ValueError, match=r"stored as fans: export it again"):
        read_mesh(tmp_path / "m.glb")
    for number, more, what in (
        (0, {"sparse": {"count": 1}}, "sparse values"),
        (0, {"normalized": True}, "normalised p"),
    ):
        tree, data = strip_tree(5)
        tree["accessors"][number] |= more  # type: ignore[index]
        (tmp_path / "m.glb").write_bytes(glb(tree, data))
        with pytest.raises(ValueError, match=what):
            read_mesh(tmp_path / "m.glb")


def test_a_texture_may_have_the_second_uvs_and_a_part_several_materials(tmp_path: Path) -> None:
    tree, data = triangle_tree()
    data += np.array([[0.5, 0.5], [0.75, 0.5], [0.5, 1]], "<f4").tobytes()
    tree["bufferViews"].append({"buffer": 0, "byteOffset": 60, "byteLength": 24})  # type: ignore[attr-defined]
    tree["accessors"].append({"bufferView": 2, "componentType": 5126, "count": 3, "type": "VEC2"})  # type: ignore[attr-defined]
    tree["buffers"] = [{"byteLength": len(data)}]
    tree["materials"] = [
        {"name": "a"},
        {"name": "a", "pbrMetallicRoughness": {"baseColorTexture": {"index": 0, "texCoord": 1}}},
    ]
    tree["textures"], tree["images"] = [{"source": 0}], [{"uri": "t.png"}]
    attributes = {"POSITION": 0, "TEXCOORD_0": 1, "TEXCOORD_1": 2}
    tree["meshes"] = [{"primitives": [{"attributes": attributes, "material": k} for k in (1, 0)]}]
    tree["nodes"] = [
        {"mesh": 0, "name": "twice"},
        {"mesh": 0, "name": "twice", "camera": 0, "children": [0], "translation": [1, 0, 0]},
    ]
    tree["cameras"] = [{"type": "perspective", "perspective": {"yfov": 1, "znear": 1, "aspectRatio": 1}}]
    tree["scenes"] = [{"nodes": [1]}]
    save_images([(picture(), tmp_path / "t.png")])
    (tmp_path / "m.glb").write_bytes(glb(tree, data))
    mesh = read_mesh(tmp_path / "m.glb")
    assert (mesh.parts, mesh.part.tolist(), mesh.page.tolist()) == (("twice", "twice"), [0, 0, 1, 1], [0, 1, 0, 1])
    assert [material.name for material in mesh.materials] == ["a", "a"]
    assert np.array_equal(mesh.materials[0].texture, picture())
    assert mesh.materials[1].texture is None
    assert mesh.uv is not None
    assert mesh.uv[0].tolist() == [[0.5, 0.5], [0.75, 0.5], [0.5, 0]]
    assert mesh.uv[1].tolist() == [[0.25, 0.875], [0.5, 0.875], [0.25, 0]]
    assert surface(mesh)[0, 0].tolist() == [1, 0, 0]


def test_parts_come_in_the_order_of_nodes_also_without_a_scene_and_skins_stay_where_they_rest(tmp_path: Path) -> None:
    tree, data = triangle_tree()
    tree["materials"] = [{"name": "unused"}]
    tree["nodes"] = [
        {"name": "lines", "mesh": 1, "children": [4, 3], "translation": [0, 0, 5]},
        *({"mesh": 0, "name": name} for name in ("b", "a", "c")),
        {"mesh": 0, "name": "skinned", "skin": 0, "translation": [7, 7, 7]},
    ]
    tree["meshes"].append({"primitives": [{"attributes": {"POSITION": 0}, "mode": 1}]})  # type: ignore[attr-defined]
    del tree["scenes"]
    (tmp_path / "m.glb").write_bytes(glb(tree, data))
    mesh = read_mesh(tmp_path / "m.glb")
    assert mesh.parts == ("b", "a", "c", "skinned")
    assert surface(mesh)[:, 0, 2].tolist() == [0, 0, 5, 0]
    assert [material.name for material in mesh.materials] == ["default"]
    assert mesh.uv is not None


def test_a_gltf_is_read_with_its_files_beside_it_and_says_which_is_missing(tmp_path: Path) -> None:
    tree, data = triangle_tree(material=0)
    tree["buffers"] = [{"byteLength": len(data), "uri": "the%20data.bin"}]
    tree["materials"] = [{"name": "bark", "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]
    tree["textures"] = [{"source": 0}]
    tree["images"] = [{"uri": "bark.png"}]
    (tmp_path / "m.gltf").write_text(json.dumps(tree))
    with pytest.raises(FileNotFoundError, match=r"the data\.bin, which is missing"):
        read_mesh(tmp_path / "m.gltf")
    (tmp_path / "the data.bin").write_bytes(data)
    with pytest.raises(FileNotFoundError, match=r"'bark' .* names the texture .*bark\.png, which is missing: put it"):
        read_mesh(tmp_path / "m.gltf")
    assert read_mesh(tmp_path / "m.gltf", keep_uv=False).uv is None
    save_images([(picture(), tmp_path / "bark.png")])
    assert np.array_equal(read_mesh(tmp_path / "m.gltf").materials[0].texture, picture())


def test_compressed_geometry_and_moved_textures_of_gltf_are_refused(tmp_path: Path) -> None:
    tree, data = triangle_tree(material=0)
    moved = {"index": 0, "extensions": {"KHR_texture_transform": {"scale": [2, 2]}}}
    tree["materials"] = [{"name": "bark", "pbrMetallicRoughness": {"baseColorTexture": moved}}]
    (tmp_path / "m.glb").write_bytes(glb(tree, data))
    with pytest.raises(ValueError, match=r"'bark' .* is moved or tiled"):
        read_mesh(tmp_path / "m.glb")
    tree["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    (tmp_path / "m.glb").write_bytes(glb(tree, data))
    with pytest.raises(ValueError, match=r"compressed .KHR_draco_mesh_compression.: export it again"):
        read_mesh(tmp_path / "m.glb")


def test_a_mesh_that_has_uvs_in_some_parts_only_is_refused_unless_they_are_left_aside(tmp_path: Path) -> None:
    (tmp_path / "m.obj").write_text(TRIANGLE + "vt 0 0\no a\nf 1/1 2/1 3/1\no b\nf 1 3 2\nf 3 2 1\n")
    with pytest.raises(ValueError, match=r"none in 2 of 3 faces \(of 'b'\): make new UVs with --unwrap"):
        read_mesh(tmp_path / "m.obj")
    assert read_mesh(tmp_path / "m.obj", keep_uv=False).uv is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.fbx", "", r"must end in \.obj, \.glb, \.gltf, \.ply, \.stl, got 'm\.fbx'"),
        ("m.obj", "v 0 0 0\nv 1 0 0\n", "holds no faces"),
        ("m.obj", "v 0 0\n", r"line 1 of .*m\.obj is not OBJ"),
        ("m.obj", TRIANGLE + "f 1 2 4\n", r"line 4 of .* names vertex 4 of 3"),
        ("m.obj", TRIANGLE + "f 1 2 -4\n", r"line 4 of .* names vertex 0 of 3"),
        ("m.obj", TRIANGLE + "vt 0 0\nf 1 2 3\nf 1/1 2/2 3/1\n", r"line 6 of .* names UV 2 of 1"),
        ("m.obj", "v nan 0 0\nv 1 0 inf\nv 0 0 0\nf 1 2 3\n", "2 of the 3 vertices of .* are NaN or infinite"),
        ("m.obj", TRIANGLE + "f 1 2 2\nf 1 1 1\n", "none of the 2 faces of .* has an area"),
        ("m.obj", "mtllib gone.mtl\n" + TRIANGLE + "f 1 2 3\n", r"materials in .*gone\.mtl, which is missing"),
        ("m.glb", "not a mesh", r"m\.glb cannot be read as glb"),
        ("m.gltf", "{", r"m\.gltf cannot be read as gltf"),
        ("m.gltf", '{"asset": {"version": "1.0"}}', "only GLTF 2 is supported"),
        ("m.gltf", '{"asset": {"version": "2.0"}}', "holds no faces"),
        ("m.ply", "ply\nnonsense\n", r"m\.ply cannot be read as ply"),
        ("i.ply", PLY + "3 0 1 7\n", r"name vertices 0 to 2, 1 of 1 do not \(face 0 names \[0, 1, 7\]\)"),
        ("m.stl", "", r"m\.stl (cannot be read as stl|holds no faces)"),
    ],
)
def test_what_is_not_a_surface_is_refused_in_one_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        read_mesh(tmp_path / name)
    assert "\n" not in str(error.value)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no mesh at"):
        read_mesh(tmp_path / "m.obj")
    with pytest.raises(ValueError, match="is a folder"):
        read_mesh(tmp_path)
    with pytest.raises(ValueError, match="must be 'y' or 'z', got 'x'"):
        read_mesh(tmp_path / "m.obj", up="x")
    (tmp_path / "m.mtl").write_text("newmtl a\nmap_Kd gone.png\n")
    (tmp_path / "m.obj").write_text("mtllib m.mtl\nusemtl a\n" + TRIANGLE + "f 1 2 3\n")
    with pytest.raises(FileNotFoundError, match=r"'a' .*gone\.png, which is missing: put it there, or .* of the MTL"):
        read_mesh(tmp_path / "m.obj")
    with pytest.raises(FileNotFoundError, match="there is no picture"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(ValueError, match="cannot be read"):
        read_image(b"nothing")


def test_outputs_are_refused_before_any_work(tmp_path: Path) -> None:
    path = tmp_path / "m.obj"
    assert [f.name for f in check_output(path)] == ["m.obj", "m.mtl", "m.png"]
    assert [f.name for f in check_output(path, pages=2)] == ["m.obj", "m.mtl", "m-1.png", "m-2.png"]
    assert check_output(tmp_path / "m.glb", pages=2) == [tmp_path / "m.glb"]
    (tmp_path / "m-2.png").touch()
    with pytest.raises(FileExistsError, match=r"m-2\.png exists"):
        check_output(path, pages=2)
    assert len(check_output(path, pages=2, overwrite=True)) == 4
    path.touch()
    with pytest.raises(ValueError, match="is the input"):
        check_output(path, source=tmp_path / "." / "m.obj", overwrite=True)
    with pytest.raises(ValueError, match="is a folder"):
        check_output(tmp_path)
    with pytest.raises(ValueError, match=r"must end in \.glb or \.obj"):
        check_output(tmp_path / "m.ply")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        check_output(tmp_path / "no" / "m.obj")


def test_what_cannot_be_saved_is_refused(tmp_path: Path) -> None:
    mesh, path = cube(), tmp_path / "m.glb"
    bare = Mesh(mesh.vertices, mesh.faces, None, mesh.page, mesh.materials, mesh.part, mesh.parts)
    with pytest.raises(ValueError, match="this one has none"):
        save_mesh(bare, [picture(), picture()], path)
    with pytest.raises(ValueError, match="2 textures are wanted, one a page; got 1"):
        save_mesh(mesh, [picture()], path)
    with pytest.raises(ValueError, match="uint8"):
        save_mesh(mesh, [picture(), picture()[..., 0]], path)
    with pytest.raises(ValueError, match="roughness"):
        save_mesh(mesh, [picture(), picture()], path, roughness=1.5)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5, 6])
def test_when_a_file_cannot_be_put_in_place_the_old_ones_are_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    (tmp_path / "m.mtl").write_text("old materials")
    (tmp_path / "m.obj").write_text("old mesh")
    calls = []
    real = os.replace

    def replace(a: Path, b: Path) -> None:
        calls.append(a)
        if len(calls) == nth:
            raise OSError(errno.EIO, "the disk is broken")
        real(a, b)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(WriteError, match="the disk is broken"):
        save_mesh(cube(), [picture(), picture()], tmp_path / "m.obj")
    assert {f.name: f.read_text() for f in tmp_path.iterdir()} == {"m.mtl": "old materials", "m.obj": "old mesh"}


@pytest.mark.parametrize("name", ["m.obj", "m.glb"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WriteError, match="No space left"):
        save_mesh(cube(), [picture(), picture()], tmp_path / name)
    assert not list(tmp_path.iterdir())
