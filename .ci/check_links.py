"""Checks that every relative link, anchor and image in the Markdown files of the repository resolves."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
TAG = re.compile(r"<(?:img|a)\b[^>]*?\b(?:src|href)=[\"']([^\"']+)[\"']")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def markdown_files() -> list[Path]:
    """Tracked Markdown files, and new ones that git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    return sorted(ROOT / name for name in set(listed) if name and (ROOT / name).is_file())


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings: lower case, spaces to hyphens, other marks dropped, repeats numbered."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number, unique = 0, slug
        while unique in found:
            number += 1
            unique = f"{slug}-{number}"
        found.add(unique)
    return found


def targets(text: str) -> Iterator[str]:
    """What a page links to, outside of code."""
    prose = FENCE.sub("", text)
    yield from TAG.findall(prose)
    yield from LINK.findall(CODE.sub("", prose))


def broken(page: Path) -> Iterator[str]:
    """One line for each link of a page that leads nowhere."""
    for target in targets(page.read_text(encoding="utf-8")):
        if ELSEWHERE.match(target):
            continue
        path, _, anchor = target.partition("#")
        goal = (page.parent / unquote(path)).resolve() if path else page
        where = f"{page.relative_to(ROOT)}: {target}"
        if not goal.is_relative_to(ROOT):
            yield f"{where} leaves the repository"
        elif not goal.exists():
            yield f"{where} does not exist"
        elif anchor and goal.suffix == ".md" and unquote(anchor) not in anchors(goal.read_text(encoding="utf-8")):
            yield f"{where} has no such heading"


def main() -> int:
    """Prints what is broken; 1 if anything is."""
    pages = markdown_files()
    faults = [fault for page in pages for fault in broken(page)]
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"links: {len(pages)} pages, {len(faults)} broken")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
