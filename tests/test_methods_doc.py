"""docs/methods.md, the code and the tests name one another: no equation without its code and its test."""

import ast
import inspect
import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import alm_core.fusions
import alm_core.methods
import alm_core.reference
import pytest
from alm_core import Method

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "methods.md"
ALM_EQUATIONS = {"1", "2", "9", "11", "12", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31"}
SYNCSDE_EQUATIONS = {str(n) for n in (*range(1, 4), *range(6, 18), 23, 24, 25)}


@dataclass(frozen=True)
class Row:
    """One row of a table whose columns are equation, source, code and test."""

    equation: str
    source: str
    code: list[str]
    tests: list[str]


def rows() -> list[Row]:
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 4 and "`alm_" in cells[2]:
            found.append(Row(cells[0], cells[1], quoted(cells[2]), quoted(cells[3])))
    return found


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def symbol(path: str) -> object:
    """The object behind a dotted path: a module as far as it goes, then attributes."""
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            found = getattr(found, name)
        return found
    raise ModuleNotFoundError(path)


@cache
def functions(file: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}


def equations(source: str) -> set[str]:
    """The numbers in the sources of one paper, `Eq. 1, 9 and 11; Eq. 23–25` spelt out."""
    numbers: set[str] = set()
    for row in rows():
        if row.source.startswith(source):
            for first, last in re.findall(r"(\d+)(?:–(\d+))?", row.source.split("Eq.", 1)[-1]):
                numbers |= {str(n) for n in range(int(first), int(last or first) + 1)}
    return numbers


@pytest.mark.parametrize("row", rows(), ids=lambda row: re.sub(r"\W+", "-", row.source))
def test_a_row_names_code_that_exists_and_a_test_that_does(row: Row) -> None:
    assert row.code
    assert row.tests, f"no test is named for {row.equation}"
    for path in row.code:
        symbol(path)
    for node in row.tests:
        file, _, function = node.partition("::")
        assert (ROOT / file).is_file(), node
        assert function in functions(ROOT / file), node


def test_every_equation_of_the_papers_that_the_code_uses_has_a_row() -> None:
    assert equations("ALM") >= ALM_EQUATIONS, sorted(ALM_EQUATIONS - equations("ALM"), key=int)
    assert equations("SyncSDE") >= SYNCSDE_EQUATIONS, sorted(SYNCSDE_EQUATIONS - equations("SyncSDE"), key=int)


def test_every_method_reference_and_joint_method_has_a_row() -> None:
    for module in iter_modules(alm_core.methods.__path__):
        import_module(f"alm_core.methods.{module.name}")
    methods = {m for m in Method.__subclasses__() if m.__module__.startswith("alm_core.methods")}
    fusions = {f for f in alm_core.fusions.Fusion.__subclasses__() if f.__module__.startswith("alm_core.fusions")}
    references = {
        thing
        for name in alm_core.reference.__all__
        if inspect.isclass(thing := getattr(alm_core.reference, name)) and not getattr(thing, "_is_protocol", False)
    }
    assert len(methods) >= 7
    assert len(fusions) >= 4
    assert len(references) >= 3
    listed = {path for row in rows() for path in row.code}
    for one in methods | fusions | references:
        full = f"{one.__module__}.{one.__qualname__}"
        assert any(path == full or path.startswith(full + ".") for path in listed), f"{full} has no row in {PAGE.name}"


def test_every_method_states_its_equation_on_top_of_its_file() -> None:
    for row in rows():
        for path in row.code:
            if re.match(r"alm_core\.methods\.\w+\.[A-Z]", path):
                module = import_module(path.split(".")[0] + "." + ".".join(path.split(".")[1:3]))
                assert module.__doc__
                assert path.split(".")[2] == "independent" or "Y_" in module.__doc__, (
                    f"{module.__name__} states no equation"
                )
