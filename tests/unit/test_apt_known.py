"""The host's apt configuration is asked for once, and again when it has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.apt import known as apt_known
from harness.apt.host import AptHost, Mirrors
from harness.apt.known import known_host
from harness.store import Store


class Apt:
    """Stands for apt's tools: each asking gives another mirror."""

    def __init__(self) -> None:
        self.asked = 0

    def read_host(self, _suites: object, _environ: object) -> AptHost:
        self.asked += 1
        mirrors = Mirrors(f"http://m{self.asked}/debian")
        return AptHost(mirrors, "amd64", ('Acquire::http::Proxy "http://p:1";',), Path("/key.gpg"))


@pytest.fixture
def apt(monkeypatch: pytest.MonkeyPatch) -> Apt:
    apt = Apt()
    monkeypatch.setattr(apt_known, "read_host", apt.read_host)
    return apt


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    folder = tmp_path / "etc-apt"
    (folder / "sources.list.d").mkdir(parents=True)
    (folder / "sources.list").write_text("deb http://m/debian bookworm main\n")
    return folder


def test_apt_is_asked_once_for_the_same_configuration(
    apt: Apt, tmp_path: Path, configuration: Path
) -> None:
    store = Store(tmp_path / "store")
    hosts = [known_host(store, ("bookworm",), {}, configuration) for _ in range(3)]
    assert apt.asked == 1
    assert hosts == [hosts[0]] * 3


def test_other_suites_and_another_store_are_asked_for_by_themselves(
    apt: Apt, tmp_path: Path, configuration: Path
) -> None:
    known_host(Store(tmp_path / "one"), ("bookworm",), {}, configuration)
    known_host(Store(tmp_path / "one"), ("trixie",), {}, configuration)
    known_host(Store(tmp_path / "two"), ("trixie",), {}, configuration)
    assert apt.asked == 3


@pytest.mark.parametrize("name", ["sources.list", "sources.list.d/new.sources"])
def test_a_changed_file_of_apts_is_seen(
    apt: Apt, tmp_path: Path, configuration: Path, name: str
) -> None:
    store = Store(tmp_path / "store")
    known_host(store, ("bookworm",), {}, configuration)
    (configuration / name).write_text("deb http://n/debian bookworm main\n")
    changed = known_host(store, ("bookworm",), {}, configuration)
    assert (apt.asked, changed.mirrors.archive) == (2, "http://m2/debian")
    known_host(store, ("bookworm",), {}, configuration)
    assert apt.asked == 2


def test_another_mirror_in_the_environment_is_seen(
    apt: Apt, tmp_path: Path, configuration: Path
) -> None:
    store = Store(tmp_path / "store")
    for mirror in ("http://a/debian", "http://b/debian", "http://b/debian"):
        known_host(store, ("bookworm",), {"DAXHOUND_MIRROR": mirror}, configuration)
    assert apt.asked == 2


def test_a_configuration_from_anywhere_is_not_remembered(
    apt: Apt, tmp_path: Path, configuration: Path
) -> None:
    store = Store(tmp_path / "store")
    for _ in range(2):
        known_host(store, ("bookworm",), {"APT_CONFIG": "/own/apt.conf"}, configuration)
    assert apt.asked == 2


def test_a_damaged_memory_is_no_memory(apt: Apt, tmp_path: Path, configuration: Path) -> None:
    store = Store(tmp_path / "store")
    known_host(store, ("bookworm",), {}, configuration)
    (memory,) = (store.root / "apt").glob("host-*.json")
    memory.write_text(memory.read_text()[:-20])
    known_host(store, ("bookworm",), {}, configuration)
    assert apt.asked == 2
