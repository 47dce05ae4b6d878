"""Debian packages read without installing them: no root, no maintainer scripts.

The guest gets the programs that ``guest.yaml`` names and the libraries that they load,
not whole packages: every byte is unpacked by an emulated CPU at every boot.
"""

from __future__ import annotations

import io
import posixpath
import re
import stat
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from harness.errors import InfrastructureError, UserError
from harness.image import cpio
from harness.target import Target
from harness.yaml_document import Record, load_document

GUEST_YAML = Path(__file__).parent / "guest.yaml"

# Where ld.so looks without a cache; glibc-hwcaps below it holds faster twins, left out.
_LIBRARY_DIRECTORY = re.compile(r"usr/lib(64)?(/[^/]+-linux-gnu[^/]*)?")
_MERGED = re.compile(r"(bin|sbin|lib|lib64)(/|$)")

_PIECE = 1 << 20

Tree = Mapping[str, cpio.Entry]


class GuestContents(Record):
    """``guest.yaml``: the suite, what is fetched from it, and what of that goes in.

    ``packages`` and everything they depend on are fetched, but for those that a pattern
    of ``skip`` matches. ``programs`` and ``files`` are paths in the guest, with /usr
    merged; ``busybox`` are the commands that get a link of their own. ``libraries`` are packages
    that programs of this project are linked with; nothing of those goes in as it is.
    ``stand_ins`` are libraries that something empty takes the place of (``stand_in.py``).
    """

    suite: str
    packages: tuple[str, ...]
    skip: tuple[str, ...]
    programs: tuple[str, ...]
    files: tuple[str, ...]
    busybox: tuple[str, ...]
    libraries: tuple[str, ...]
    stand_ins: tuple[str, ...]

    def of(self, target: Target) -> GuestContents:
        """The same from the suite that has the target's architecture."""
        return self.model_copy(update={"suite": target.suite or self.suite})

    def skips(self, package: str) -> bool:
        """Whether a package of the closure is left out."""
        return any(fnmatchcase(package, pattern) for pattern in self.skip)


def load_guest_contents(path: Path = GUEST_YAML) -> GuestContents:
    """The image's contents as data. Raises UserError with file and line."""
    return load_document(path, GuestContents)


def read_packages(debs: Iterable[Path]) -> dict[str, cpio.Entry]:
    """Files and links of .deb files by their path in the guest, with /usr merged.

    Raises InfrastructureError for a package that cannot be read, or whose names point
    outside the root.
    """
    tree: dict[str, cpio.Entry] = {}
    for deb in debs:
        command = ["dpkg-deb", "--fsys-tarfile", str(deb)]
        try:
            unpacked = subprocess.run(command, check=True, capture_output=True)
            tree |= {entry.path: entry for entry in read_tar(unpacked.stdout)}
        except FileNotFoundError as exc:
            raise InfrastructureError("dpkg-deb is not on this host (package dpkg)") from exc
        except subprocess.CalledProcessError as exc:
            message = exc.stderr.decode(errors="replace").strip()
            raise InfrastructureError(f"{deb.name} cannot be read: {message}") from exc
        except (tarfile.TarError, ValueError) as exc:
            raise InfrastructureError(f"{deb.name} is no sound package: {exc}") from exc
    return tree


def read_tar(data: bytes) -> Iterator[cpio.Entry]:
    """Files and links of a tar archive, with /usr merged; directories follow from them.

    A hard link becomes a second copy. Raises tarfile.TarError, what decompressors raise, and
    ValueError for a name that leaves the root.
    """
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            path = _guest_path(member.name)
            if member.issym():
                yield cpio.symlink(path, member.linkname)
            elif content := _content(archive, member):
                yield cpio.file(path, content.read(), member.mode & 0o755)
        # gzip's checksum is behind the archive's end.
        while archive.fileobj is not None and archive.fileobj.read(_PIECE):
            pass


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> io.BufferedIOBase | None:
    if not (member.isreg() or member.islnk()):
        return None
    try:
        return archive.extractfile(member)  # type: ignore[return-value]
    except KeyError as exc:
        raise ValueError(f"{member.name!r} is a hard link to nothing") from exc


def _guest_path(name: str) -> str:
    """The plain path of a name, with /bin, /sbin, /lib and /lib64 below /usr."""
    if ".." in name.split("/"):
        raise ValueError(f"{name!r} leads out of the root")
    path = posixpath.normpath("/" + name).lstrip("/")
    return f"usr/{path}" if _MERGED.match(path) else path


def select(
    tree: Tree, wanted: Iterable[str], data: Path = GUEST_YAML, root: Path | None = None
) -> tuple[cpio.Entry, ...]:
    """What goes in: the files that are wanted, the libraries they load, and links to them.

    Raises UserError, which points at the data file, where something is in no package; at the
    archive ``root`` where the tree is of that.
    """
    chosen: dict[str, cpio.Entry] = {}
    pending = [(path, data.name) for path in wanted]
    while pending:
        path, wanted_by = pending.pop()
        for entry in _chain(tree, path, wanted_by, data, root):
            if entry.path not in chosen:
                chosen[entry.path] = entry
                pending += [(name, entry.path) for name in loads(tree, entry)]
    return tuple(chosen.values())


def _chain(
    tree: Tree, path: str, wanted_by: str, data: Path, root: Path | None
) -> Iterator[cpio.Entry]:
    """The entry at ``path``, and where it is a link, each one up to the file."""
    seen: set[str] = set()
    while path in tree and path not in seen:
        entry = tree[path]
        yield entry
        if not stat.S_ISLNK(entry.mode):
            return
        seen.add(path)
        target = posixpath.join("/", str(PurePosixPath(path).parent), entry.data.decode())
        path = _guest_path(posixpath.normpath(target))
    if root is not None:
        raise UserError(f"{path}, wanted by {wanted_by}, is not in it", path=root)
    hint = "name its package in 'packages', and see that 'skip' does not match it"
    message = f"{path}, wanted by {wanted_by}, is in none of the packages"
    raise UserError(message, path=data, hint=hint)


def loads(tree: Tree, entry: cpio.Entry) -> tuple[str, ...]:
    """Paths of the interpreter and the libraries that an ELF file names; () for others.

    A library that is nowhere in the tree comes back by its bare name. Imports as
    ``harness/machine/elf_sections.py`` does: an image is made once.
    """
    from elftools.common.exceptions import ELFError
    from elftools.elf.dynamic import DynamicSection
    from elftools.elf.elffile import ELFFile
    from elftools.elf.segments import InterpSegment

    if not entry.data.startswith(b"\x7fELF"):
        return ()
    interpreters, libraries = [], []
    try:
        for segment in ELFFile(io.BytesIO(entry.data)).iter_segments():
            if isinstance(segment, InterpSegment):
                interpreters.append(_guest_path(segment.get_interp_name()))
        dynamic = ELFFile(io.BytesIO(entry.data)).get_section_by_name(".dynamic")
        if isinstance(dynamic, DynamicSection):
            libraries = [
                tag.needed  # type: ignore[attr-defined]  # set by name in pyelftools
                for tag in dynamic.iter_tags("DT_NEEDED")
            ]
    except ELFError as exc:
        raise InfrastructureError(f"{entry.path} is a broken ELF file: {exc}") from exc
    return (*interpreters, *(_library(tree, name) for name in libraries))


def _library(tree: Tree, name: str) -> str:
    found = (
        path
        for path in sorted(tree)
        if PurePosixPath(path).name == name
        and _LIBRARY_DIRECTORY.fullmatch(str(PurePosixPath(path).parent))
    )
    return next(found, name)
