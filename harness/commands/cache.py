"""``daxhound cache``: what the store takes on disk, and pruning it."""

from __future__ import annotations

import argparse
import difflib
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.parser import add_command, add_json
from harness.errors import UserError
from harness.units import count, parse_size

if TYPE_CHECKING:
    from harness.commands.parser import Commands
    from harness.prune import Entry
    from harness.store import Store

_AGES = {"h": 3600, "d": 86400, "w": 604800}


def add_commands(commands: Commands) -> None:
    """The subcommand."""
    summary = "what kernels, sources and images take on disk; prune removes of it"
    examples = (
        "cache",
        "cache prune --older-than 30d",
        "cache prune --keep 20G --kind kernel,source --dry-run",
        "cache unpack store.tar",
    )
    command = add_command(commands, "cache", summary, _cache, *examples)
    action = "size (default) tells, prune removes, unpack takes in what another host built"
    actions = ("size", "prune", "unpack")
    command.add_argument("action", nargs="?", choices=actions, default="size", help=action)
    files = "unpack: take in what daxhound build --pack wrote"
    command.add_argument("files", nargs="*", type=Path, metavar="FILE", help=files)
    older = "prune what nobody used for so long: 12h, 30d, 4w"
    command.add_argument("--older-than", metavar="AGE", type=_argument(_parse_age), help=older)
    keep = "prune the longest unused until the rest takes no more: 20G"
    command.add_argument("--keep", metavar="SIZE", type=_argument(parse_size), help=keep)
    command.add_argument("--kind", metavar="KIND", help="of these kinds alone, with commas between")
    command.add_argument("--dry-run", action="store_true", help="say what prune would remove")
    add_json(command)


def _argument(read: Any) -> Any:
    """A reader whose ValueError argparse tells as it is."""

    def parse(text: str) -> Any:
        try:
            return read(text)
        except ValueError as exc:
            raise argparse.ArgumentTypeError(str(exc)) from exc

    return parse


def _parse_age(text: str) -> int:
    """Seconds. Raises ValueError."""
    match = re.fullmatch(r"([0-9]+)([hdw])", text)
    if match is None:
        raise ValueError(f"{text!r} is not an age such as 12h, 30d or 4w")
    return int(match[1]) * _AGES[match[2]]


def _cache(options: argparse.Namespace) -> int:
    from harness.prune import choose, list_entries, prune
    from harness.store import Store

    store = Store.default()
    if options.action == "unpack":
        return _unpack(store, options.files)
    if options.files:
        raise UserError(f"{options.action} takes no files", hint="daxhound cache unpack FILE...")
    entries = _of_kinds(list_entries(store), options.kind)
    if options.action == "size":
        _tell(store, entries, options)
        return 0
    if options.older_than is None and options.keep is None:
        raise UserError("prune: how much?", hint="--older-than 30d, --keep 20G, or both")
    bounds = {"older_than_seconds": options.older_than, "keep_bytes": options.keep}
    chosen = tuple(choose(entries, now=time.time(), **bounds))
    _tell(store, chosen if options.dry_run else prune(store, chosen), options)
    return 0


def _unpack(store: Store, files: Sequence[Path]) -> int:
    from harness.pack import unpack

    if not files:
        raise UserError("unpack: which files?", hint="what daxhound build --pack wrote")
    for file in files:
        print(f"{file}: {count(unpack(store, file), 'folder')}")
    return 0


def _of_kinds(entries: Sequence[Entry], kinds: str | None) -> tuple[Entry, ...]:
    if kinds is None:
        return tuple(entries)
    wanted = kinds.split(",")
    there = {entry.kind for entry in entries}
    for kind in wanted:
        # There may be none of a kind that there is.
        meant = difflib.get_close_matches(kind, there, n=1)
        if kind not in there and meant:
            raise UserError(f"--kind {kind}: nothing of that kind is kept", hint=meant[0])
    return tuple(entry for entry in entries if entry.kind in wanted)


def _tell(store: Store, entries: Sequence[Entry], options: argparse.Namespace) -> None:
    """Sizes by kind, and of all of the store also what no pruning removes."""
    rows, whole = _rows(entries), options.action == "size" and options.kind is None
    beside = _rows_beside(store) if whole else []
    if options.json:
        told = {"root": str(store.root), "action": options.action, "dry_run": options.dry_run}
        print(json.dumps({**told, "kinds": rows, "beside": beside}, indent=1))
        return
    print(_headline(store, entries, options))
    for row in rows:
        busy = f", {row['in_use']} in use" if row["in_use"] else ""
        age = f"unused for up to {row['unused_days']} days"
        number = f"{row['entries']:>6} {'entry' if row['entries'] == 1 else 'entries'}"
        print(f"  {row['kind']:16} {_megabytes(row['bytes'])} {number}, {age}{busy}")
    heavy = (row for row in beside if row["bytes"] >= 1 << 20)
    if words := [f"{row['kind']} {_megabytes(row['bytes']).strip()}" for row in heavy]:
        print(f"beside these: {', '.join(words)}")


def _rows(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """By kind; ``in_use`` is how many entries living processes hold."""
    kinds: dict[str, list[Entry]] = {}
    for entry in entries:
        kinds.setdefault(entry.kind, []).append(entry)
    now = time.time()
    return [
        {
            "kind": kind,
            "entries": len(found),
            "bytes": sum(entry.size_bytes for entry in found),
            "in_use": sum(entry.busy for entry in found),
            "unused_days": round(max(now - entry.used for entry in found) / _AGES["d"], 1),
        }
        for kind, found in sorted(kinds.items())
    ]


def _rows_beside(store: Store) -> list[dict[str, Any]]:
    """What no pruning removes; most of it is ``work``."""
    from harness.prune import sizes_beside

    return [{"kind": name, "bytes": size} for name, size in sizes_beside(store).items()]


def _headline(store: Store, entries: Sequence[Entry], options: argparse.Namespace) -> str:
    total = _megabytes(sum(entry.size_bytes for entry in entries)).strip()
    if options.action == "size":
        return f"{store.root}: {total}"
    verb = "would remove" if options.dry_run else "removed"
    return f"{store.root}: {verb} {count(len(entries), 'folder')}, {total}"


def _megabytes(number: int) -> str:
    return f"{number / (1 << 20):>10,.1f} MiB"
