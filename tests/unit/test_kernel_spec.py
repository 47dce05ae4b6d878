"""Names of kernel sources: what they mean, and what is said of a name that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.kernel.spec import (
    DebianSpec,
    DirectorySpec,
    GitSpec,
    KernelSpec,
    TarSpec,
    parse_kernel_spec,
)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("debian:6.1", DebianSpec("6.1")),
        ("debian:6.12", DebianSpec("6.12")),
        ("debian:6.1=6.1.192-2", DebianSpec("6.1", "6.1.192-2")),
        ("debian:7.3=7.3.4-1~bpo13+1", DebianSpec("7.3", "7.3.4-1~bpo13+1")),
        ("dir:../linux", DirectorySpec(Path("../linux"))),
        ("dir:/srv/a:b", DirectorySpec(Path("/srv/a:b"))),
        ("tar:linux-7.2.tar.xz", TarSpec(Path("linux-7.2.tar.xz"))),
        ("git:/srv/linux@v6.15-rc1", GitSpec(Path("/srv/linux"), "v6.15-rc1")),
        ("git:linux@origin/master~3", GitSpec(Path("linux"), "origin/master~3")),
        ("git:linux@HEAD@{1}", GitSpec(Path("linux"), "HEAD@{1}")),
    ],
)
def test_a_name_is_a_source_and_is_printed_as_it_was_given(text: str, spec: KernelSpec) -> None:
    assert parse_kernel_spec(text) == spec
    assert str(spec) == text


@pytest.mark.parametrize(
    ("rest", "path", "ref"),
    [
        ("me@work/linux@v6.12", "me@work/linux", "v6.12"),
        ("me@work/linux@topic@{upstream}", "me@work/linux", "topic@{upstream}"),
        ("me@work/linux@@~1", "me@work/linux", "@~1"),
        ("me@work/linux@topic/a@b", "me@work/linux", "topic/a@b"),
        ("me@work@v6.12", "me@work", "v6.12"),
        ("me@home/linux@v6.12", "me", "home/linux@v6.12"),
    ],
)
def test_a_path_may_hold_an_at_sign(
    rest: str, path: str, ref: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "me@work/linux").mkdir(parents=True)
    for start in (f"{tmp_path}/", "~/", ""):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        assert parse_kernel_spec(f"git:{start}{rest}") == GitSpec(Path(f"{start}{path}"), ref)
    with pytest.raises(UserError) as caught:
        parse_kernel_spec("git:me@work/linux")
    assert caught.value.hint == "git:me@work/linux@HEAD"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("6.1", "debian:6.1"),
        ("6.1.192", "debian:6.1"),
        ("debian:6.1.192", "debian:6.1"),
        ("debian:6.1.192-2", "debian:6.1=6.1.192-2"),
        ("6.1.192-2", "debian:6.1=6.1.192-2"),
        ("debian:6.1=", "debian:6.1"),
        ("debian:6.1=../../etc", "debian:6.1"),
        ("debain:6.1", "debian:6.1"),
        ("debian:", "debian:6.1"),
        ("git:/srv/linux", "git:/srv/linux@HEAD"),
        ("git:/srv/linux@", "git:/srv/linux@HEAD"),
        ("/srv/linux", "dir:/srv/linux"),
        ("./linux", "dir:./linux"),
        ("/srv/linux-6.1.tar.xz", "tar:/srv/linux-6.1.tar.xz"),
        ("dir:", "dir:PATH"),
        ("", "one of debian:6.1, dir:PATH, tar:PATH, git:PATH@REF"),
        ("bookworm", "one of debian:6.1, dir:PATH, tar:PATH, git:PATH@REF"),
    ],
)
def test_a_name_that_is_none_is_answered_with_the_nearest_form(text: str, meant: str) -> None:
    with pytest.raises(UserError, match="no such kernel") as caught:
        parse_kernel_spec(text)
    assert caught.value.hint == meant
