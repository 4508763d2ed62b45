"""What a package imports is what its pyproject.toml declares.

Whatever is imported on the way from the package's own name, or from its command, must be a dependency: a plain
install has nothing else. What further modules import, and imports inside functions, may be an extra's.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
DISTRIBUTIONS = packages_distributions()
ENTRANCES = ("", ".__main__", ".cli")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names_of(requirements: list[str]) -> set[str]:
    return {normal(re.split(r"[\s\[<>=!~;(]", requirement, maxsplit=1)[0]) for requirement in requirements}


class Sources:
    """The modules of one package, parsed, with what each imports."""

    def __init__(self, package: Path) -> None:
        self.root = package.name.replace("-", "_")
        self.files: dict[str, ast.Module] = {}
        for file in sorted((package / "src").rglob("*.py")):
            parts = file.relative_to(package / "src").with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            self.files[name] = ast.parse(file.read_text())

    def imports(self, module: str, *, lazily: bool) -> set[str]:
        """Full names that a module imports when it is loaded, or (`lazily`) also later."""
        return {name for node in walk(self.files[module], lazily=lazily) for name in imported(node)}

    def loaded(self) -> set[str]:
        """The modules that are loaded on the way from an entrance."""
        open_, seen = [self.root + end for end in ENTRANCES], set()
        while open_:
            name = open_.pop()
            if name in seen or name not in self.files:
                continue
            seen.add(name)
            found = self.imports(name, lazily=False)
            parents = {full.rsplit(".", cut)[0] for full in found for cut in range(full.count(".") + 1)}
            open_ += [full for full in found | parents if full in self.files]
        return seen


def walk(tree: ast.AST, *, lazily: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not lazily:
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from walk(node, lazily=lazily)


def imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return set()


def third_party(names: set[str], own: str) -> set[str]:
    """The distributions behind full module names."""
    tops = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {own}
    return {normal(DISTRIBUTIONS.get(top, [top])[0]) for top in tops}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_what_is_imported_is_declared(package: Path) -> None:
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    hard = names_of(project["dependencies"])
    extras = {name for wanted in project.get("optional-dependencies", {}).values() for name in names_of(wanted)}
    sources = Sources(package)
    loaded = sources.loaded()
    at_once = {name for module in loaded for name in sources.imports(module, lazily=False)}
    ever = {name for module in sources.files for name in sources.imports(module, lazily=True)}
    assert third_party(at_once, sources.root) <= hard, "imported by a plain install, so they belong in dependencies"
    assert third_party(ever, sources.root) <= hard | extras, "imported somewhere, so they belong in an extra"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_relative_imports_are_not_used(package: Path) -> None:
    trees = Sources(package).files
    relative = [
        name for name, tree in trees.items() for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level
    ]
    assert not relative


def test_the_command_is_loaded_from_the_entrances() -> None:
    motion = next(package for package in PACKAGES if package.name == "alm-motion")
    assert {"alm_motion", "alm_motion.cli"} <= Sources(motion).loaded()
