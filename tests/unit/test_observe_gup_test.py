"""gup_test's three ways of printing, recorded on a ppc64 hash guest and written after source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.observe.gup_test import GupRun, parse_gup_test

DATA = Path(__file__).parent.parent / "data" / "gup_test"
TOOLS = ["ppc64-hash-6.1", "ppc64-hash-6.1-tool-7.2"]


def recorded(tool: str, options: str) -> GupRun:
    form = r"(?ms)^\+\+\+ gup_test (.*?) *\n(.*?)^--- stderr\n(.*?)^--- rc=(\d+)$"
    for command, out, err, status in re.findall(form, (DATA / f"{tool}.txt").read_text()):
        if command == options:
            return parse_gup_test(out + err, int(status))
    raise AssertionError(f"{options!r} is not recorded")


@pytest.mark.parametrize("tool", TOOLS)
def test_benchmark_gives_every_repeat(tool: str) -> None:
    run = recorded(tool, "-m 64 -S -L -n 512 -w -r 3 -f /dev/dax0.0")
    assert run.outcome == "ran"
    assert [r.command for r in run.results] == ["PIN_LONGTERM_BENCHMARK"] * 3
    assert run.truncated_bytes is None
    assert all((r.get_us or 0) > 0 and r.put_us is not None for r in run.results)


def test_times_are_those_of_the_line() -> None:
    (result,) = recorded(TOOLS[0], "-m 64 -S -a -n 512 -w -f /dev/dax0.0").results
    assert (result.get_us, result.put_us) == (654, 167)
    (result,) = recorded(TOOLS[1], "-m 64 -S -a -n 512 -w -f /dev/dax0.0").results
    assert (result.get_us, result.put_us) == (163, 10)


@pytest.mark.parametrize("tool", TOOLS)
def test_refused_longterm_pin_shows_as_nothing_reached(tool: str) -> None:
    run = recorded(tool, "-m 64 -S -L -n 512 -w -f /mnt/region0/file")
    assert (run.outcome, len(run.results), run.truncated_bytes) == ("ran", 1, 0)


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(("flag", "command"), [("-b", "PIN_BASIC_TEST"), ("-U", "GUP_BASIC_TEST")])
def test_basic_test_has_no_times(tool: str, flag: str, command: str) -> None:
    (result,) = recorded(tool, f"-m 64 -S {flag} -n 512 -w -f /dev/dax0.0").results
    assert (result.command, result.get_us, result.put_us) == (command, None, None)


@pytest.mark.parametrize("tool", TOOLS)
def test_private_mapping_of_devdax_is_refused(tool: str) -> None:
    run = recorded(tool, "-m 64 -a -n 512 -w -f /dev/dax0.0")
    assert (run.outcome, run.errno, run.results) == ("mmap-refused", "EINVAL", ())


def test_missing_huge_pages_are_a_refused_mmap() -> None:
    run = recorded(TOOLS[0], "-m 64 -H -a -n 512 -w")
    assert (run.outcome, run.errno) == ("mmap-refused", "ENOMEM")


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    "options", ["-m 64 -S -T -a -n 512 -w -f /dev/dax0.0", "-m 1024 -S -a -n 512 -w -f /dev/dax0.0"]
)
def test_access_without_a_page_kills(tool: str, options: str) -> None:
    run = recorded(tool, options)
    assert (run.outcome, run.signal, run.results) == ("killed", "SIGBUS", ())


@pytest.mark.parametrize(
    "output",
    [
        "PIN_FAST_BENCHMARK: Time: get:12 put:3 us, truncated (size: 4096)\n",
        "# PIN_FAST_BENCHMARK: Time: get:12 put:3 us# , truncated (size: 4096)# \n",
        "PIN_BASIC_TEST: done\nTruncated (size: 4096)\n",
        "# PIN_BASIC_TEST: done\n# Truncated (size: 4096)\n",
    ],
)
def test_truncated_size_is_read_in_every_form(output: str) -> None:
    assert parse_gup_test(output, 0).truncated_bytes == 4096


def test_least_of_several_truncated_sizes_counts() -> None:
    line = "PIN_FAST_BENCHMARK: Time: get:12 put:3 us, truncated (size: {})\n"
    assert parse_gup_test(line.format(8192) + line.format(4096), 0).truncated_bytes == 4096


@pytest.mark.parametrize(
    ("output", "status"),
    [
        ("check if CONFIG_GUP_TEST is enabled in kernel config\n", 4),
        ("TAP version 13\n1..1\nok 1 # SKIP Please run this test as root\n", 0),
        ("1..0 # SKIP Not enough huge pages\n", 4),
        ("Bail out! Wrong argument\n", 1),
        ("", 0),
        ("sh: gup_test: not found\n", 127),
    ],
)
def test_run_that_tells_nothing_is_no_pass(output: str, status: int) -> None:
    run = parse_gup_test(output, status)
    assert (run.outcome, run.results) == ("not-run", ())


@pytest.mark.parametrize(
    ("output", "status"),
    [
        ("open: No such device or address\n", 255),
        ("1..1\nBail out! Unable to open /dev/dax0.0: No such device or address\n", 1),
    ],
)
def test_a_device_that_cannot_be_opened_is_the_kernels_refusal(output: str, status: int) -> None:
    run = parse_gup_test(output, status)
    assert (run.outcome, run.errno) == ("open-refused", "ENXIO")


@pytest.mark.parametrize(
    ("output", "status", "errno"),
    [
        ("ioctl: Invalid argument\n", 1, "EINVAL"),
        ("TAP version 13\n1..1\nnot ok 1 ioctl status -1\n", 0, None),
    ],
)
def test_refused_ioctl_is_told_from_a_run(output: str, status: int, errno: str | None) -> None:
    run = parse_gup_test(output, status)
    assert (run.outcome, run.errno) == ("ioctl-refused", errno)
