"""daxprobe itself, run on this machine: what it reports is what happened."""

from __future__ import annotations

import mmap
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import InfrastructureError
from harness.image.programs import SOURCES, provide_daxprobe
from harness.observe.daxprobe import (
    ProbeReplies,
    Reply,
    code_name,
    errno_name,
    integer,
    parse_replies,
    signal_of,
)
from harness.observe.gup_test import parse_gup_test
from harness.observe.sections import split_sections
from harness.observe.signals import signal_name
from harness.observe.zoneinfo import parse_free_pages
from harness.store import Store
from harness.target import load_targets

COMPILER = shutil.which("gcc") or "gcc"
PAGE = mmap.PAGESIZE


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("daxprobe") / "daxprobe"
    command = [COMPILER, "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(path)]
    subprocess.run([*command, str(SOURCES / "daxprobe.c")], check=True)
    return path


def probe(program: Path, *operations: object) -> ProbeReplies:
    words = [str(program), *map(str, operations)]
    return parse_replies(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def touch(first: int, length: int, access: str = "write", stride: int = PAGE) -> str:
    return f"touch:{access}:{first}:{length}:{stride}"


def test_real_time_signals_have_names() -> None:
    assert [signal_name(number) for number in (7, 34, 35, 64, 0, 200)] == [
        *("SIGBUS", "SIGRTMIN", "SIGRTMIN+1", "SIGRTMAX", "0", "200"),
    ]
    reply: Reply = {"op": "touch", "signal": 40, "code": 1}
    assert (signal_of(40), code_name(reply)) == ("SIGRTMIN+6", "1")
    assert parse_gup_test("", 128 + 40).signal == "SIGRTMIN+6"


def test_base_pages_take_a_fault_each(program: Path) -> None:
    size = 64 * PAGE
    map_ = f"map:private:rw:0:{size}"
    replies = probe(program, map_, "advise:nohuge", touch(0, size), touch(0, size))
    first, again = replies.of("touch")
    assert (integer(first, "faults"), integer(first, "touched_bytes")) == (64, size)
    assert integer(again, "faults") == 0


def test_a_child_has_faults_of_its_own(program: Path) -> None:
    size = 32 * PAGE
    both = touch(0, size)
    map_ = (f"map:private:rw:0:{size}", "advise:nohuge")
    replies = probe(program, *map_, "fork", "{", both, "}", both)
    assert [integer(reply, "faults") for reply in replies.of("touch")] == [32, 32]
    assert integer(replies.one("join"), "signal") == 0


def test_the_end_of_a_file_is_a_bus_error_that_is_survived(program: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(3 * PAGE))
    map_ = f"map:shared:rw:0:{8 * PAGE}:{file}"
    replies = probe(program, map_, touch(PAGE, 7 * PAGE), touch(0, PAGE))
    stopped, alive = replies.of("touch")
    assert (signal_of(integer(stopped, "signal")), code_name(stopped)) == ("SIGBUS", "BUS_ADRERR")
    assert integer(stopped, "offset") == 3 * PAGE
    assert integer(stopped, "touched_bytes") == 2 * PAGE
    assert integer(stopped, "lsb") == -1  # not a memory error: there is no such field
    assert integer(alive, "signal") == 0


def test_writing_to_what_is_read_only(program: Path) -> None:
    replies = probe(program, f"map:private:r:0:{4 * PAGE}", touch(PAGE, PAGE))
    reply = replies.one("touch")
    assert (signal_of(integer(reply, "signal")), code_name(reply)) == ("SIGSEGV", "SEGV_ACCERR")
    assert integer(reply, "offset") == PAGE


def test_truncation_takes_pages_away_and_gives_them_back(program: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(4 * PAGE))
    size = 4 * PAGE
    one = touch(0, PAGE)
    replies = probe(
        program,
        *(f"map:shared:rw:0:{size}:{file}", one),
        *(f"truncate:0:{file}", one, f"truncate:{size}:{file}", one),
    )
    signals = [signal_of(integer(reply, "signal")) for reply in replies.of("touch")]
    assert signals == [None, "SIGBUS", None]
    assert file.stat().st_size == size


def test_repeat_and_fork_nest(program: Path) -> None:
    cycle = (f"map:private:rw:0:{PAGE}", "fork", "{", touch(0, PAGE), "}", "unmap")
    replies = probe(program, "repeat:3", "{", *cycle, "}")
    ops = [str(reply["op"]) for reply in replies.all]
    assert ops == ["map", "touch", "join", "unmap"] * 3


def test_refused_mapping_is_reported_and_not_touched(program: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(PAGE))
    map_ = f"map:shared:rw:512:{PAGE}:{file}"
    replies = probe(program, map_, touch(0, PAGE), "unmap")
    assert integer(replies.one("map"), "errno") == 22
    assert replies.one("touch")["skipped"] is True


def test_a_part_that_is_unmapped_is_gone(program: Path) -> None:
    part = f"unmap-part:{2 * PAGE}:{PAGE}"
    replies = probe(program, "beside", f"map:private:rw:0:{4 * PAGE}", part, touch(0, 4 * PAGE))
    assert [integer(replies.one(op), "errno") for op in ("beside", "map", "unmap-part")] == [0] * 3
    assert integer(replies.one("touch"), "touched_bytes") == 2 * PAGE
    assert integer(replies.one("touch"), "signal") == signal.SIGSEGV


def test_another_mapping_of_a_file_is_not_the_one_that_is_touched(
    program: Path, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(4 * PAGE))
    again, gone = f"map-again:{4 * PAGE}:{file}", f"truncate:0:{file}"
    replies = probe(program, f"map:shared:rw:0:{PAGE}:{file}", again, gone, touch(0, PAGE))
    assert integer(replies.one("map-again"), "errno") == 0
    assert integer(replies.one("touch"), "signal") == signal.SIGBUS
    assert integer(replies.one("touch"), "offset") == 0


@pytest.mark.parametrize(
    "operations",
    [["jump"], ["map:private:rw:0:x"], ["repeat:2", "{", "unmap"], ["touch:read:0:"]],
)
def test_nonsense_is_said_to_be(program: Path, operations: list[str]) -> None:
    ran = subprocess.run([program, *operations], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr.startswith("daxprobe: ")


@pytest.mark.parametrize(
    ("number", "name"), [(0, None), (95, "EOPNOTSUPP"), (14, "EFAULT"), (4095, "4095")]
)
def test_a_refusal_has_its_name_in_linux(number: int, name: str | None) -> None:
    assert errno_name({"op": "map", "errno": number}) == name


@pytest.mark.parametrize("text", ["Segmentation fault\n", "{}\n", "[1]\n", '{"op": "map", "er'])
def test_garbled_output_is_no_observation(text: str) -> None:
    with pytest.raises(InfrastructureError):
        parse_replies(text)


def measure(program: Path, *operations: str) -> subprocess.CompletedProcess[str]:
    """With nothing on its standard input, which stands for a kernel's log."""
    nothing, words = subprocess.DEVNULL, [str(program), *operations]
    return subprocess.run(words, stdin=nothing, capture_output=True, text=True, check=False)


def test_memory_is_what_the_kernel_says_of_it(program: Path) -> None:
    said = measure(program, "say:@@daxhound memory-before", "memory").stdout
    lines = split_sections(said)["memory-before"].splitlines()
    nodes = [line for line in lines if line.startswith("Node ")]
    zones = Path("/proc/zoneinfo").read_text().splitlines()
    assert nodes == [line for line in zones if line.startswith("Node ")]
    free = sum(parse_free_pages("\n".join(lines)).values())
    assert 0 < free < os.sysconf("SC_PHYS_PAGES")
    assert all(re.match(r"Node|nr_memmap_pages|DirectMap| +(pages free|count:)", x) for x in lines)


def test_a_command_stands_between_two_measurements(program: Path) -> None:
    command = ("do:2", "{", "sh", "-c", "echo made; echo why >&2; exit 7", "}")
    ran = measure(program, "say:before", *command, "say:after")
    assert (ran.returncode, ran.stdout, ran.stderr) == (7, "\nbefore\n\nafter\n", "made\nwhy\n")


def test_a_command_that_is_killed_is_seen_to_be(program: Path) -> None:
    ran = measure(program, "do:1", "{", "sh", "-c", "kill -9 $$", "}", "say:after")
    assert (ran.returncode, ran.stdout) == (-9, "\nafter\n")


def test_a_command_that_is_missing_is_named_as_a_shell_names_it(program: Path) -> None:
    ran = measure(program, "do:1", "{", "no-such-tool", "}", "say:after")
    assert (ran.returncode, ran.stderr) == (127, "no-such-tool: not found\n")


def test_what_the_kernel_lacks_is_passed_over(program: Path) -> None:
    ran = measure(program, "follow:0", "say:memmap", "messages:0:memmap_init_zone_device")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "\nmemmap\n", "")


def test_only_the_first_command_that_fails_and_those_before_it_run(program: Path) -> None:
    runs = [("do:1", "{", "sh", "-c", f"echo {n}; exit {n}", "}") for n in (0, 3, 4)]
    ran = measure(program, *(word for run in runs for word in run))
    assert (ran.returncode, ran.stdout) == (3, "0\n3\n")


@pytest.mark.parametrize("size", [512, 12345, 1 << 20, (8 << 20) + 4096])
def test_written_pattern_is_unlike_itself_everywhere(
    program: Path, size: int, tmp_path: Path
) -> None:
    """No two 512 byte blocks alike, so that no block can be read for another unnoticed."""
    file = tmp_path / "device"
    file.touch()
    replies = probe(program, f"write-out:{size}:{1 << 20}:{file}")
    assert integer(replies.one("write-out"), "errno") == 0
    pattern = file.read_bytes()
    assert len(pattern) == size
    blocks = [pattern[start : start + 512] for start in range(0, size - 511, 512)]
    assert len(set(blocks)) == len(blocks)


def test_a_debugger_reads_what_is_no_whole_number_of_pieces(program: Path, tmp_path: Path) -> None:
    file, size = tmp_path / "file", (1 << 20) + 24
    file.touch()
    written = (f"write-out:{size}:{1 << 20}:{file}", f"map:shared:rw:0:{size}:{file}")
    replies = probe(program, *written, f"peek:0:{size}:{1 << 20}", f"peek:0:{size - 8}:4096")
    assert [integer(reply, "touched_bytes") for reply in replies.of("peek")] == [size, size - 8]
    last = f"touch:write:{size - 8}:8:8"
    (reply,) = probe(program, *written, last, f"peek:0:{size}:{1 << 20}").of("peek")
    assert integer(reply, "touched_bytes") == size - 8


def test_a_device_that_is_full_refuses_the_pattern(program: Path) -> None:
    replies = probe(program, "write-out:4096:4096:/dev/full")
    assert errno_name(replies.one("write-out")) == "ENOSPC"


def test_it_is_built_once_for_a_compiler_not_for_a_kernel(tmp_path: Path) -> None:
    store, target = Store(tmp_path), load_targets()["x86_64"]
    archive = provide_daxprobe(target, store)
    assert b"usr/bin/daxprobe" in archive.read_bytes()
    written = archive.stat().st_mtime_ns
    assert provide_daxprobe(target, store).stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("number", "name"), [(0, None), (22, "EINVAL"), (95, "EOPNOTSUPP"), (4095, "4095")]
)
def test_errors_have_the_names_that_linux_gives_them(number: int, name: str | None) -> None:
    """Not those of the host's table, which knows 95 as ENOTSUP."""
    assert errno_name({"op": "map", "errno": number}) == name


@pytest.fixture
def unopened(tmp_path: Path) -> Iterator[Path]:
    """A name that no open() leads through: ENXIO, as of a device without a driver."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        yield tmp_path / "s"


@pytest.mark.parametrize(
    "operation",
    [
        f"map:shared:rw:0:{PAGE}:{{}}",
        f"map-again:{PAGE}:{{}}",
        f"punch:{PAGE}:{{}}",
        f"store:0:{PAGE}:{{}}",
        f"write-out:{PAGE}:{PAGE}:{{}}",
        f"sparse:{PAGE}:{PAGE}:{{}}",
        f"stale:{8 * PAGE}:{PAGE}:{{}}",
        "store-time:{}",
    ],
)
def test_what_cannot_be_opened_is_the_kernels_refusal(
    program: Path, unopened: Path, operation: str
) -> None:
    """No end of the program, which would be the harness' own."""
    (reply,) = probe(program, operation.format(unopened)).all
    assert errno_name(reply) == "ENXIO"


def test_a_medium_that_ends_is_told_with_its_error(program: Path) -> None:
    """A write is cut short where a file may get no larger, and only the next one is refused."""
    size, most = 64 * PAGE, 10 * PAGE
    with tempfile.NamedTemporaryFile() as file:
        words = [
            str(program),
            f"store:0:{size}:{file.name}",
            f"write-out:{size}:{size}:{file.name}",
        ]
        ran = subprocess.run(
            ["sh", "-c", 'trap "" XFSZ; exec prlimit --fsize="$0" "$@"', str(most), *words],
            capture_output=True,
            text=True,
            check=True,
        )
    assert [errno_name(reply) for reply in parse_replies(ran.stdout).all] == ["EFBIG", "EFBIG"]
