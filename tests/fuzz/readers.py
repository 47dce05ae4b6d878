"""Readers of what others wrote, fed with what nobody would write.

    .venv/bin/python -m tests.fuzz.readers --seconds 600 --seed 7

Takes the project's own files and recordings, damages them, and holds each reader to its
word: an answer or its own kind of error, in bounded time. What breaks one is printed with
the seed and number that make it again: ``--only READER --first NUMBER --count 1``.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.errors import DaxhoundError, UserError
from harness.ignore import load_ignore_list
from harness.observe.console import ConsoleReader
from harness.observe.daxprobe import parse_replies
from harness.observe.gup_test import parse_gup_test
from harness.observe.ndctl import parse_namespaces, parse_refusal
from harness.scenario.expand import expand
from harness.scenario.schema import load_scenarios
from harness.series.load import load_series
from harness.target import load_targets
from harness.triage import find_reports
from tests.golden.console_file import DIRECTORY, split_golden

ROOT = Path(__file__).resolve().parents[2]

# Of a processor, not of a clock: the host may be busy. Most take milliseconds.
SLOW_SECONDS = 5.0
_LONGEST_BYTES = 1 << 20

# Words that mean something to one reader or another.
_WORDS = (
    *(b"\x1b[2J", b"\r", b"\x00", b"\xff\xfe", b"\xc3\x28", b"\n\n", b"---\n", b": ", b"- ", b"["),
    *(b"]", b"{", b"}", b"&a [*a]", b"!!python/object:os.system x", b"<<: *a", b"$x", b"1e999"),
    *(b"-1", b"18446744073709551616", b"9" * 400, b"../../etc/passwd", b"/etc/passwd"),
    *(b"diff --git a/../x b/../x\n", b"--- a/../../x\n", b"+++ /etc/x\n", b"@@ -1 +1 @@\n"),
    *(b"@@ -0,0 +1,99999999999 @@\n", b"@@ -1,-1 +1 @@\n", b"GIT binary patch\nliteral 99999999\n"),
    *(b"From x Mon Sep 17 00:00:00 2001\n", b"Content-Transfer-Encoding: base64\n", b"=?utf-8?q?"),
    *(b"Content-Type: text/plain; charset=none\n", b"Subject: [PATCH 9/1] x\n", b"rename from a\n"),
    *(b"BUG: ", b"Call Trace:\n", b"------------[ cut here ]------------\n", b"Linux version "),
    *(
        b"---[ end trace 0 ]---\n",
        b"Kernel panic - not syncing: ",
        b"daxhound: ready",
        b"Time: get:",
    ),
)


@dataclass(frozen=True, slots=True)
class Reader:
    """``read`` may raise ``allowed`` and nothing else; ``seeds`` is what damage begins with."""

    read: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    allowed: tuple[type[Exception], ...] = ()


def damage(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """The same bytes with a few things wrong."""
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at, length = rng.randint(0, len(data)), rng.choice((1, 2, 8, 64, 512))
        end = min(len(data), at + length)
        match rng.randrange(8):
            case 0:
                data = data[:at] + rng.choice(_WORDS) + data[at:]
            case 1:
                data = data[:at] + rng.choice(_WORDS) + data[end:]
            case 2:
                data = data[:at] + data[end:]
            case 3:
                data = data[:at] + rng.randbytes(end - at) + data[end:]
            case 4:
                data = data[:at] + data[at:end] * rng.choice((2, 3, 100)) + data[end:]
            case 5:
                data = data[:at]
            case 6:
                other = rng.choice(others)
                data = data[:at] + other[rng.randint(0, len(other)) :]
            case 7:
                lines = data.splitlines(keepends=True)
                rng.shuffle(lines)
                data = b"".join(lines) if rng.random() < 0.1 else data
    return data[:_LONGEST_BYTES]


def case(name: str, seed: int, number: int) -> bytes:
    """One input; the same for the same numbers."""
    rng = random.Random(f"{name} {seed} {number}")
    seeds = _seeds(name)
    return damage(rng, rng.choice(seeds), seeds)


def complaint(name: str, data: bytes) -> str | None:
    """What a reader did that it must not, or None."""
    reader = READERS[name]
    started = time.process_time()
    try:
        reader.read(data)
    except reader.allowed as exc:
        if not str(exc):
            return "an error without a word"
    except Exception:
        return traceback.format_exc()
    seconds = time.process_time() - started
    return f"took {seconds:.1f} s" if seconds > SLOW_SECONDS else None


@cache
def _seeds(name: str) -> Sequence[bytes]:
    return READERS[name].seeds()


def _files(pattern: str) -> Callable[[], Sequence[bytes]]:
    return lambda: [path.read_bytes() for path in sorted(ROOT.glob(pattern))]


def _golden() -> Sequence[bytes]:
    return [split_golden(path)[1] for path in sorted(DIRECTORY.glob("*.txt"))]


def _through_file(suffix: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    def reader(data: bytes) -> object:
        with tempfile.TemporaryDirectory(prefix="dx-fuzz-") as folder:
            path = Path(folder, f"input{suffix}")
            path.write_bytes(data)
            return read(path)

    return reader


def _scenario(path: Path) -> object:
    targets = load_targets()
    return [list(expand(scenario, targets)) for scenario in load_scenarios(path)]


def _console(data: bytes) -> object:
    reader = ConsoleReader()
    for start in range(0, len(data), 1000):
        reader.feed(data[start : start + 1000])
    reader.close()
    return reader.reports


def _text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: read(data.decode(errors="replace"))


READERS: dict[str, Reader] = {
    "scenario": Reader(_through_file(".yaml", _scenario), _files("scenarios/*.yaml"), (UserError,)),
    "ignore": Reader(
        _through_file(".yaml", load_ignore_list), _files("scenarios/*.yaml"), (UserError,)
    ),
    "series": Reader(
        _through_file(".mbox", lambda path: load_series(str(path))),
        _files("series/**/*.patch"),
        (UserError,),
    ),
    "console": Reader(_console, _golden),
    "triage": Reader(find_reports, _golden),
    "gup-test": Reader(
        _text(lambda text: parse_gup_test(text, 0)),
        _files("tests/data/gup_test/*.txt"),
        (DaxhoundError,),
    ),
    "namespaces": Reader(
        _text(parse_namespaces), _files("tests/data/ndctl/*.txt"), (DaxhoundError,)
    ),
    "refusal": Reader(_text(lambda text: parse_refusal(text, 1)), _files("tests/data/ndctl/*.txt")),
    "daxprobe": Reader(
        _text(parse_replies), _files("tests/data/mappings/*.json"), (DaxhoundError,)
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.readers", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", choices=sorted(READERS), metavar="READER")
    parser.add_argument("--first", type=int, default=0, metavar="NUMBER")
    parser.add_argument("--count", type=int, default=1 << 60)
    options = parser.parse_args()
    names = options.only or sorted(READERS)
    end = time.monotonic() + options.seconds
    number, wrong = options.first, 0
    while time.monotonic() < end and number < options.first + options.count:
        for name in names:
            said = complaint(name, case(name, options.seed, number))
            if said:
                wrong += 1
                print(f"{name}, seed {options.seed}, number {number}:\n{said}", flush=True)
        number += 1
    count = number - options.first
    print(f"{count} inputs for each of {len(names)} readers, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
