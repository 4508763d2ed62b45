"""Blender: paints the active object with a picture's texture, and brings the result in beside it.

Run it in Blender's text editor after setting the three names. alm-texture runs as a process of its own, in an
environment of its own: nothing is installed into Blender's Python.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import bpy

COMMAND = ["alm-texture"]  # or the path of the command in the environment where it is installed
PICTURE = "moss.jpg"
SEED = 0

folder = Path(tempfile.mkdtemp())
bpy.ops.export_scene.gltf(filepath=str(folder / "in.glb"), use_selection=True)
words = [*COMMAND, "paint", str(folder / "in.glb"), "--unwrap", "--exemplar", PICTURE, "--seed", str(SEED)]
job = subprocess.Popen([*words, "-o", str(folder / "out.glb"), "--progress", "json"], stderr=subprocess.PIPE, text=True)
manager = bpy.context.window_manager
manager.progress_begin(0, 100)
said = ""
for line in job.stderr or ():
    if line.startswith("{"):
        step = json.loads(line)
        manager.progress_update(100 * step["step"] / step["steps"])
    else:
        said = line
manager.progress_end()
if job.wait() != 0:
    raise RuntimeError(said)
bpy.ops.import_scene.gltf(filepath=str(folder / "out.glb"))
