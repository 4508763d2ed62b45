import re
import tomllib
from pathlib import Path

import alm_core
import alm_image
import alm_motion
import alm_texture
import alm_video
import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = [alm_core, alm_image, alm_motion, alm_texture, alm_video]


def manifest(folder: Path) -> dict[str, object]:
    return tomllib.loads((folder / "pyproject.toml").read_text())["project"]


PACKAGES = {folder.name: manifest(folder) for folder in sorted((ROOT / "packages").iterdir()) if folder.is_dir()}
VERSION = str(PACKAGES["alm-core"]["version"])


def test_there_are_five_packages_and_all_have_one_version() -> None:
    assert set(PACKAGES) == {module.__name__.replace("_", "-") for module in MODULES}
    versions = {name: package["version"] for name, package in PACKAGES.items()}
    assert set(versions.values()) == {VERSION}, versions
    assert manifest(ROOT)["version"] == VERSION


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_a_module_knows_the_version_of_its_package(module: object) -> None:
    assert module.__version__ == VERSION  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [name for name in PACKAGES if name != "alm-core"])
def test_siblings_are_pinned_to_the_same_version(name: str) -> None:
    extras = PACKAGES[name].get("optional-dependencies", {})
    wanted = [*PACKAGES[name]["dependencies"], *(d for each in extras.values() for d in each)]
    siblings = [d for d in wanted if re.match(r"alm-\w+", d)]
    assert f"alm-core=={VERSION}" in siblings
    assert all(sibling.endswith(f"=={VERSION}") for sibling in siblings), siblings


def test_the_changelog_has_an_entry_for_the_version() -> None:
    assert re.search(rf"^## {re.escape(VERSION)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_every_package_carries_the_licence() -> None:
    licence = (ROOT / "LICENSE").read_text()
    for name, package in PACKAGES.items():
        assert package["license"] == "Apache-2.0", name
        assert (ROOT / "packages" / name / "LICENSE").read_text() == licence, name
