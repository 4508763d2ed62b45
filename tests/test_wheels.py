"""Each installable package works alone: from its wheel, in an environment that has never seen this checkout."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES = ["alm-core", "alm-image", "alm-motion", "alm-texture", "alm-video"]
BIN = "Scripts" if os.name == "nt" else "bin"
PAINT = """
from PIL import Image
Image.radial_gradient("L").resize((32, 32)).convert("RGB").save("picture.png")
mask = Image.new("L", (32, 32))
mask.paste(255, (12, 12, 20, 20))
mask.save("mask.png")
"""


def run(*command: object, cwd: Path) -> str:
    """The command's standard output; with nothing of this checkout in its environment."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "UV_", "PIP_", "VIRTUAL_ENV"))}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=kept | {"PYTHONUTF8": "1"}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{words} left {done.returncode}:\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All five wheels, built offline."""
    folder = tmp_path_factory.mktemp("wheels")
    for name in NAMES:
        run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT / "packages" / name)
    return {name: next(folder.glob(f"{name.replace('-', '_')}-*.whl")) for name in NAMES}


@pytest.fixture(scope="module")
def installed(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheels; third-party packages come from this one, its alm packages do not."""
    venv = tmp_path_factory.mktemp("clean") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=ROOT)
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    install = [uv, "pip", "install", "--no-config", "--offline", "--no-index", "--no-deps", "--quiet"]
    run(*install, "--python", venv / BIN / "python", *wheels.values(), cwd=venv)
    site = Path(
        run(venv / BIN / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=venv).strip()
    )
    # A plain path: the .pth files of the editable packages that lie there are not read.
    (site / "third_party.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return venv


@pytest.mark.parametrize("name", NAMES)
def test_a_wheel_is_typed_and_carries_the_licence(wheels: dict[str, Path], name: str) -> None:
    module = name.replace("-", "_")
    with zipfile.ZipFile(wheels[name]) as wheel:
        files = wheel.namelist()
        info = next(file.split("/")[0] for file in files if file.endswith(".dist-info/METADATA"))
        metadata = wheel.read(f"{info}/METADATA").decode()
        licence = wheel.read(f"{info}/licenses/LICENSE").decode()
    assert f"{module}/py.typed" in files
    assert "License-Expression: Apache-2.0" in metadata
    assert licence == (ROOT / "LICENSE").read_text()
    assert {file.split("/")[0] for file in files} == {module, info}


@pytest.mark.parametrize("name", NAMES)
def test_a_package_is_imported_from_its_wheel(installed: Path, tmp_path: Path, name: str) -> None:
    module = name.replace("-", "_")
    where = run(installed / BIN / "python", "-c", f"import {module}; print({module}.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "alm-core"])
def test_a_command_shows_its_help(installed: Path, tmp_path: Path, name: str) -> None:
    assert run(installed / BIN / name, "--help", cwd=tmp_path).startswith(f"usage: {name}")
    assert run(installed / BIN / "python", "-m", name.replace("-", "_"), "--help", cwd=tmp_path).startswith("usage:")


def test_the_core_samples_from_its_wheel(installed: Path, tmp_path: Path) -> None:
    job = (ROOT / "packages" / "alm-core" / "README.md").read_text().split("```python\n")[1].split("```")[0]
    assert run(installed / BIN / "python", "-c", job, cwd=tmp_path).startswith("samples")


def test_a_picture_is_completed_from_the_wheels(installed: Path, tmp_path: Path) -> None:
    run(installed / BIN / "python", "-c", PAINT, cwd=tmp_path)
    job = ["inpaint", "picture.png", "--mask", "mask.png", "--steps", 4, "-o", "filled.png"]
    run(installed / BIN / "alm-image", *job, cwd=tmp_path)
    assert (tmp_path / "filled.png").stat().st_size > 0
