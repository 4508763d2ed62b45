"""Paint a mesh from its views and bake it, by Accelerated Likelihood Maximization."""

__version__ = "0.1.0"

from alm_texture import _threads as _threads
from alm_texture.bake import Fit, Kept, Picture, Splatting, bake
from alm_texture.camera import Camera, paper_views
from alm_texture.export import save_mesh
from alm_texture.io import read_mesh
from alm_texture.keep import keep
from alm_texture.mesh import Material, Mesh
from alm_texture.paint import Result, paint
from alm_texture.priors import ViewPrior, load_prior
from alm_texture.render import render, turntable
from alm_texture.scene import Scene
from alm_texture.unwrap import unwrap
from alm_texture.views import auto_views, read_views

__all__ = [
    "Camera",
    "Fit",
    "Kept",
    "Material",
    "Mesh",
    "Picture",
    "Result",
    "Scene",
    "Splatting",
    "ViewPrior",
    "auto_views",
    "bake",
    "keep",
    "load_prior",
    "paint",
    "paper_views",
    "read_mesh",
    "read_views",
    "render",
    "save_mesh",
    "turntable",
    "unwrap",
]
