"""What is shown of a console, whatever it holds."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.report.console import HEAD_LINES, REPORT_LINES, TAIL_LINES, read_excerpt


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.binary(max_size=8).map(lambda b: b.replace(b"\n", b"")), max_size=700),
    st.integers(1, 700),
    st.integers(0, 40),
    st.booleans(),
)
def test_every_line_shown_is_that_line(
    tmp_path: Path, lines: list[bytes], first: int, length: int, ended: bool
) -> None:
    path = tmp_path / "console.log"
    path.write_bytes(b"\n".join(lines) + (b"\n" if ended and lines else b""))
    whole = path.read_bytes().split(b"\n")
    if whole[-1] == b"":
        whole.pop()
    excerpt = read_excerpt(path, (first, first + length))
    assert excerpt is not None
    assert excerpt.lines == len(whole)
    assert excerpt.cut_lines >= 0
    shown = {n: t for p in excerpt.pieces for n, t in enumerate(p.lines, start=p.first_line)}
    for number, text in shown.items():
        expected = whole[number - 1].decode("utf-8", "replace").rstrip("\r")
        assert text == "".join(
            c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in expected
        )
    wanted = set(range(first, first + length + 1)) | set(range(1, HEAD_LINES + 1))
    assert {n for n in wanted if n <= len(whole)} <= shown.keys()
    starts = [piece.first_line for piece in excerpt.pieces]
    assert starts == sorted(starts)


def test_of_a_long_console_a_stated_part_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_bytes(b"".join(b"line %d\n" % n for n in range(1, 2_000_001)))
    excerpt = read_excerpt(path, (1_000_000, 1_000_099))
    assert excerpt is not None
    assert excerpt.lines == 2_000_000
    head, middle, tail = excerpt.pieces
    assert head.lines[0] == "line 1"
    assert middle.first_line < 1_000_000
    assert "line 1000099" in middle.lines
    assert tail.lines[-1] == "line 2000000"
    assert len(tail.lines) == TAIL_LINES
    assert excerpt.cut_lines == 2_000_000 - sum(len(p.lines) for p in excerpt.pieces)


def test_a_report_without_end_is_cut_in_its_middle(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_bytes(b"x\n" * 50_000)
    excerpt = read_excerpt(path, (1000, 40_000))
    assert excerpt is not None
    assert sum(len(p.lines) for p in excerpt.pieces) < REPORT_LINES + 500
    assert any(p.first_line <= 40_000 < p.end for p in excerpt.pieces)


def test_one_line_of_20_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_bytes(b"\x1b[31m<script>" + b"A" * (20 << 20))
    excerpt = read_excerpt(path, (1, 1))
    assert excerpt is not None
    (piece,) = excerpt.pieces
    (line,) = piece.lines
    assert line.startswith("\\x1b[31m<script>AAA")
    assert line.endswith(f"[line of {(20 << 20) + 13} bytes cut here]")
    assert len(line) < 1000


def test_no_console_and_an_empty_one(tmp_path: Path) -> None:
    assert read_excerpt(tmp_path / "none", None) is None
    (tmp_path / "empty").write_bytes(b"")
    excerpt = read_excerpt(tmp_path / "empty", (1, 2))
    assert excerpt is not None
    assert (excerpt.lines, excerpt.pieces) == (0, ())
