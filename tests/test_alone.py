"""What is committed stands alone: it names no folder beside the repository, no machine's path, no registry's host."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = {
    "a folder beside the repository": re.compile(r"\.\./shared\b"),
    "a path of some machine": re.compile(
        r"(?<![\w.$}*~/-])/(?:work|tmp|root|mnt|home/\w+|Users/\w+)(?:/|(?=[\s\"'`)]|$))"
    ),
    "the host of a package registry": re.compile(
        r"https?://[\w.-]*(?:pypi|pythonhosted|npmjs|debian|ubuntu|anaconda|download\.pytorch)[\w.-]*\.(?:org|com|net)"
    ),
}


def committed() -> list[Path]:
    """Tracked files and new ones that git does not ignore; only those that are text."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    files = [ROOT / name for name in listed]
    return [
        file for file in files if file.is_file() and file != Path(__file__) and b"\0" not in file.read_bytes()[:8000]
    ]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs git to know what is committed")
@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_committed_names(what: str) -> None:
    found = []
    for file in committed():
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if FORBIDDEN[what].search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    assert not found, f"take out {what}:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("a folder beside the repository", "see ../shared" + "/design"),
        ("a path of some machine", "open('/" + "work/main/x')"),
        ("a path of some machine", "cd /" + "tmp"),
        ("a path of some machine", "/home" + "/someone/x"),
        ("the host of a package registry", "https://files." + "pythonhosted.org/x"),
    ],
)
def test_the_patterns_find_what_they_are_for(what: str, line: str) -> None:
    assert FORBIDDEN[what].search(line)


@pytest.mark.parametrize(
    "line", ["./run test", "tmp_path / 'x'", "docs/work" + "/x", "https://arxiv.org/abs/2606.31323", "1/root"]
)
def test_the_patterns_let_the_rest_be(line: str) -> None:
    assert not any(pattern.search(line) for pattern in FORBIDDEN.values())


def test_helpers_of_tests_have_names_of_their_own() -> None:
    """Every tests folder stands on one sys.path: of two helpers of one name, the first imported would serve both."""
    helpers = [
        file.name
        for file in ROOT.glob("packages/*/tests/*.py")
        if not file.name.startswith("test_") and file.name != "conftest.py"
    ]
    assert len(helpers) == len(set(helpers)), f"rename one of a pair among {sorted(helpers)}"
