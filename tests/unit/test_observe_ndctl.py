"""ndctl 76.1 as recorded in a ppc64 hash guest, kernel 6.1.192, nvdimm at 16 GiB."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.errors import InfrastructureError
from harness.observe.ndctl import NamespaceInfo, Refusal, parse_namespaces, parse_refusal

RECORDING = Path(__file__).parent.parent / "data" / "ndctl" / "ppc64-hash-6.1.txt"


@dataclass(frozen=True)
class Recorded:
    command: str
    stdout: str
    stderr: str
    status: int


def recordings(path: Path) -> list[Recorded]:
    """Blocks of ``+++ command``, stdout, ``--- stderr``, stderr, ``--- rc=status``."""
    form = r"(?ms)^\+\+\+ (.*?)\n(.*?)^--- stderr\n(.*?)^--- rc=(\d+)$"
    found = re.findall(form, path.read_text())
    return [Recorded(command, out, err, int(status)) for command, out, err, status in found]


ALL = recordings(RECORDING)


def recorded(options: str) -> Recorded:
    return next(r for r in ALL if r.command.endswith(options))


def test_recording_is_whole() -> None:
    assert len(ALL) >= 25
    assert sum(r.status == 0 for r in ALL) >= 10


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (
            "-m raw -s 256M",
            NamespaceInfo("namespace0.0", "raw", None, 1 << 28, None, 512, None, "pmem0"),
        ),
        (
            "-m sector -s 256M",
            NamespaceInfo("namespace0.0", "sector", None, 267096064, None, 4096, None, "pmem0s"),
        ),
        (
            "-m fsdax -M dev -s 256M",
            NamespaceInfo("namespace0.0", "fsdax", "dev", 240 << 20, 16 << 20, 512, None, "pmem0"),
        ),
        (
            "-m devdax -M mem -a 64K",
            NamespaceInfo(
                "namespace0.0", "devdax", "mem", 2032 << 20, 1 << 16, None, "dax0.0", None
            ),
        ),
    ],
)
def test_namespace_as_it_was_made(options: str, wanted: NamespaceInfo) -> None:
    assert parse_namespaces(recorded(options).stdout) == (wanted,)


def test_every_success_is_read_and_every_failure_is_explained() -> None:
    for run in ALL:
        if run.command.startswith("ndctl create-namespace"):
            assert len(parse_namespaces(run.stdout)) == (run.status == 0), run.command
            assert (parse_refusal(run.stderr, run.status).message != "") == (run.status != 0)


def test_list_of_namespaces_puts_the_device_elsewhere() -> None:
    (listed,) = parse_namespaces(recorded("ndctl list -N").stdout)
    assert (listed.chardev, listed.size_bytes) == ("dax0.0", 2032 << 20)


@pytest.mark.parametrize(
    ("options", "errno", "words"),
    [
        ("-m devdax -M mem -a 1G", "ENXIO", "unsupported align: 1G"),
        ("-m devdax -M mem -s 8G", "ENOSPC", "No space left on device"),
        ("-m devdax -M mem -s 16M", "ENXIO", "dax0.1: failed to enable"),
        ("-m devdax -M mem -s 33M", "EINVAL", "align setting is 0x1000000 size 0x2100000"),
        ("-m devdax -M mem -a 3M", None, "align must be a power-of-2 greater than 65536"),
        ("-m sector -s 256M -l 513", "EINVAL", "does not support btt sector_size 513"),
        ("-m sector -s 256M -a 2M", "ENXIO", "sector mode does not support setting an alignment"),
    ],
)
def test_refusal_gives_the_error_and_ndctls_words(
    options: str, errno: str | None, words: str
) -> None:
    run = recorded(options)
    refusal = parse_refusal(run.stderr, run.status)
    assert refusal.errno == errno
    assert words in refusal.message
    assert "--sector-size" not in refusal.message  # of the usage


def test_killed_ndctl_has_no_error_number() -> None:
    assert parse_refusal("Segmentation fault\n", 139) == Refusal(None, "Segmentation fault")


@pytest.mark.parametrize("text", ["no json", '{"mode": "raw"}', "[1]", '"dev"', "{} {}"])
def test_what_is_no_namespace_is_the_harness_failing(text: str) -> None:
    with pytest.raises(InfrastructureError, match="ndctl printed no namespace"):
        parse_namespaces(text)


def test_nothing_printed_is_no_namespace() -> None:
    assert parse_namespaces("\n") == ()
