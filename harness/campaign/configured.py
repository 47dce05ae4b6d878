"""A cell without a guest: a configuration resolved by the kernel's own Kconfig, compared."""

from __future__ import annotations

from collections.abc import Iterator

from harness.campaign.attempt import values_intended
from harness.campaign.order import Order
from harness.campaign.provide import Provides
from harness.campaign.supported import why_unsupported
from harness.compare import compare
from harness.kconfig import parse_dotconfig
from harness.kernel.assumed import assumed_facts
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine, Model
from harness.records import Observation, StepResult
from harness.report.results import CellFolder
from harness.scenario.kconfig_step import Kconfig


def resolve_steps(order: Order, provider: Provides, folder: CellFolder) -> Iterator[StepResult]:
    """Every step of a cell without a guest, resolved and held against the model.

    What is predicted follows from what is asked for, not from the .config, which is left in
    the cell's folder. Raises what ``Provider.configure`` does.
    """
    cell = order.cell
    dotconfig = provider.configure(cell, order.patches).read_text(encoding="utf-8")
    folder.write("config", dotconfig)
    config = parse_dotconfig(dotconfig)
    asked = (*cell.target.kernel.fragments, *cell.config, *cell.wished)
    facts = assumed_facts(parse_kernel_spec(provider.kernel_name), asked, provider.store)
    model = Model(Machine(cell.target, facts, cell.layout))
    why_unsupported(model, cell)  # raises for a step that nothing is known of
    for step in cell.steps:
        if not isinstance(step, Kconfig):
            raise TypeError(f"{step.kind} needs a guest")
        seen = {symbol: config.get(symbol, "n") for symbol in step.symbols}
        intended = values_intended(order.intentions, step)
        result = compare(model.predict(step), Observation(step.kind, seen), intended)
        folder.step(result)
        yield result
