"""What ``kconfig`` must show: which symbols each architecture lets a kernel have."""

from __future__ import annotations

from harness.errors import UserError, nearest
from harness.gates import all_gates, gates_of
from harness.model.rules import RULES
from harness.model.state import GuestState
from harness.records import Expected, Prediction
from harness.scenario.kconfig_step import Kconfig

_RULES = {
    "HAVE_ALIGNED_STRUCT_PAGE": RULES["kconfig.aligned-struct-page"],
    "HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD": RULES["kconfig.pud-thp"],
    "ARCH_WANT_HUGETLB_PAGE_OPTIMIZE_VMEMMAP": RULES["kconfig.hugetlb-vmemmap"],
    "ARCH_WANT_OPTIMIZE_VMEMMAP": RULES["kconfig.hugetlb-vmemmap"],
    "ARCH_WANT_OPTIMIZE_HUGETLB_VMEMMAP": RULES["kconfig.hugetlb-vmemmap"],
    "HUGETLB_PAGE_OPTIMIZE_VMEMMAP": RULES["kconfig.hugetlb-vmemmap"],
    "ARCH_WANT_OPTIMIZE_DAX_VMEMMAP": RULES["kconfig.dax-vmemmap"],
    "ARCH_HAS_PTE_DEVMAP": RULES["kconfig.pte-devmap"],
    "ZONE_DEVICE": RULES["kconfig.zone-device"],
    "FS_DAX": RULES["kconfig.zone-device"],
    "MEMORY_FAILURE": RULES["kconfig.memory-failure"],
}


def predict_kconfig(state: GuestState, step: Kconfig) -> Prediction:
    """A ``kconfig`` step. Raises UserError for a symbol that the model knows nothing of."""
    return Prediction(step.kind, tuple(_expect(state, symbol) for symbol in step.symbols))


def _expect(state: GuestState, symbol: str) -> Expected:
    kernel = state.machine.kernel
    gates = tuple(gates_of(symbol))
    if not gates:
        raise UserError(
            f"kconfig: the model knows nothing of {symbol}",
            field="symbols",
            hint=nearest(symbol, {gate.symbol for gate in all_gates()}),
        )
    branch = kernel.version[:2]
    version = ".".join(map(str, branch))
    open_ = next((gate for gate in gates if gate.is_open(branch, kernel.config)), None)
    if open_ is None:
        value, why = "n", f"nothing that is asked for here brings it in {version}"
    elif open_.asked and not kernel.has(symbol):
        value, why = "n", "nothing asks for it"
    else:
        value, why = "y", f"{open_.by}, {version}"
    return Expected(symbol, value, _RULES[symbol], because=why)
