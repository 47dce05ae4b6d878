"""Building kernels, with the real make and compiler on a kernel tree of a few lines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from harness.deadline import Deadline
from harness.errors import InfrastructureError, KernelFailure, UserError
from harness.kernel.build import provide_kernel
from harness.kernel.build_log import explain_failure, first_errors
from harness.kernel.built import BuiltKernel
from harness.kernel.kconfig_tree import translate
from harness.kernel.make import find_toolchain
from harness.kernel.sandbox import SWITCH
from harness.kernel.spec import DirectorySpec
from harness.progress import Silence
from harness.store import Store
from harness.target import Target, load_targets

pytestmark = pytest.mark.usefixtures("open_builds")

REPOSITORY = Path(__file__).resolve().parents[2]

MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 1
SUBLEVEL = 99

.PHONY: allnoconfig bzImage slow
allnoconfig:
	mkdir -p $(O)/include/config $(O)/init $(O)/arch/x86/boot
	grep -Ev 'REFUSED|NOWHERE' $(KCONFIG_ALLCONFIG) > $(O)/.config
bzImage:
	@echo "  CC      init/main.o"
	@echo built >> $(CURDIR)/../builds
	cd $(O) && $(CC) -Wp,-MMD,init/.main.o.d -I$(CURDIR)/include -c -o init/main.o \\
		$(CURDIR)/init/main.c
	printf 'savedcmd_init/main.o := %s -Wp,-MMD,init/.main.o.d %s -c -o init/main.o %s ; true\\n' \\
		'$(CC)' '-I$(CURDIR)/include' $(CURDIR)/init/main.c > $(O)/init/.main.o.cmd
	echo 6.1.99 > $(O)/include/config/kernel.release
	cd $(O) && cp init/main.o vmlinux && touch System.map modules.builtin modules.builtin.modinfo
	echo image > $(O)/arch/x86/boot/bzImage
"""

KCONFIG = """\
config SMP
	bool "many"

config GATE
	bool

config REFUSED
	bool "asked for"
	depends on GATE if SMP

menuconfig MODULES
	bool "modules"
	modules
"""

TREE = {
    "Makefile": MAKEFILE,
    "Kconfig": KCONFIG,
    "init/main.c": "int main;\n",
    "include/linux/mm.h": (
        "struct page { unsigned long words[8]; };\n#define PAGE_SHIFT 12\n"
        "extern int levels;\n#define MAX_PHYSMEM_BITS (levels == 5 ? 52 : 46)\n"
    ),
    "include/linux/mmzone.h": "",
    "mm/huge_memory.c": "vm_fault_t vmf_insert_folio_pmd(void);\n",
}


@pytest.fixture
def kernel_tree(tmp_path: Path) -> Path:
    root = tmp_path / "linux"
    for name, text in TREE.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fragments of its own, and the tools that only a real kernel calls."""
    directory = tmp_path / "kconfigs"
    directory.mkdir()
    (directory / "base.config").write_text("CONFIG_SMP=y\n")
    (directory / "mm.config").write_text("CONFIG_MEMCG=y\n")
    (directory / "bad.config").write_text("# never\nCONFIG_REFUSED=y\nCONFIG_NOWHERE=y\n")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("flex", "bison", "bc"):
        (tools / name).write_text("#!/bin/sh\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("CCACHE_DISABLE", "1")


@pytest.fixture
def target() -> Target:
    return native(load_targets()["x86_64"])


def native(target: Target) -> Target:
    """A target that the host's own compiler builds, whatever the host is."""
    return target.model_copy(
        update={
            "kernel": target.kernel.model_copy(update={"cross_compile": "", "image": "bzImage"})
        }
    )


def provide(
    tree: Path, target: Target, store: Path, names: tuple[str, ...] = ("base", "mm")
) -> BuiltKernel:
    return provide_kernel(
        DirectorySpec(tree),
        target,
        names,
        Store(store),
        Silence(),
        jobs=1,
        fragments_dir=tree.parent / "kconfigs",
    )


def builds(tree: Path) -> int:
    log = tree.parent / "builds"
    return len(log.read_text().splitlines()) if log.exists() else 0


def entries(store: Path, kind: str) -> list[Path]:
    return list((store / kind).glob("*"))


def test_a_kernel_is_its_image_its_files_and_its_facts(
    kernel_tree: Path, target: Target, tmp_path: Path
) -> None:
    kernel = provide(kernel_tree, target, tmp_path / "store")
    assert kernel.spec == f"dir:{kernel_tree}"
    assert kernel.release == "6.1.99"
    assert kernel.image.read_text() == "image\n"
    assert kernel.config.read_text() == "CONFIG_SMP=y\nCONFIG_MEMCG=y\n"
    for path in (kernel.vmlinux, kernel.system_map, kernel.modules_builtin):
        assert path.is_file()
    assert (kernel.modules_builtin.parent / "modules.builtin.modinfo").is_file()
    assert not (kernel.image.parent / "objects").exists()
    facts = kernel.facts
    assert facts.version == (6, 1, 99)
    assert facts.struct_page_bytes == 64
    assert facts.config == {"SMP": "y", "MEMCG": "y"}
    # MAX_PHYSMEM_BITS is known at boot only, SECTION_SIZE_BITS not at all in this tree.
    assert facts.probes == {"PAGE_SHIFT": 12, "dax_refcount_rework": True}


def test_the_same_kernel_is_built_once_and_another_one_again(
    kernel_tree: Path, target: Target, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    first = provide(kernel_tree, target, store)
    assert provide(kernel_tree, target, store, ("mm", "base")) == first
    assert builds(kernel_tree) == 1
    assert provide(kernel_tree, target, store, ("base",)).key != first.key
    (kernel_tree / "init/main.c").write_text("int main, other;\n")
    assert provide(kernel_tree, target, store).key != first.key
    assert builds(kernel_tree) == 3
    (kernel_tree / "init/main.c").write_text(TREE["init/main.c"])
    assert provide(kernel_tree, target, store) == first
    assert builds(kernel_tree) == 3


def test_the_source_tree_is_left_as_it_was(
    kernel_tree: Path, target: Target, tmp_path: Path
) -> None:
    provide(kernel_tree, target, tmp_path / "store")
    left = {str(p.relative_to(kernel_tree)) for p in kernel_tree.rglob("*") if p.is_file()}
    assert left == set(TREE)


def test_symbols_that_do_not_take_are_named_with_place_and_reason(
    kernel_tree: Path, target: Target, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        provide(kernel_tree, target, tmp_path / "store", ("base", "bad"))
    text = str(caught.value)
    assert (caught.value.path, caught.value.line) == (tmp_path / "kconfigs/bad.config", 2)
    assert "2 of 3 symbols did not take" in text
    reason = f"CONFIG_REFUSED=y ({tmp_path}/kconfigs/bad.config:2): depends on GATE || !SMP"
    assert reason in text
    assert f"CONFIG_NOWHERE=y ({tmp_path}/kconfigs/bad.config:3): no such symbol" in text
    assert entries(tmp_path / "store", "kernel") == []


def test_kconfig_that_cannot_be_read_still_gives_the_symbols_own_lines(
    kernel_tree: Path, target: Target, tmp_path: Path
) -> None:
    (kernel_tree / "Kconfig").write_text(KCONFIG + "\nfuture SYNTAX\n")
    with pytest.raises(UserError, match="depends on GATE if SMP") as caught:
        provide(kernel_tree, target, tmp_path / "store", ("base", "bad"))
    assert "kconfiglib cannot read these Kconfig files" in str(caught.value)


def test_a_kernel_that_does_not_build_is_the_finding(
    kernel_tree: Path, target: Target, tmp_path: Path
) -> None:
    (kernel_tree / "init/main.c").write_text("int main = unknown;\n")
    with pytest.raises(KernelFailure, match="the x86 kernel does not build") as caught:
        provide(kernel_tree, target, tmp_path / "store")
    (log,) = (tmp_path / "store/logs").iterdir()
    assert "main.c:1:12: error: " in str(caught.value)
    assert str(log) in str(caught.value)
    assert entries(tmp_path / "store", "kernel") == []
    assert list((tmp_path / "store/.building").iterdir()) == []


@pytest.mark.parametrize("name", ["vmlinux", ".config", "arch/x86/boot/bzImage"])
def test_what_a_build_left_as_a_link_that_leads_out_is_not_kept(
    kernel_tree: Path, target: Target, tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret").write_text("id_rsa")
    link = f"\tln -sf $(CURDIR)/../secret $(O)/{name}\n"
    (kernel_tree / "Makefile").write_text(MAKEFILE + link)
    with pytest.raises(KernelFailure, match=f"left {name}, which leads out of its object tree"):
        provide(kernel_tree, target, tmp_path / "store")
    assert entries(tmp_path / "store", "kernel") == []


def test_a_link_within_what_was_built_is_followed(
    kernel_tree: Path, target: Target, tmp_path: Path
) -> None:
    """bzImage is one on x86_64, from arch/x86_64 to arch/x86."""
    moved = "\tmv $(O)/vmlinux $(O)/linked && ln -s linked $(O)/vmlinux\n"
    (kernel_tree / "Makefile").write_text(MAKEFILE + moved)
    kernel = provide(kernel_tree, target, tmp_path / "store")
    assert kernel.vmlinux.is_file()
    assert not kernel.vmlinux.is_symlink()


def test_a_tree_edited_while_it_is_built_makes_no_kernel(
    kernel_tree: Path, target: Target, tmp_path: Path
) -> None:
    makefile = kernel_tree / "Makefile"
    makefile.write_text(MAKEFILE.replace("\techo 6.1.99", "\ttouch $(CURDIR)/new.c; echo 6.1.99"))
    with pytest.raises(UserError, match="was changed while"):
        provide(kernel_tree, target, tmp_path / "store")
    assert entries(tmp_path / "store", "kernel") == []


def test_a_fragment_that_is_none_is_answered_with_the_nearest(
    kernel_tree: Path, target: Target, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="no such configuration fragment: 'bas'") as caught:
        provide(kernel_tree, target, tmp_path / "store", ("bas",))
    assert "'base'" in (caught.value.hint or "")


def test_a_missing_compiler_is_the_hosts_and_names_its_package() -> None:
    target = load_targets()["s390x"]
    absent = target.kernel.model_copy(update={"cross_compile": "no-such-linux-gnu-"})
    with pytest.raises(InfrastructureError, match="no-such-linux-gnu-gcc") as caught:
        find_toolchain(target.model_copy(update={"kernel": absent}))
    assert "apt-get install --no-install-recommends gcc-s390x-linux-gnu" in str(caught.value)


# Should it not end, it says where it is before the test gives up.
KILLED = """
import faulthandler, sys
faulthandler.dump_traceback_later(45, exit=True)
from pathlib import Path
from harness.kernel.build import provide_kernel
from harness.kernel.spec import DirectorySpec
from harness.progress import Silence
from harness.store import Store
from harness.target import load_targets
from tests.support.processes import heed_signals

heed_signals()
root = Path(sys.argv[1])
target = load_targets()["s390x"]
store = Store(root / "store")
spec, own = DirectorySpec(root / "linux"), root / "kconfigs"
provide_kernel(spec, target, ("base",), store, Silence(), jobs=1, fragments_dir=own)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "ctrl-c"])
@pytest.mark.parametrize("sandbox", ["on", "off"])
def test_make_ends_with_the_program_that_started_it(
    kernel_tree: Path, tmp_path: Path, number: int, sandbox: str
) -> None:
    nap = f"60.{os.getpid()}{time.monotonic_ns()}"
    slow = f"bzImage:\n\tsleep {nap}; true\n"
    (kernel_tree / "Makefile").write_text(MAKEFILE.replace("bzImage:\n", slow))
    said = tmp_path / "said"
    with said.open("wb") as stderr:
        program = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), SWITCH: sandbox},
            stderr=stderr,
        )
    deadline = Deadline.after(30)
    while not sleeping(nap):
        assert program.poll() is None
        assert not deadline.expired
        time.sleep(0.02)
    os.kill(program.pid, number)
    assert program.wait(60) == -number, said.read_text()
    while sleeping(nap):
        assert not deadline.expired, "make outlived the program that started it"
        time.sleep(0.02)


def sleeping(nap: str) -> bool:
    """By its argument: a process of a sandbox has another number outside."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes() == f"sleep\0{nap}\0".encode():
                return True
    return False


LOG = """\
make[1]: Entering directory '/o'
  CC      mm/gup.o
/s/mm/gup.c: In function 'pin':
/s/mm/gup.c:7:3: error: 'folio' undeclared (first use in this function)
    7 |   folio
      |   ^~~~~
make[3]: *** [/s/scripts/Makefile.build:250: mm/gup.o] Error 1
/s/mm/later.c:1:1: error: later
make: *** [Makefile:231: __sub-make] Error 2
"""


def test_the_first_complaint_comes_with_its_lines_and_without_makes() -> None:
    found = first_errors(LOG)
    assert found[0].startswith("/s/mm/gup.c:7:3: error: 'folio' undeclared")
    assert found[1] == "    7 |   folio"
    assert not any("make[" in line for line in found)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("ld: mm/gup.o: undefined reference to `pin'", True),
        ("make[2]: *** No rule to make target 'mm/nothing.o'.  Stop.", True),
        ("  CC      mm/error.o", False),
        ("/s/a.c:1:1: warning: unused", False),
    ],
)
def test_what_counts_as_a_complaint(said: str, found: bool) -> None:
    assert bool(first_errors(f"  CC  a.o\n{said}\n")) is found


@pytest.mark.parametrize(
    "said",
    [
        "/tmp/cc1.s: fatal error: writing: No space left on device",
        "gcc: fatal error: Killed signal terminated program cc1",
        "scripts/link-vmlinux.sh: line 82: 4242 Killed                  ${ld} -o vmlinux",
        "make[2]: *** [scripts/Makefile.vmlinux:34: vmlinux] Error 137",
        "ld: final link failed: Input/output error",
        "ld: final link failed: Disk quota exceeded",
        "/bin/sh: 1: flex: not found",
        "tools/objtool/elf.h:10:10: fatal error: gelf.h: No such file or directory",
    ],
)
def test_a_build_that_the_host_failed_is_not_the_kernels(tmp_path: Path, said: str) -> None:
    log = tmp_path / "log"
    log.write_text(f"  CC      mm/gup.o\n{said}\nmake[1]: *** [Makefile:1: x] Error 1\n")
    failure = explain_failure(log, "x86", Path("/s"))
    assert isinstance(failure, InfrastructureError)
    assert said in str(failure)


@pytest.mark.parametrize(
    "source", ['pr_err(folio, "Cannot allocate memory");', "/* Read-only file system: not found"]
)
@pytest.mark.parametrize("of_a_warning", [False, True])
def test_source_that_a_compiler_shows_is_not_the_hosts_word(
    tmp_path: Path, source: str, of_a_warning: bool
) -> None:
    warned = f"/s/mm/a.c:9:5: warning: unused 'a'\n    9 |     {source}\n      |     ^~~~\n"
    text = warned + LOG if of_a_warning else LOG.replace("7 |   folio", f"7 |   {source}")
    log = tmp_path / "log"
    log.write_text(text)
    failure = explain_failure(log, "x86", Path("/s"))
    assert isinstance(failure, KernelFailure)
    assert "'folio' undeclared" in str(failure)


def test_a_tool_that_a_kernel_can_do_without_takes_no_blame(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(f"/bin/sh: 1: pahole: not found\n{LOG}")
    failure = explain_failure(log, "x86", Path("/s"))
    assert isinstance(failure, KernelFailure)
    assert "'folio' undeclared" in str(failure)
    log.write_text("make[1]: *** [Makefile:7: x] Error 1\n")
    assert "Makefile:7" in str(explain_failure(log, "x86", Path("/s")))


@pytest.mark.parametrize(
    ("line", "older"),
    [
        ("\tmodules", "\toption modules"),
        ("\ttransitional", ""),
        ("\tdepends on A if B", "\tdepends on (A) || !(B)"),
        ("\tdepends on A || C if B && D # why", "\tdepends on (A || C) || !(B && D)"),
        ("\tdepends on A # only if B", "\tdepends on A # only if B"),
        ('\tbool "x" if B', '\tbool "x" if B'),
        ("\tselect A if B", "\tselect A if B"),
    ],
)
def test_newer_kconfig_is_read_in_older_words(line: str, older: str) -> None:
    assert translate(line) == older
