"""The public surface is a decision: `tests/surface.txt` lists it, and a change to it is seen in review.

Refresh the list with `./run python tests/test_surface.py`.
"""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "tests" / "surface.txt"


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of every package, by dotted name, parsed: nothing needs to be importable."""
    found = {}
    for source in sorted(ROOT.glob("packages/*/src")):
        for file in sorted(source.rglob("*.py")):
            parts = file.relative_to(source).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(file.read_text())
    return found


def exported(tree: ast.Module) -> list[str] | None:
    """The module's `__all__`; None where it has none."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return list(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return None


def surface() -> list[str]:
    """`module: name` for all that is public."""
    return sorted(f"{module}: {name}" for module, tree in modules().items() for name in exported(tree) or [])


def defined(tree: ast.Module) -> set[str]:
    """The names that a module binds at its top level."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


@pytest.mark.parametrize("name", modules())
def test_every_module_says_what_it_is_and_what_is_public(name: str) -> None:
    module = modules()[name]
    assert ast.get_docstring(module), "a module opens with a docstring"
    names = [] if name.endswith(".__main__") else exported(module)
    assert names is not None, "a module has an __all__"
    assert len(set(names)) == len(names)
    assert set(names) <= defined(module) | {"__version__"}, "__all__ names what the module holds"


def test_the_public_surface_is_the_checked_in_list() -> None:
    listed, now = set(LIST.read_text().splitlines()), set(surface())
    added, gone = sorted(now - listed), sorted(listed - now)
    assert now == listed, (
        f"the public surface changed: added {added}, gone {gone}. "
        "If that is meant, run `./run python tests/test_surface.py` and tell it in CHANGELOG.md"
    )


if __name__ == "__main__":
    LIST.write_text("\n".join(surface()) + "\n")
    print(f"wrote {LIST.relative_to(ROOT)}: {len(surface())} names", file=sys.stderr)
