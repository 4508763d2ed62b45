"""`alm-texture paint`."""

import argparse
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from alm_core import ALM, Method
from alm_core.choices import FUSIONS, METHODS, REFERENCES, fusion_named, method_named, reference_named
from alm_core.fusions import Fusion
from torch import Tensor

from alm_texture.bake import Kept
from alm_texture.encode import check_film, encode_film
from alm_texture.export import mesh_files
from alm_texture.io import check_output, encode_image, read_image, read_picture, write_files
from alm_texture.keep import keep
from alm_texture.mesh import Mesh
from alm_texture.paint import Result, paint
from alm_texture.priors import ViewPrior, load_prior
from alm_texture.progress import progress
from alm_texture.render import turntable
from alm_texture.verbs import common

__all__ = ["add", "run"]

JOINT = tuple(name for name in FUSIONS if name != "visual-anagrams")
"""Methods that have all views at once; those of ambiguous pictures show the same everywhere, and are left out."""
WEIGHTS = ("w1", "w2", "strength", "eta", "particles")
"""Options of methods that have flags."""
SHARE = 0.75
"""How wide an example is by default, as a share of a view: a mesh fills about half of one."""


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    common.add_mesh(parser)
    common.add_output(parser)
    common.add_texture(parser)
    common.add_views(parser)
    parser.add_argument("--view-size", type=int, help="the views' width in pixels (what suits the model)")
    parser.add_argument("--save-views", type=Path, metavar="DIR", help="write the views' pictures into a folder, too")
    parser.add_argument(
        "--turntable", type=Path, metavar="FILE", help="a preview from all around: .mp4, .gif, or a .png strip"
    )
    parser.add_argument("--resume", type=Path, metavar="DIR", help="keep finished views there, and go on from the last")
    given = parser.add_argument_group("what is given")
    given.add_argument("--keep-texture", action="store_true", help="paint only a part of the mesh's texture")
    given.add_argument(
        "--texture", type=Path, action="append", help="the texture to keep, a picture a material (the mesh's own)"
    )
    given.add_argument(
        "--mask", type=Path, action="append", help="a picture a material, in texels: white is to be painted"
    )
    model = parser.add_argument_group("model")
    model.add_argument(
        "--model", default="exemplar", help="exemplar, or a folder or hub id of Stable Diffusion (exemplar)"
    )
    model.add_argument(
        "--exemplar", type=Path, action="append", help="a picture whose texture is painted; may be repeated"
    )
    model.add_argument("--exemplar-size", type=int, help="the longer side that it is shrunk to, in a view's pixels")
    model.add_argument("--controlnet", help="a folder or hub id of the model's depth ControlNet")
    model.add_argument("--prompt", default="", help="what to paint, for models that read text")
    model.add_argument("--negative-prompt", default="", help="what not to paint (the paper's)")
    model.add_argument("--guidance", type=float, help="the scale of classifier-free guidance (the model's usual)")
    model.add_argument("--no-cross-view", action="store_true", help="views do not read each other within the network")
    model.add_argument("--device", default="cpu", help="cpu, cuda, mps, … (cpu)")
    model.add_argument("--dtype", help="float32, float16 or bfloat16 (what suits the device)")
    model.add_argument("--variant", help="the variant of weights in the folder, such as fp16")
    model.add_argument("--offload", action="store_true", help="keep parts of the model in main memory until used")
    model.add_argument("--vae-tiling", action="store_true", help="decode views in tiles")
    model.add_argument("--attention", help="slicing, or an attention backend of diffusers")
    solver = parser.add_argument_group("solver")
    solver.add_argument("--method", choices=(*METHODS, *JOINT), help="how to complete (what suits the model)")
    solver.add_argument("--reference", choices=REFERENCES, help="where the noisy given part comes from")
    solver.add_argument("--steps", type=int, help="steps from noise to clean (what suits the model)")
    solver.add_argument("--w1", type=float, help="weight of ALM's conditional term and pull (1)")
    solver.add_argument("--w2", type=float, help="weight of ALM's joint term (0.005)")
    solver.add_argument("--strength", type=float, help="SyncSDE's 1/λ (5)")
    solver.add_argument("--eta", type=float, help="0 is DDIM, 1 DDPM's ancestral sampling (what suits the method)")
    solver.add_argument("--particles", type=int, help="how many smcdiff has a sample (64)")
    solver.add_argument("--seed", type=int, default=0, help="another seed, another texture (0)")
    solver.add_argument("--together", type=int, help="views a network call (all)")
    common.add_report(parser)


def run(flags: argparse.Namespace) -> None:
    """Paints the mesh and writes what was asked for, all or nothing."""
    _check(flags)
    check_output(flags.output, source=flags.mesh, overwrite=flags.overwrite)
    if flags.turntable:
        check_film(flags.turntable, overwrite=flags.overwrite)
    prior = _prior(flags)
    asked = flags.size
    mesh = common.mapped_mesh(flags)
    kept = _kept(flags, mesh)
    size = flags.size if kept is None else round((len(kept.texels) / len(mesh.materials)) ** 0.5)
    if asked not in (None, size):
        raise ValueError(f"the kept texture is {size} texels wide, got --size {asked}: leave --size out")
    common.check_memory(len(mesh.materials), size)
    cameras = common.cameras_of(flags, mesh)
    pictures = _view_files(flags, len(cameras))
    with progress(flags.progress, len(cameras)) as report:
        result = paint(
            mesh,
            prior=prior,
            cameras=cameras,
            method=_method(flags, prior),
            reference=reference_named(flags.reference) if flags.reference else None,
            prompt=flags.prompt,
            negative_prompt=flags.negative_prompt,
            steps=flags.steps,
            seed=flags.seed,
            size=flags.view_size,
            texture_size=size,
            keep=kept,
            solver=common.solver_of(flags),
            together=flags.together,
            resume=flags.resume,
            rasterizer=flags.rasterizer,
            on_step=report,
        )
    more = [(encode_image(view), path) for view, path in zip(result.views, pictures, strict=False)]
    if flags.turntable:
        frames = turntable(mesh, result.textures, rasterizer=flags.rasterizer)
        more.append((encode_film(frames, flags.turntable.suffix), flags.turntable))
    if pictures:
        flags.save_views.mkdir(parents=True, exist_ok=True)
    write_files([*more, *mesh_files(mesh, result.textures, flags.output, roughness=flags.roughness)])
    _tell(flags, result)


def _check(flags: argparse.Namespace) -> None:
    """Raises ValueError for flags that do not go together, before anything is read."""
    if flags.model == "exemplar" and not flags.exemplar:
        raise ValueError("the exemplar model paints from a picture: give one with --exemplar, or another --model")
    if flags.model != "exemplar" and flags.exemplar:
        raise ValueError("--exemplar is for the exemplar model: leave it out, or leave out --model")
    if flags.keep_texture and flags.unwrap:
        raise ValueError("a kept texture lies on the mesh's own UVs: leave out --unwrap, or unwrap the mesh first")
    if not flags.keep_texture and (flags.mask or flags.texture):
        raise ValueError("--mask and --texture say what of a texture is kept: add --keep-texture")
    for name in ("steps", "view_size", "together", "exemplar_size"):
        if getattr(flags, name) is not None and getattr(flags, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be 1 or more, got {getattr(flags, name)}")


def _prior(flags: argparse.Namespace) -> ViewPrior:
    examples: list[Tensor] = []
    if flags.exemplar:
        longest = flags.exemplar_size or round(SHARE * (flags.view_size or 384))
        examples = [read_picture(path, longest=longest) for path in flags.exemplar]
    return load_prior(
        flags.model,
        controlnet=flags.controlnet,
        device=flags.device,
        dtype=flags.dtype,
        variant=flags.variant,
        cross_view=not flags.no_cross_view,
        guidance=flags.guidance,
        offload=flags.offload,
        vae_tiling=flags.vae_tiling,
        attention=flags.attention,
        examples=examples,
    )


def _method(flags: argparse.Namespace, prior: ViewPrior) -> Method | Fusion | None:
    """The method asked for; options alone adjust the model's usual one."""
    asked = {name: value for name in WEIGHTS if (value := getattr(flags, name)) is not None}
    if flags.method in FUSIONS:
        return fusion_named(flags.method, **asked)
    usual = prior.defaults.method
    if flags.method and not (flags.method == "alm" and isinstance(usual, ALM)):
        return method_named(flags.method, **asked)
    unknown = sorted(asked.keys() - {field.name for field in fields(usual)})  # type: ignore[arg-type]
    if unknown:
        raise ValueError(
            f"{flags.model} uses {type(usual).__name__}, which has no {', '.join('--' + name for name in unknown)}: "
            "name a method that does"
        )
    return replace(usual, **asked)  # type: ignore[type-var]


def _kept(flags: argparse.Namespace, mesh: Mesh) -> Kept | None:
    """What stays: all that the masks leave black, or without masks what of --texture is opaque."""
    if not flags.keep_texture:
        return None
    textures, alphas = common.textures_of(flags, mesh)
    if flags.mask:
        if len(flags.mask) != len(textures):
            raise ValueError(f"the mesh has {len(textures)} materials, got {len(flags.mask)} of --mask: give one each")
        masks = [read_image(path)[0].max(2) >= 128 for path in flags.mask]
    else:
        masks = [np.zeros(t.shape[:2], bool) if a is None else a < 255 for t, a in zip(textures, alphas, strict=True)]
        if not any(mask.any() for mask in masks):
            raise ValueError(
                "what is to be painted? give --mask, white there, or a --texture that is transparent there"
            )
    return keep(textures, [mask.astype(np.float32) for mask in masks])


def _view_files(flags: argparse.Namespace, count: int) -> list[Path]:
    """Where the views' pictures go. Raises FileExistsError."""
    if flags.save_views is None:
        return []
    if flags.save_views.is_file():
        raise ValueError(f"the folder for the views, {flags.save_views}, is a file: give another name")
    paths = [flags.save_views / f"view-{i:03d}.png" for i in range(count)]
    there = [path for path in paths if path.exists()]
    if there and not flags.overwrite:
        raise FileExistsError(f"{there[0]} exists: choose another folder, or allow it with --overwrite")
    return paths


def _tell(flags: argparse.Namespace, result: Result) -> None:
    report = {
        "output": str(flags.output),
        "coverage": round(result.coverage, 5),
        "agreement": None if np.isnan(result.agreement) else round(result.agreement, 5),
        "views": len(result.cameras),
        "resumed": result.resumed,
        "evaluations": result.evaluations,
        "calls": result.calls,
        "seconds": round(result.seconds, 3),
        "seed": result.seed,
        "model": flags.model,
        "method": result.method,
    }
    common.tell(flags, report, f"{flags.output}: {result.coverage:.1%} of the surface seen, {result.seconds:.1f} s")
