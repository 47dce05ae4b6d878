"""A short run of the readers' fuzz; ``python -m tests.fuzz.readers`` is the long one."""

from __future__ import annotations

import pytest

from tests.fuzz import readers
from tests.fuzz.readers import READERS, Reader, case, complaint

SEED = 20261121


@pytest.mark.parametrize("name", sorted(READERS))
def test_a_reader_answers_or_says_what_is_wrong(name: str) -> None:
    for number in range(20):
        said = complaint(name, case(name, SEED, number))
        assert said is None, f"{name}, seed {SEED}, number {number}:\n{said}"


@pytest.mark.parametrize("name", sorted(READERS))
def test_what_the_damage_begins_with_is_read(name: str) -> None:
    seeds = READERS[name].seeds()
    assert seeds
    assert any(case(name, SEED, number) not in seeds for number in range(5))


def test_a_reader_that_breaks_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Reader(lambda data: data.decode("ascii"), lambda: [b"\xff"], (KeyError,))
    monkeypatch.setitem(readers.READERS, "broken", broken)
    assert "UnicodeDecodeError" in str(complaint("broken", b"\xff"))
    assert complaint("broken", b"x") is None
