"""A mesh and its textures as files that others open: GLB, or OBJ with its MTL and PNGs.

Faces keep their order within a part; vertices that no face names are left out. GLB needs one UV a vertex, so there a
vertex on a UV seam is written once for each of its UVs, and no other is split. OBJ has no up axis: its vertices stay
as they are. GLB is Y-up: a mesh whose up axis is z gets a root node that rotates it, its vertices stay too. Normals
are not written, as the mesh has none of its own; programs make them from the faces.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image
from trimesh.visual.material import PBRMaterial
from trimesh.visual.texture import TextureVisuals, unmerge_faces

from alm_texture.io import check_output, encode_image, write_files
from alm_texture.mesh import Mesh

__all__ = ["mesh_files", "save_mesh"]

Pixels = NDArray[np.uint8]
UPRIGHT = [1, 0, 0, 0, 0, 0, -1, 0, 0, 1, 0, 0, 0, 0, 0, 1]
"""From z-up to y-up, (x, y, z) to (x, z, −y), by columns."""


def save_mesh(mesh: Mesh, textures: Sequence[Pixels], path: str | Path, *, roughness: float = 1.0) -> None:
    """Writes the mesh and `textures`, one uint8 (S, S, 3 or 4) a page, to a .glb or .obj; all files whole or none.

    GLB holds float32 positions and its PNGs, OBJ the shortest digits that give the float64 back, and its MTL and PNGs
    lie beside it. `roughness` in [0, 1] is GLB's; neither has a metallic part. What is there is replaced:
    `check_output` refuses that before. Raises ValueError for a mesh without UVs or another number of textures,
    WriteError.
    """
    write_files(mesh_files(mesh, textures, path, roughness=roughness))


def mesh_files(
    mesh: Mesh, textures: Sequence[Pixels], path: str | Path, *, roughness: float = 1.0
) -> list[tuple[bytes, Path]]:
    """The files that `save_mesh` writes, the mesh last: to be written together with others. Raises ValueError."""
    path = Path(path)
    files = check_output(path, pages=len(mesh.materials), overwrite=True)
    if mesh.uv is None:
        raise ValueError("a mesh with UVs is wanted, this one has none: unwrap it first")
    if len(textures) != len(mesh.materials):
        raise ValueError(f"{len(mesh.materials)} textures are wanted, one a page; got {len(textures)}")
    for texture in textures:
        if texture.dtype != np.uint8 or texture.ndim != 3 or texture.shape[2] not in (3, 4):
            raise ValueError(f"textures must be uint8 (S, S, 3 or 4), got {texture.dtype} {texture.shape}")
    if not 0 <= roughness <= 1:
        raise ValueError(f"the roughness must be in [0, 1], got {roughness}")
    if path.suffix.lower() == ".glb":
        return [(_glb(mesh, mesh.uv, textures, roughness), path)]
    pngs = [encode_image(texture) for texture in textures]
    obj, mtl = _obj(mesh, mesh.uv, files)
    return [*zip(pngs, files[2:], strict=True), (mtl.encode(), files[1]), (obj.encode(), path)]


def _obj(mesh: Mesh, uv: NDArray[np.float64], files: list[Path]) -> tuple[str, str]:
    """The texts of the OBJ and of its MTL."""
    vertices, faces = _named(mesh.faces)
    coordinates, corners = np.unique(uv.reshape(-1, 2), axis=0, return_inverse=True)
    lines = [f"mtllib {files[1].name}"]
    lines += [f"v {x!r} {y!r} {z!r}" for x, y, z in mesh.vertices[vertices].tolist()]
    lines += [f"vt {u!r} {v!r}" for u, v in coordinates.tolist()]
    names = _distinct([material.name for material in mesh.materials])
    indices = np.stack([faces, corners.reshape(-1, 3)], -1).reshape(-1, 6) + 1
    for number, part in enumerate(_distinct(mesh.parts)):
        mine = np.flatnonzero(mesh.part == number)
        before = -1
        lines += [f"o {part}"] if len(mine) else []
        for page, row in zip(mesh.page[mine].tolist(), indices[mine].tolist(), strict=True):
            if page != before:
                lines.append(f"usemtl {names[page]}")
            before = page
            lines.append("f {}/{} {}/{} {}/{}".format(*row))
    mtl = [
        f"newmtl {name}\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {png.name}\n"
        for name, png in zip(names, files[2:], strict=True)
    ]
    return "\n".join([*lines, ""]), "\n".join(mtl)


def _glb(mesh: Mesh, uv: NDArray[np.float64], textures: Sequence[Pixels], roughness: float) -> bytes:
    """Through trimesh, which writes a mesh and a node for each geometry: here, for each page of each part."""
    coordinates, corners = np.unique(uv.reshape(-1, 2), axis=0, return_inverse=True)
    corners = corners.reshape(-1, 3)
    materials = [
        PBRMaterial(
            name=str(page),
            baseColorTexture=Image.fromarray(texture),
            metallicFactor=0.0,
            roughnessFactor=float(roughness),
            doubleSided=True,
        )
        for page, texture in enumerate(textures)
    ]
    scene = trimesh.Scene()
    owners: list[int] = []
    for part, page in sorted(set(zip(mesh.part.tolist(), mesh.page.tolist(), strict=True))):
        mine = (mesh.part == part) & (mesh.page == page)
        faces, vertex, point = unmerge_faces(mesh.faces[mine], corners[mine])
        visual = TextureVisuals(uv=coordinates[point], material=materials[page])
        scene.add_geometry(trimesh.Trimesh(mesh.vertices[vertex], faces, process=False, visual=visual))
        owners.append(part)

    def arrange(tree: dict[str, Any]) -> None:
        """One mesh and one node for each part, by its name; a root above that stands a z-up mesh upright."""
        prims = [each["primitives"] for each in tree["meshes"]]
        used = sorted(set(owners))
        tree["meshes"] = [
            {
                "name": mesh.parts[part],
                "primitives": [p for k, own in enumerate(owners) if own == part for p in prims[k]],
            }
            for part in used
        ]
        tree["nodes"] = [{"name": mesh.parts[part], "mesh": number} for number, part in enumerate(used)]
        tree["scenes"][0]["nodes"] = list(range(len(used)))
        if mesh.up == "z":
            tree["nodes"].append({"name": "upright", "matrix": UPRIGHT, "children": tree["scenes"][0]["nodes"]})
            tree["scenes"][0]["nodes"] = [len(used)]
        for material in tree["materials"]:
            material["name"] = mesh.materials[int(material["name"])].name

    data: bytes = scene.export(file_type="glb", include_normals=False, tree_postprocessor=arrange)
    return data


def _named(faces: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The vertices that faces name, ascending, and the faces with indices into these."""
    vertices, inverse = np.unique(faces, return_inverse=True)
    return vertices, inverse.reshape(faces.shape)


def _distinct(names: Sequence[str]) -> list[str]:
    """One line each and no two alike: OBJ knows parts and materials by their names."""
    found: list[str] = []
    for name in (" ".join(each.split()) or "unnamed" for each in names):
        number = 1
        while (name if number == 1 else f"{name}.{number}") in found:
            number += 1
        found.append(name if number == 1 else f"{name}.{number}")
    return found
