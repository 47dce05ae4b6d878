"""Patched kernels, with the real make and compiler on a tree of a few lines."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.deadline import Deadline
from harness.errors import KernelFailure, UserError
from harness.kernel.build import provide_kernel
from harness.kernel.built import BuiltKernel
from harness.kernel.deltas import wait_until_tidy
from harness.kernel.sandbox import SWITCH, why_not
from harness.kernel.spec import DirectorySpec, GitSpec, KernelSpec
from harness.progress import Silence, Task
from harness.series.load import load_series
from harness.series.patch import Patch
from harness.store import Store
from harness.target import Target, load_targets
from tests.support.git import git
from tests.support.sandbox import needs_sandbox
from tests.support.store_use import used_by_another

pytestmark = pytest.mark.usefixtures("open_builds")

REPOSITORY = Path(__file__).resolve().parents[2]

MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 1
SUBLEVEL = 99

SOURCES := init/main.c mm/gup.c mm/leaf.c $(wildcard $(CURDIR)/mm/added.c)
OBJECTS := $(patsubst $(CURDIR)/%,%,$(SOURCES:%.c=%.o))

allnoconfig:
	mkdir -p $(O)/include/config $(O)/init $(O)/mm $(O)/arch/x86/boot
	test ! -e $(CURDIR)/Kconfig.broken
	cp $(KCONFIG_ALLCONFIG) $(O)/.config
	@echo asked >> $(or $(CONFIGURED),$(O)/configured)
bzImage: $(OBJECTS:%=$(O)/%)
	echo 6.1.99 > $(O)/include/config/kernel.release
	cd $(O) && cp init/main.o vmlinux && touch System.map modules.builtin modules.builtin.modinfo
	cat $(OBJECTS:%.o=$(CURDIR)/%.c) $(CURDIR)/include/linux/mm.h > $(O)/arch/x86/boot/bzImage
$(O)/%.o: $(CURDIR)/%.c $(CURDIR)/include/linux/mmzone.h
	@echo $* >> $(or $(COMPILED),$(O)/compiled)
	@cat /proc/sys/kernel/random/uuid > $(O)/$*.compiling
	cd $(O) && $(CC) -I$(CURDIR)/include -c -o $*.o $<
	printf 'cmd_$*.o := %s %s -c -o $*.o %s\\n' '$(CC)' -I$(CURDIR)/include $< > \\
		$(O)/$(*D)/.$(*F).o.cmd
"""

TREE = {
    "Makefile": MAKEFILE,
    "Kconfig": 'config SMP\n\tbool "many"\n',
    "init/main.c": "int main;\n",
    "mm/gup.c": "int gup;\n",
    "mm/leaf.c": "int leaf;\n",
    "mm/huge_memory.c": "int huge;\n",
    "include/linux/mm.h": "struct page { unsigned long w[8]; };\n#define PAGE_SHIFT 12\n",
    "include/linux/mmzone.h": "extern int zone;\n",
}
WHOLE = ["init/main", "mm/gup", "mm/leaf"]


class Heard(Silence):
    """Keeps what a person would see of the waits."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: list[str] = []

    @contextmanager
    def task(self, text: str, unit: str, total: int | None = None) -> Iterator[Task]:
        self.tasks.append(text)
        with super().task(text, unit, total) as task:
            yield task


class World:
    """A kernel tree of somebody's, the store, and patches to that tree."""

    def __init__(self, root: Path, target: Target) -> None:
        self.root = root
        self.target = target
        self.tree = root / "linux"
        self.progress = Heard()
        for name, text in TREE.items():
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / name).write_text(text)

    def patch(self, path: str, old: str, new: str) -> Patch:
        """Replaces a file of one line."""
        there = f"@@ -{int(bool(old))},{int(bool(old))} +1 @@\n"
        text = f"--- a/{path}\n+++ b/{path}\n" + there + (f"-{old}\n" if old else "") + f"+{new}\n"
        file = self.root / "one.patch"
        file.write_text(text)
        return load_series(str(file)).patches[0]

    def provide(
        self, *patches: Patch, spec: KernelSpec | None = None, more: tuple[str, ...] = ()
    ) -> BuiltKernel:
        kernel = provide_kernel(
            spec or DirectorySpec(self.tree),
            self.target,
            ("base", *more),
            Store(self.root / "store"),
            self.progress,
            jobs=1,
            fragments_dir=self.root / "kconfigs",
            patches=patches,
        )
        wait_until_tidy()
        return kernel

    def compiled(self) -> list[str]:
        """What was compiled since it was last asked."""
        return sorted(self._noted("compiled"))

    def configured(self) -> int:
        """How often Kconfig was asked since this was last asked."""
        return len(self._noted("configured"))

    def _noted(self, name: str) -> list[str]:
        log = self.root / name
        found = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return found


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    (tmp_path / "kconfigs").mkdir()
    (tmp_path / "kconfigs/base.config").write_text("CONFIG_SMP=y\n")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("flex", "bison", "bc"):
        (tools / name).write_text("#!/bin/sh\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("CCACHE_DISABLE", "1")
    for name in ("compiled", "configured"):
        monkeypatch.setenv(name.upper(), str(tmp_path / name))
    target = load_targets()["x86_64"]
    native = target.kernel.model_copy(update={"cross_compile": "", "image": "bzImage"})
    return World(tmp_path, target.model_copy(update={"kernel": native}))


@pytest.fixture
def closed_builds(open_builds: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds in the sandbox after all, where every build sees its trees at the same place."""
    del open_builds
    monkeypatch.setenv(SWITCH, "on")
    why_not.cache_clear()


def snapshot(root: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(p.relative_to(root)): (p.read_bytes(), p.stat().st_ctime_ns) for p in files}


def commit(world: World) -> None:
    git(world.tree, "init", "-q")
    git(world.tree, "add", ".")
    git(world.tree, "commit", "-qm", "old")


def packed_objects(world: World, kernel: BuiltKernel) -> tarfile.TarFile:
    return tarfile.open(world.root / f"store/objects/{kernel.key}/objects.tar.gz")


def read_member(packed: tarfile.TarFile, name: str) -> str:
    file = packed.extractfile(name)
    assert file is not None
    return file.read().decode()


def test_each_patch_builds_only_what_it_changes(world: World) -> None:
    before = snapshot(world.tree)
    one = world.patch("mm/gup.c", "int gup;", "int pin;")
    two = world.patch("mm/leaf.c", "int leaf;", "int twig;")
    three = world.patch("mm/added.c", "", "int added;")
    first = world.provide(one)
    assert world.compiled() == WHOLE
    second = world.provide(one, two)
    assert world.compiled() == ["mm/leaf"]
    third = world.provide(one, two, three)
    assert world.compiled() == ["mm/added"]
    images = [kernel.image.read_text() for kernel in (first, second, third)]
    header = TREE["include/linux/mm.h"]
    assert images == [
        "int main;\nint pin;\nint leaf;\n" + header,
        "int main;\nint pin;\nint twig;\n" + header,
        "int main;\nint pin;\nint twig;\nint added;\n" + header,
    ]
    assert world.provide(one) == first
    assert world.provide(one, two) == second
    assert world.compiled() == []
    assert world.provide(two).image.read_text() == "int main;\nint gup;\nint twig;\n" + header
    assert world.compiled() == ["mm/gup"]
    world.provide(world.patch("include/linux/mmzone.h", "extern int zone;", "extern int zones;"))
    assert world.compiled() == WHOLE
    assert snapshot(world.tree) == before


def test_what_another_kernel_had_otherwise_meanwhile_is_not_compiled_again(world: World) -> None:
    (world.root / "kconfigs/more.config").write_text("CONFIG_MORE=y\n")
    header = world.patch("include/linux/mmzone.h", "extern int zone;", "extern int zones;")
    one = world.patch("mm/gup.c", "int gup;", "int pin;")
    two = world.patch("mm/leaf.c", "int leaf;", "int twig;")
    world.provide(one)
    world.provide(header, two, more=("more",))
    world.compiled()
    # Of the leaf as well: it was another one in the other tree, and here it never was.
    world.provide(one, world.patch("mm/added.c", "", "int added;"))
    assert world.compiled() == ["mm/added"]
    world.provide(header, one)
    assert world.compiled() == WHOLE
    world.provide(header, one, two, more=("more",))
    assert world.compiled() == ["mm/gup"]


def test_after_a_build_that_failed_make_alone_says_what_is_made_again(world: World) -> None:
    """Of what it came to before its end, objects are of other sources than those of before."""
    (world.root / "kconfigs/more.config").write_text("CONFIG_MORE=y\n")
    header = world.patch("include/linux/mmzone.h", "extern int zone;", "extern int zones;")
    leaf = world.patch("mm/leaf.c", "int leaf;", "int twig;")
    world.provide(leaf)
    with pytest.raises(KernelFailure):
        world.provide(header, world.patch("mm/gup.c", "int gup;", "#error"))
    world.compiled()
    world.provide(world.patch("mm/gup.c", "int gup;", "int pin;"), more=("more",))
    world.compiled()
    world.provide(header)
    assert world.compiled() == WHOLE


def test_equal_content_is_found_without_building(world: World) -> None:
    base = world.provide()
    world.compiled()
    one = world.patch("mm/gup.c", "int gup;", "int pin;")
    back = world.patch("mm/gup.c", "int pin;", "int gup;")
    detour = world.patch("mm/gup.c", "int gup;", "int get;")
    again = world.patch("mm/gup.c", "int get;", "int pin;")
    assert world.provide(one, back) == base
    assert world.compiled() == []
    first = world.provide(one)
    assert world.compiled() == WHOLE
    assert world.provide(detour, again) == first
    assert world.compiled() == []
    assert first.key != base.key


def test_a_stored_base_is_built_beside_and_leaves_no_tree_of_objects(world: World) -> None:
    commit(world)
    world.provide(spec=GitSpec(world.tree, "HEAD"))
    assert not (world.root / "store/work").exists()


@needs_sandbox
@pytest.mark.usefixtures("closed_builds")
@pytest.mark.parametrize("own", [True, False], ids=["an edited tree", "a stored source"])
def test_the_first_patched_kernel_is_built_on_its_bases_objects(world: World, own: bool) -> None:
    commit(world)
    spec = DirectorySpec(world.tree) if own else GitSpec(world.tree, "HEAD")
    base = world.provide(spec=spec)
    patched = world.provide(world.patch("mm/gup.c", "int gup;", "int pin;"), spec=spec)
    (tree,) = world.root.glob("store/work/*/tree")
    (log,) = tree.parent.glob("objects/*/compiled")
    assert log.read_text().split() == [*WHOLE, "mm/gup"]
    assert world.progress.tasks[-1] == "building x86 kernel 6.1.99 with patches"
    assert patched.image.read_text() == base.image.read_text().replace("gup", "pin")


@needs_sandbox
@pytest.mark.usefixtures("closed_builds")
def test_a_build_on_nothing_says_that_it_is_a_whole_one(world: World) -> None:
    commit(world)
    spec = GitSpec(world.tree, "HEAD")
    world.provide(spec=spec)
    (kept,) = world.root.glob("store/objects/*")
    shutil.rmtree(kept)
    world.provide(world.patch("mm/gup.c", "int gup;", "int pin;"), spec=spec)
    assert world.progress.tasks[-1] == (
        "building x86 kernel 6.1.99 with patches, all of it: no objects of its base are kept"
    )
    world.provide(world.patch("mm/gup.c", "int gup;", "int pun;"), spec=spec)
    assert world.progress.tasks[-1] == "building x86 kernel 6.1.99 with patches"


@needs_sandbox
@pytest.mark.usefixtures("closed_builds")
def test_more_of_a_configuration_is_built_on_the_objects_of_the_targets_own(
    world: World,
) -> None:
    (world.root / "kconfigs/more.config").write_text("CONFIG_MORE=y\n")
    commit(world)
    spec = GitSpec(world.tree, "HEAD")
    own, other = world.provide(spec=spec), world.provide(spec=spec, more=("more",))
    assert other.key != own.key
    with packed_objects(world, own) as first, packed_objects(world, other) as second:
        assert read_member(second, "./compiled").split() == WHOLE
        assert "CONFIG_MORE=y" in read_member(second, "./.config")
        # No two compilings are of one name.
        name = "./init/main.compiling"
        assert read_member(second, name) == read_member(first, name)


@pytest.mark.parametrize("name", ["daxhound.config", "daxhound.configured"])
def test_a_link_that_a_build_left_is_not_written_through(world: World, name: str) -> None:
    world.provide(world.patch("mm/gup.c", "int gup;", "int pin;"))
    (left,) = world.root.glob(f"store/work/*/objects/*/{name}")
    mine = world.root / "mine"
    mine.write_text("mine")
    left.unlink()
    left.symlink_to(mine)
    # Kconfig is asked again, so that both are written.
    world.provide(world.patch("mm/Kconfig", "", "config MORE"))
    assert mine.read_text() == "mine"


def test_kconfig_is_asked_again_only_where_it_may_say_something_else(world: World) -> None:
    leaf = world.patch("mm/leaf.c", "int leaf;", "int twig;")
    header = world.patch("include/linux/mmzone.h", "extern int zone;", "extern int zones;")
    symbol = world.patch("mm/Kconfig", "", "config MORE")
    script = world.patch("mm/tools/cc.sh", "", "true")
    program = world.patch("scripts/conf.c", "", "int conf;")
    asked = []
    for patches in ((leaf,), (header,), (symbol,), (symbol, leaf), (leaf, header)):
        world.provide(*patches)
        asked.append(world.configured())
    assert asked == [1, 0, 1, 0, 1]
    for patch in (script, program):
        world.provide(patch)
        assert world.configured() == 1


def test_kconfig_is_asked_again_after_it_failed(world: World) -> None:
    leaf = world.patch("mm/leaf.c", "int leaf;", "int twig;")
    broken = world.patch("Kconfig.broken", "", "config BROKEN")
    world.provide(leaf)
    with pytest.raises(KernelFailure):
        world.provide(broken)
    world.configured()
    world.provide(world.patch("mm/gup.c", "int gup;", "int pin;"))
    assert world.configured() == 1


def test_the_source_of_a_kernel_outlives_the_tree_it_was_built_of(world: World) -> None:
    rework = world.patch("mm/huge_memory.c", "int huge;", "int vmf_insert_folio_pmd;")
    other = world.patch("mm/huge_memory.c", "int huge;", "int tiny;")
    base, first, second = world.provide(), world.provide(rework), world.provide(other)
    assert [kernel.facts.probes["dax_refcount_rework"] for kernel in (base, first, second)] == [
        False,
        True,
        False,
    ]
    texts = [(k.source / "mm/huge_memory.c").read_text() for k in (base, first, second)]
    assert texts == ["int huge;\n", "int vmf_insert_folio_pmd;\n", "int tiny;\n"]
    shutil.rmtree(world.root / "store/work")
    found = world.provide(rework)
    assert found == first
    assert found.facts.probes["dax_refcount_rework"] is True
    assert (found.source / "mm/gup.c").read_text() == TREE["mm/gup.c"]


def test_a_patch_that_does_not_compile_is_the_finding_and_costs_no_objects(world: World) -> None:
    one = world.patch("mm/gup.c", "int gup;", "int pin;")
    broken = world.patch("mm/leaf.c", "int leaf;", "int leaf = unknown;")
    mended = world.patch("mm/leaf.c", "int leaf = unknown;", "int leaf = 1;")
    world.provide(one)
    world.compiled()
    with pytest.raises(KernelFailure, match=r"leaf\.c:1:12: error: ") as caught:
        world.provide(one, broken)
    (log,) = (world.root / "store/logs").iterdir()
    assert str(log) in str(caught.value)
    assert "error: " in log.read_text()
    world.compiled()
    assert "leaf = 1" in world.provide(one, broken, mended).image.read_text()
    assert world.compiled() == ["mm/leaf"]


def test_a_killed_build_leaves_nothing_that_is_trusted(world: World) -> None:
    """The object is there, newer than its source, and half written."""
    one = world.patch("mm/gup.c", "int gup;", "int pin;")
    two = world.patch("mm/leaf.c", "int leaf;", "int twig;")
    world.provide(one)
    (world.root / "two.patch").write_bytes(two.diff)
    (world.root / "one.patch").write_bytes(one.diff)
    slow = world.root / "bin/gcc"
    started = world.root / "started"
    real = shutil.which("gcc")
    half = f"echo half > mm/leaf.o; touch {started}; sleep 60"
    slow.write_text(f'#!/bin/sh\ncase "$*" in *leaf.c*) {half};; esac\nexec {real} "$@"\n')
    slow.chmod(0o755)
    program = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(world.root)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    deadline = Deadline.after(30)
    while not started.exists():
        assert program.poll() is None
        assert not deadline.expired
        time.sleep(0.02)
    program.send_signal(signal.SIGKILL)
    program.wait()
    slow.unlink()
    world.compiled()
    kernel = world.provide(one, two)
    assert kernel.image.read_text().startswith("int main;\nint pin;\nint twig;\n")
    assert world.compiled() == WHOLE


KILLED = """
import sys
from pathlib import Path
from harness.kernel.build import provide_kernel
from harness.kernel.spec import DirectorySpec
from harness.progress import Silence
from harness.series.load import load_series
from harness.store import Store
from harness.target import load_targets

root = Path(sys.argv[1])
target = load_targets()["x86_64"]
native = target.kernel.model_copy(update={"cross_compile": "", "image": "bzImage"})
target = target.model_copy(update={"kernel": native})
patches = [load_series(str(root / name)).patches[0] for name in ("one.patch", "two.patch")]
store = Store(root / "store")
spec, own = DirectorySpec(root / "linux"), root / "kconfigs"
provide_kernel(spec, target, ("base",), store, Silence(), 1, own, patches)
"""


def test_a_patch_that_does_not_apply_names_base_hunk_and_a_base_that_would_do(
    world: World,
) -> None:
    commit(world)
    git(world.tree, "tag", "v6.1")
    (world.tree / "mm/gup.c").write_text("int moved_on;\n")
    git(world.tree, "commit", "-qam", "new")
    patch = world.patch("mm/gup.c", "int gup;", "int pin;")
    with pytest.raises(UserError) as caught:
        world.provide(patch, spec=GitSpec(world.tree, "HEAD"))
    text = str(caught.value)
    assert (
        f"{world.root}/one.patch:3: patch 1 (one) does not apply to git:{world.tree}@HEAD" in text
    )
    assert "mm/gup.c, hunk 1 of 1 (@@ -1,1 +1 @@)" in text
    hint = (caught.value.hint or "").partition(",")[0]
    assert hint.startswith(f"--kernel git:{world.tree}@")
    nearest = GitSpec(world.tree, hint.rpartition("@")[2])
    assert "int pin;" in world.provide(patch, spec=nearest).image.read_text()


def test_a_kernel_that_is_not_whole_any_more_is_not_built_again(world: World) -> None:
    one = world.patch("mm/gup.c", "int gup;", "int pin;")
    two = world.patch("mm/leaf.c", "int leaf;", "int twig;")
    base = world.provide()
    first = world.provide(one)
    before = {path.name: path.read_bytes() for path in first.image.parent.iterdir()}
    used_by_another(Store(world.root / "store"), seconds_ago=7200)
    world.provide(two)
    assert not first.image.exists()
    world.compiled()
    assert world.provide(one) == first
    assert {path.name: path.read_bytes() for path in first.image.parent.iterdir()} == before
    assert world.compiled() == []
    assert base.image.exists()


def test_a_kernel_whose_base_is_gone_is_built_again(world: World) -> None:
    one = world.patch("mm/gup.c", "int gup;", "int pin;")
    base = world.provide()
    first = world.provide(one)
    image = first.image.read_bytes()
    for kernel in (base, first):
        shutil.rmtree(kernel.image.parent)
    world.compiled()
    # The object tree is as it was, so that nothing is compiled but all is kept.
    assert world.provide(one) == first
    assert first.image.read_bytes() == image


def edit(world: World, path: str, text: str, *, like: str | None = None) -> None:
    """Write a file of somebody's own tree, now or with the time of another."""
    time.sleep(0.02)  # the file system's clock ticks
    file = world.tree / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    if like is not None:
        shutil.copystat(world.tree / like, file)


def test_of_an_edited_tree_only_what_was_edited_is_built(world: World) -> None:
    world.provide()
    assert (world.compiled(), world.configured()) == (WHOLE, 1)
    edit(world, "mm/leaf.c", "int twig;\n")
    kernel = world.provide()
    assert (world.compiled(), world.configured()) == (["mm/leaf"], 0)
    assert "int twig;" in kernel.image.read_text()
    edit(world, "mm/Kconfig", "config MORE\n")
    world.provide()
    assert (world.compiled(), world.configured()) == ([], 1)
    edit(world, "include/linux/mmzone.h", "extern int zones;\n")
    world.provide()
    assert (world.compiled(), world.configured()) == (WHOLE, 0)


def test_an_edit_that_kept_an_old_time_is_seen(world: World) -> None:
    world.provide()
    world.compiled()
    edit(world, "mm/leaf.c", "int twig;\n", like="mm/gup.c")
    assert "int twig;" in world.provide().image.read_text()
    assert world.compiled() == WHOLE


def test_an_edit_that_does_not_build_spares_the_objects(world: World) -> None:
    world.provide()
    edit(world, "mm/leaf.c", "int twig = unknown;\n")
    with pytest.raises(KernelFailure):
        world.provide()
    world.compiled()
    edit(world, "mm/leaf.c", "int branch;\n")
    world.provide()
    assert world.compiled() == ["mm/leaf"]


def test_what_a_failed_build_compiled_is_known_when_it_is_put_back(world: World) -> None:
    """The file is as it was at the last good build, of then, and its object is not."""
    shutil.copy2(world.tree / "mm/gup.c", world.root / "saved")
    world.provide()
    edit(world, "mm/gup.c", "int pin;\n")
    edit(world, "mm/leaf.c", "int twig = unknown;\n")
    with pytest.raises(KernelFailure):
        world.provide()
    shutil.copy2(world.root / "saved", world.tree / "mm/gup.c")
    edit(world, "mm/leaf.c", "int twig;\n")
    world.compiled()
    world.provide()
    assert world.compiled() == WHOLE


def test_a_file_that_a_failed_build_did_not_come_to_may_look_old_since(world: World) -> None:
    world.provide()
    old = (world.tree / "mm/leaf.c").stat()
    edit(world, "mm/leaf.c", "int twig;\n")
    edit(world, "init/main.c", "int main = unknown;\n")
    with pytest.raises(KernelFailure):
        world.provide()
    os.utime(world.tree / "mm/leaf.c", ns=(old.st_atime_ns, old.st_mtime_ns))
    edit(world, "init/main.c", "int main;\n")
    world.compiled()
    world.provide()
    assert world.compiled() == WHOLE


def test_objects_of_a_tree_that_was_edited_under_a_build_are_not_used(world: World) -> None:
    world.provide()
    edit(world, "mm/leaf.c", "int twig;\n")
    compiler = world.root / "bin/gcc"
    real, leaf = shutil.which("gcc"), world.tree / "mm/leaf.c"
    compiler.write_text(f'#!/bin/sh\necho "int late;" >{leaf}\nexec {real} "$@"\n')
    compiler.chmod(0o755)
    with pytest.raises(UserError, match="was changed"):
        world.provide()
    compiler.unlink()
    world.compiled()
    assert "int late;" in world.provide().image.read_text()
    assert world.compiled() == WHOLE


def test_a_name_that_is_no_text_is_a_name(world: World) -> None:
    (world.tree / os.fsdecode(b"mm/caf\xe9")).write_text("left here by somebody")
    world.provide()
    edit(world, "mm/leaf.c", "int twig;\n")
    world.compiled()
    world.provide()
    assert world.compiled() == ["mm/leaf"]
