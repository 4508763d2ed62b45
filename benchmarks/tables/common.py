"""What every table of the papers shares: flags, items that are kept, and the paper's values beside the measured ones.

A table is a file with a `Table` and a call of `run`; README.md says how one is added.
"""

import argparse
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from math import isfinite
from pathlib import Path
from typing import Any

from alm_core import __version__
from alm_core.placement import as_device, as_dtype

from benchmarks.common import write_results
from benchmarks.tables.flags import SEED, Parser, check_places, check_same, earlier, given, whole
from benchmarks.tables.store import Store, fingerprint, key_of

__all__ = ["Cells", "Job", "Measure", "Table", "interval", "run"]

Cells = dict[str, dict[str, float | None] | None]
"""Of each metric {value, low, high}, of which the last two may be None; None for one that is not measured here."""
UNKEYED = ("out", "work", "tiny", "rows", "groups", "limit")
"""Flags that change nothing in what is made."""


@dataclass(frozen=True)
class Job:
    """One row of one group: `way` is what the table's `rows` has for it, and at most `limit` items are wanted.

    `items` keeps what this row makes, by no more than what it is made from; `shared` what all rows use. `tag` is of
    what measures, of the limit and of loose flags: put it into the name of what depends on these.
    """

    row: str
    group: str
    way: Any
    limit: int
    items: Store
    shared: Store
    tag: str

    @property
    def measured(self) -> Path:
        """Where what was measured is kept."""
        return self.items.folder / f"measured-{self.tag}.json"


Measure = Callable[[Job], tuple[Cells, int]]
"""The measured cells, and of how many items they are."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table. README.md says what each field holds."""

    name: str
    text: str
    metrics: tuple[str, ...]
    paper: Mapping[str, str]
    items: int
    rows: Callable[[argparse.Namespace], Mapping[str, object]]
    not_run: Mapping[str, str]
    made_from: Mapping[str, str]
    start: Callable[[argparse.Namespace], Measure]
    tiny: Callable[[Path], Mapping[str, object]]
    judged_by: Mapping[str, str]
    small: Mapping[str, object]
    groups: tuple[str, ...] = ("",)
    least: int = 1
    loose: tuple[str, ...] = ()
    options: Callable[[argparse.ArgumentParser], None] = lambda parser: None

    def printed(self, row: str, group: str) -> dict[str, str]:
        """The paper's values, digit by digit; "-" where it has none, as of rows that it does not have."""
        width = len(self.metrics)
        values = self.paper[row].split() if row in self.paper else ["-"] * width * len(self.groups)
        assert len(values) == width * len(self.groups), row
        first = self.groups.index(group) * width
        return dict(zip(self.metrics, values[first : first + width], strict=True))


def run(table: Table, argv: Sequence[str] | None = None) -> int:
    """The command: 0 when it is done, 2 where something is amiss, which is said in one line before any work."""
    try:
        flags = _asked(table, argv)
        ways, before = _ways(table, flags), earlier(flags.out, table.name)
        check_same(flags.out, before, _kept(table, flags, {}))
        files, measure = _started(table, flags, before)
    except (OSError, ValueError, ImportError) as error:
        print(f"{table.name}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    told = {name: value for name, value in vars(flags).items() if name not in files and name not in ("out", "work")}
    rows: list[dict[str, Any]] = []
    for row, group in product([*table.paper, *(name for name in ways if name not in table.paper)], table.groups):
        cells: Cells = {}
        found = {"row": row, "group": group, "status": "not run", "why": table.not_run.get(row, "not asked for")}
        if row in ways:
            job = _job(table, flags, files, row, group, ways[row])
            asked = row in (flags.rows or ways) and group in (flags.groups or table.groups)
            # What was measured before is shown, whatever is asked for now.
            if asked or job.measured.exists():
                cells, count = job.items.json(job.measured.stem, lambda job=job: measure(job))
                found = {"row": row, "group": group, "status": "measured", "method": repr(job.way), "items": count}
                if count < flags.limit:
                    found["why"] = f"there are no more, of {flags.limit} that were wanted"
        printed = table.printed(row, group)
        found["cells"] = {name: {"paper": _number(printed[name]), "measured": cells.get(name)} for name in printed}
        rows.append(found)
        _print(found, printed, table.items)
        part = flags.out.with_suffix(".part")  # so that results are whole, whenever it is stopped
        named = {"table": table.name, "version": __version__, "items": table.items}
        write_results(part, **named, settings=told, files=files, rows=rows)
        part.replace(flags.out)
    return 0


def _asked(table: Table, argv: Sequence[str] | None) -> argparse.Namespace:
    """The flags, with those that --tiny sets, but for paths. Raises ValueError or OSError for what cannot be."""
    parser = _parser(table)
    flags, told = parser.parse_args(argv), given(parser, argv)
    if flags.tiny:
        own = [name for name in (*table.made_from, *table.judged_by, *table.small) if name in told and name != "limit"]
        if own:
            raise ValueError(f"--tiny sets {', '.join(map(_option, own))} itself: leave it out, or --tiny")
        vars(flags).update({name: value for name, value in table.small.items() if name not in told})
    flags.limit = table.items if flags.limit is None else flags.limit
    flags.out = flags.out or Path(f"{table.name}{'-tiny' * flags.tiny}.json")
    flags.work = flags.work or flags.out.with_suffix(".work")
    as_device(flags.device)
    as_dtype(flags.dtype)
    check_places(flags.out, flags.work)
    return flags


def _started(
    table: Table, flags: argparse.Namespace, before: Mapping[str, Any] | None
) -> tuple[dict[str, str | None], Measure]:
    """The fingerprints of files, and what measures. What --tiny made does not stay where it cannot go on."""
    new = not flags.work.exists()
    try:
        if flags.tiny:
            shutil.rmtree(flags.work / "tiny", ignore_errors=True)
            (flags.work / "tiny").mkdir(parents=True)
            vars(flags).update(table.tiny(flags.work / "tiny"))
        files = {name: _known(table, flags, name) for name in (*table.made_from, *table.judged_by)}
        check_same(flags.out, before, _kept(table, flags, files))
        measure = table.start(flags)
        check_same(flags.out, before, _kept(table, flags, files))  # with what was found out about them
        flags.work.mkdir(exist_ok=True)
    except (OSError, ValueError, ImportError):
        if flags.tiny:
            shutil.rmtree(flags.work if new else flags.work / "tiny", ignore_errors=True)
        raise
    return files, measure


def _kept(table: Table, flags: argparse.Namespace, files: Mapping[str, str | None]) -> dict[str, object]:
    """What items depend on, of those files that are known."""
    other = (*UNKEYED, *table.judged_by, *table.loose, *table.made_from)
    kept = {name: value for name, value in vars(flags).items() if name not in other}
    return kept | {name: files[name] for name in table.made_from if name in files} | {"version": __version__}


def _job(
    table: Table, flags: argparse.Namespace, files: Mapping[str, str | None], row: str, group: str, way: object
) -> Job:
    """With the stores of what it makes, and what all rows make, each by all that it depends on."""
    kept = _kept(table, flags, files)
    measured_by = {name: getattr(flags, name) for name in ("limit", *table.loose)}
    tag = key_of({**measured_by, **{name: files[name] for name in table.judged_by}})[:8]
    root = Store(flags.work, table.name)
    items = root.under(", ".join(filter(None, (table.name, row, group))), row=row, group=group, way=repr(way), **kept)
    return Job(row, group, way, flags.limit, items, root.under(f"{table.name}, all", **kept), tag)


def interval(found: Mapping[str, Any], scale: float = 1.0) -> dict[str, float | None]:
    """{value, low, high} of what the packages return, times `scale`; None for an end that is not known."""
    return {name: scale * found[name] if isfinite(found[name]) else None for name in ("value", "low", "high")}


def _parser(table: Table) -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog=f"./run bench tables/{table.name}", description=table.text, formatter_class=shape)
    for name, what in {**table.made_from, **table.judged_by}.items():
        parser.add_argument(_option(name), type=Path, metavar="PATH", help=what)
    parser.add_argument("--out", type=Path, metavar="FILE.json", help=f"the results ({table.name}.json)")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where items are kept (beside the results)")
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="run these rows alone, by their names in the paper")
    if len(table.groups) > 1:
        parser.add_argument("--groups", nargs="+", choices=table.groups, help="run these columns alone")
    else:
        parser.set_defaults(groups=None)
    limit = f"no more than N items (the paper's {table.items})"
    parser.add_argument("--limit", type=whole(table.least), metavar="N", help=limit)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, … (cpu)")
    parser.add_argument("--dtype", help="of the networks (what suits the device)")
    parser.add_argument("--seed", type=SEED, default=0, help="(0)")
    parser.add_argument("--tiny", action="store_true", help="tiny random models and data: shows that all runs")
    table.options(parser)
    return parser


def _ways(table: Table, flags: argparse.Namespace) -> dict[str, object]:
    """The rows that are run. Raises ValueError for others that were asked for."""
    ways = dict(table.rows(flags))
    for name in flags.rows or ():
        if name not in ways:
            why = table.not_run.get(name, "the paper's table has none")
            raise ValueError(f"there is no row {name!r} to run ({why}): name some of {', '.join(map(repr, ways))}")
    return ways


def _known(table: Table, flags: argparse.Namespace, name: str) -> str | None:
    """The fingerprint of what a flag names, None where it may be left out and is. Raises FileNotFoundError."""
    path, what = getattr(flags, name), {**table.made_from, **table.judged_by}[name]
    if path is None and what.startswith("optional: "):
        return None
    if path is None or not path.exists():
        found = "it was not given" if path is None else f"there is no {path}"
        raise FileNotFoundError(f"{_option(name)} is wanted, {what}: {found}")
    return fingerprint(path)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _number(text: str) -> float | None:
    with suppress(ValueError):
        return float(text)
    return None


def _print(found: Mapping[str, Any], printed: Mapping[str, str], items: int) -> None:
    """`metric: paper | measured [95% interval]`, a line each."""
    how = f"{found['items']} of {items} items" if found["status"] == "measured" else "not run"
    how += f": {found['why']}" if "why" in found else ""
    print(f"{', '.join(filter(None, (found['row'], found['group'])))} ({how})")
    for name, cell in found["cells"].items():
        measured = cell["measured"]
        print(f"  {name}: {printed[name]} | {'-' if measured is None else _cell(**measured)}", flush=True)


def _cell(value: float, low: float | None, high: float | None) -> str:
    return f"{value:.4g}" + ("" if low is None or high is None else f" [{low:.4g}, {high:.4g}]")
