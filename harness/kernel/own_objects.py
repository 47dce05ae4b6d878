"""The objects of somebody's own source tree, which is edited between two builds.

make tells by times what is to be compiled again. In a tree that others write to, a file can hold
something else and be older than its object: a copy that kept its time, a clock that was set back.
So beside the objects it is noted what each file held when they were made, and since when. They are
used again only where all that is different now is newer than they are.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import KernelFailure, UserError
from harness.kernel.contents import Content, Contents
from harness.kernel.plain_file import empty_folder
from harness.kernel.source import Source
from harness.kernel.stale_objects import remove_stale
from harness.kernel.work_area import hold_own_area
from harness.store import Store
from harness.whole_file import write_whole

_NOTE = "daxhound.contents"


@contextmanager
def hold_own_objects(store: Store, base: Source, contents: Contents, key: str) -> Iterator[Path]:
    """The object tree of that key to build in, empty where nothing in it will do.

    ``contents`` are the tree's now. Raises UserError where the tree was edited meanwhile.
    """
    with hold_own_area(store, base) as area, area.objects(key) as objects:
        before = _usable(objects, contents)
        if before is None:
            empty_folder(objects)
        else:
            remove_stale(objects, before.keys() - contents.keys())
        # Killed from here on, or the tree edited, it is not known what the objects were made of.
        (objects / _NOTE).unlink(missing_ok=True)
        try:
            yield objects
        except (KernelFailure, UserError):
            _note(objects, base, contents)
            raise
        _note(objects, base, contents)


def _note(objects: Path, base: Source, contents: Contents) -> None:
    base.check_unchanged()
    noted = {"made_ns": time.time_ns(), "contents": contents}
    write_whole(objects / _NOTE, json.dumps(noted).encode())


def _usable(objects: Path, contents: Contents) -> Contents | None:
    """What these objects were made of, where make will see by itself what is new."""
    try:
        noted = json.loads((objects / _NOTE).read_bytes())
        made_ns = int(noted["made_ns"])
        before = {name: Content(*content) for name, content in noted["contents"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    changed = (content for name, content in contents.items() if before.get(name) != content)
    return before if all(content.mtime_ns > made_ns for content in changed) else None
