"""QEMU's command line: a target's template, a layout and a guest's files give an argv.

Pure: nothing is started and no file but the templates is read. The templates only place
values, one argument a line; no shell ever sees them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import jinja2

from harness.errors import InfrastructureError
from harness.host_packages import install_command
from harness.records import Layout, PmemDevice
from harness.target import TARGETS_DIR, Target
from harness.units import align_up

Accelerator: TypeAlias = Literal["tcg", "kvm"]

# The guest's lines beside its console, virtio-serial ports (``harness/image/init.c``).
Port: TypeAlias = Literal["commands", "errors", "aside"]
PORTS: tuple[Port, ...] = get_args(Port)

# What QEMU listens at, in the guest's directory.
_CONSOLE, _QMP = "console.sock", "qmp.sock"
_PORT_SOCKETS = {port: f"{port}.sock" for port in PORTS}
SOCKETS = (_CONSOLE, _QMP, *_PORT_SOCKETS.values())

GIB = 1 << 30
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class GuestFiles:
    """Where one guest's files are; ``directory`` is its own and short enough for sockets.

    ``firmware`` is what takes the place of the target's, where something does.
    """

    kernel: Path
    initrd: Path
    directory: Path
    firmware: Path | None = None

    @property
    def console_socket(self) -> Path:
        return self.directory / _CONSOLE

    def port_socket(self, port: Port) -> Path:
        """Where QEMU listens for the host's end of one of the guest's ports."""
        return self.directory / _PORT_SOCKETS[port]

    @property
    def qmp_socket(self) -> Path:
        return self.directory / _QMP

    @property
    def firmware_vars(self) -> Path:
        return self.directory / "firmware-vars.fd"

    def pmem_backing(self, index: int) -> Path:
        return self.directory / f"pmem{index}.img"


def backing_file_bytes(device: PmemDevice) -> int:
    """Size of a device's backing file: QEMU takes the label area off its end."""
    return device.size_bytes + device.label_bytes


def kernel_arguments(target: Target, layout: Layout, extra: tuple[str, ...] = ()) -> str:
    """The kernel command line; panic=-1 with -no-reboot ends QEMU at a panic."""
    words = (*target.qemu.append, "panic=-1", "rdinit=/init")
    return " ".join((*words, *_set_aside(target, layout), *extra))


def _set_aside(target: Target, layout: Layout) -> tuple[str, ...]:
    """What makes soft-reserved memory of RAM."""
    if target.soft_reserved is None or not layout.soft_reserved:
        return ()
    words = target.soft_reserved
    ranges = [
        words.append.format(size=part.size_bytes, start=part.start) for part in layout.soft_reserved
    ]
    return (*ranges, *([words.append_idle] if layout.region_idle else []))


def firmware_code(target: Target) -> Path | None:
    """The first firmware image of the target that this host has."""
    return _first_existing(target.qemu.firmware_code, target)


def firmware_vars_template(target: Target) -> Path | None:
    """The variable store that each guest starts with a copy of."""
    return _first_existing(target.qemu.firmware_vars, target)


def _first_existing(candidates: tuple[Path, ...], target: Target) -> Path | None:
    if not candidates:
        return None
    for path in candidates:
        if path.exists():
            return path
    remedy = install_command(*target.packages.qemu)
    raise InfrastructureError(f"{candidates[0]} is missing: {remedy}")


def render(
    target: Target,
    layout: Layout,
    files: GuestFiles,
    *,
    emulator: tuple[int, ...],
    accelerator: Accelerator,
    binary: str | None = None,
    extra_arguments: tuple[str, ...] = (),
    ssh: bool = False,
) -> tuple[str, ...]:
    """The argument list that starts the guest, frozen (-S), with its sockets listening.

    ``emulator`` is QEMU's version; machine options that are newer are left out.
    ``extra_arguments`` are put at the end of the kernel command line. With ``ssh`` a loopback
    port leads to the guest's.
    """
    values = _values(target, layout, files, emulator, accelerator, binary)
    values |= {
        "frozen": True,
        "ssh": ssh,
        "console_chardev": _socket("console", files.console_socket),
        "ports": {port: _socket(port, files.port_socket(port)) for port in PORTS},
        "qmp_chardev": _socket("qmp", files.qmp_socket),
        "monitor": "chardev=qmp,mode=control",
        "append": kernel_arguments(target, layout, extra_arguments),
    }
    return _argv(target, values)


def render_interactive(
    target: Target,
    layout: Layout,
    files: GuestFiles,
    *,
    emulator: tuple[int, ...],
    accelerator: Accelerator,
    binary: str | None = None,
    extra_arguments: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """The same guest for a person: console, shell and monitor share the terminal."""
    values = _values(target, layout, files, emulator, accelerator, binary)
    values |= {
        "frozen": False,
        "ssh": False,
        "console_chardev": "stdio,id=console,mux=on,signal=off",
        "ports": {},
        "qmp_chardev": None,
        "monitor": "chardev=console,mode=readline",
        "append": kernel_arguments(
            target, layout, (*extra_arguments, f"daxhound.interactive={target.qemu.console_tty}")
        ),
    }
    return _argv(target, values)


def _values(
    target: Target,
    layout: Layout,
    files: GuestFiles,
    emulator: tuple[int, ...],
    accelerator: Accelerator,
    binary: str | None,
) -> dict[str, Any]:
    """What both faces of a guest share: the machine, its memory and its files."""
    return {
        "binary": binary or target.qemu.binary,
        "machine": _machine(target, emulator),
        "accelerator": accelerator,
        "cpu": target.qemu.cpu if accelerator == "tcg" else "host",
        "cpus": layout.cpus,
        "memory": _memory(layout),
        "nodes": layout.nodes,
        "kernel": files.kernel,
        "initrd": files.initrd,
        "firmware": files.firmware,
        "firmware_code": None if files.firmware else firmware_code(target),
        "firmware_vars": files.firmware_vars,
        "pmem": [_nvdimm(device, files, index) for index, device in enumerate(layout.pmem)],
    }


def _argv(target: Target, values: dict[str, Any]) -> tuple[str, ...]:
    text = _environment().get_template(target.qemu.template).render(values)
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _socket(name: str, path: Path) -> str:
    return f"socket,id={name},path={_option_value(path)},server=on,wait=off"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TARGETS_DIR),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # an argument list, not a page
    )
    environment.filters["option_value"] = _option_value
    return environment


def _option_value(value: Any) -> str:
    """A value inside a comma-separated option: QEMU reads a doubled comma as one."""
    return str(value).replace(",", ",,")


def _machine(target: Target, emulator: tuple[int, ...]) -> str:
    options = (
        entry.option
        for entry in target.qemu.machine
        if entry.since is None or tuple(emulator[:2]) >= entry.since
    )
    return ",".join(options)


def _memory(layout: Layout) -> str:
    """-m: room for RAM, every device, and the gigabyte that alignment may cost each slot."""
    if not layout.pmem:
        return f"{layout.ram_bytes // MIB}M"
    last = max(device.start + device.size_bytes for device in layout.pmem)
    maximum = align_up(layout.ram_bytes + last, GIB)
    slots = len(layout.pmem)
    return f"{layout.ram_bytes // MIB}M,slots={slots},maxmem={maximum // MIB}M"


def _nvdimm(device: PmemDevice, files: GuestFiles, index: int) -> dict[str, Any]:
    return {
        "backing": files.pmem_backing(index),
        "backing_bytes": backing_file_bytes(device),
        "label_bytes": device.label_bytes,
        "start": device.start,
        "node": device.node,
        "uuid": device.uuid,
    }
