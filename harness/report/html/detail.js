const renderRule = (id, because) => {
  const [statement, source] = index.rules[id] || ["", ""];
  return el("div", { class: "rule" }, el("p", {}, el("code", { text: id }), " ", statement),
    because && el("p", { text: because }), source && el("p", { class: "source", text: source }));
};

const renderValues = (step) => {
  const row = ([name, expected, observed, rule, , sameness]) => el("tr", { class: sameness === "same" ? "" : "differs" },
    el("th", { scope: "row" }, name),
    el("td", { "data-head": "predicted" }, expected),
    el("td", { "data-head": "observed" }, observed, sameness === "same" ? "" : el("span", { class: "flag", text: sameness === "intended" ? "as intended by the series" : "differs" })),
    el("td", { "data-head": "rule", class: "rule-id" }, rule));
  const other = ([name, observed]) => el("tr", { class: "other" }, el("th", { scope: "row" }, name),
    el("td", { "data-head": "predicted" }, "not predicted"), el("td", { "data-head": "observed" }, observed), el("td", { class: "rule-id" }));
  const head = el("thead", {}, el("tr", {}, ["value", "predicted", "observed", "rule"].map((text) => el("th", { scope: "col", text }))));
  return el("table", { class: "values" }, el("caption", { class: "unseen", text: `Values of ${step.name}` }), head,
    el("tbody", {}, step.values.map(row), step.others.map(other)));
};

const renderCommand = ([command, status, took, stdout, stderr]) => el("details", { class: "command" },
  el("summary", {}, el("code", { text: command.split("\n").find((line) => line.trim()) || "command" }),
    el("span", { class: "status", text: `exit ${status}, ${seconds(took)}` })),
  el("pre", { tabindex: "0", text: command }),
  stdout && el("pre", { tabindex: "0", class: "out", text: stdout }),
  stderr && el("pre", { tabindex: "0", class: "err", text: stderr }));

const renderStep = (step, number, isLast, verdict) => {
  const wrong = step.values.filter((value) => value[5] === "differs");
  const died = isLast && verdict === "kernel-failure";
  const told = wrong.length ? count(wrong.length, "value") + (wrong.length === 1 ? " differs" : " differ")
    : step.values.length ? `${count(step.values.length, "value")} as predicted` : "nothing predicted";
  const rules = unique(step.values.map((value) => value[3]));
  return el("details", { class: words("step", wrong.length && "wrong"), open: wrong.length > 0 && !died },
    el("summary", {}, el("span", { class: "ordinal", text: number }), el("b", { text: step.name }), el("span", { class: "told", text: told })),
    renderValues(step),
    wrong.map(([, , , rule, because]) => renderRule(rule, because)),
    el("details", { class: "rules" }, el("summary", { text: `${count(rules.length, "rule")} behind the prediction` }),
      unique(rules).map((rule) => renderRule(rule, (step.values.find((value) => value[3] === rule) || [])[4]))),
    step.commands.map(renderCommand));
};

const renderTimeline = (detail) => {
  const total = detail.phases.reduce((sum, [, took]) => sum + took, 0);
  if (!total) return "";
  const bar = el("div", { class: "timeline", "aria-hidden": "true" });
  const list = el("ol", { class: "phases" });
  detail.phases.forEach(([name, took], number) => {
    const part = el("span", { class: `phase p${number % 6}`, title: `${name}: ${seconds(took)}` });
    part.style.flexGrow = String(took / total);
    bar.append(part);
    list.append(el("li", {}, el("i", { class: `swatch p${number % 6}`, "aria-hidden": "true" }), `${name} `, el("b", { text: seconds(took) })));
  });
  return el("section", {}, el("h3", { text: `Time, ${seconds(total)}` }), bar, list);
};

const renderStrip = (cell) => {
  const strip = cells.filter((other) => other.stem === cell.stem && other.kernel === cell.kernel);
  if (strip.length < 2) return "";
  return el("nav", { class: "siblings", "aria-label": "The same cell at other patches" },
    strip.sort((a, b) => (a.patch || 0) - (b.patch || 0)).map((other) => el("a", {
      class: words("mark", `v-${other.verdict}`, wordClass(other)), href: address({ cell: other.number }),
      "aria-current": other === cell ? "true" : null, "aria-label": fullName(other),
    }, glyph(), el("span", { class: "label", text: patchName(other) }))));
};

// Ids are the same on every kernel; guests are not shared between kernels.
const otherCell = (id, kernel) => {
  const found = cells.find((cell) => cell.id === id && cell.kernel === kernel);
  return found ? el("a", { href: address({ cell: found.number }), text: id }) : id;
};

const renderFacts = (cell, detail) => {
  const patch = index.patches.find((one) => one.position === cell.patch);
  const by = patch ? `${index.per_patch ? "patch " : "patches 1 to "}${cell.patch}/${index.patches.length}: ${patch.subject}` : "";
  return el("dl", { class: "facts" },
    by && [el("dt", { text: "with" }), el("dd", { text: by })],
    detail.comparison.length > 0 && [el("dt", { text: "compared" }), el("dd", {}, detail.comparison.map((line) => el("p", { text: line })))],
    detail.note && [el("dt", { text: "note" }), el("dd", { text: detail.note })],
    el("dt", { text: "kernel" }), el("dd", { text: cell.release === cell.kernel ? cell.kernel : `${cell.release} (${[cell.kernel, cell.revision && `revision ${cell.revision}`].filter(Boolean).join(", ")})` }),
    detail.qemu && [el("dt", { text: "guest" }), el("dd", { text: `${cell.target}, ${detail.qemu}` })],
    detail.before.length > 0 && [el("dt", { text: "shared" }), el("dd", {}, `${count(detail.before.length, "other cell")} ran in this guest before; it was booted for `, otherCell(detail.before[0], cell.kernel))],
    detail.retried && [el("dt", { text: "tries" }), el("dd", { text: "two, the second in a new guest" })],
    el("dt", { text: "again" }), el("dd", {}, el("code", { text: detail.reproduce })));
};

const renderDetail = (cell, detail, close) => {
  const verdict = el("p", { class: "verdict" }, el("span", { class: `badge v-${cell.verdict}` }, glyph(), cell.verdict),
    cell.word && cell.word !== cell.verdict && cell.word !== "failing" && el("span", { class: `tag w-${cell.word.replaceAll(" ", "-")}`, text: cell.since === undefined ? cell.word : `${cell.word} since patch ${cell.since}` }));
  const failed = cell.verdict === "kernel-failure";
  const consoleSection = el("section", {}, el("h3", { text: detail.report ? "Console and kernel report" : "Console" }), renderConsole(detail));
  const steps = el("section", {}, el("h3", { text: "Steps" }), detail.problem && el("p", { class: "aside", text: detail.problem }),
    detail.steps.length ? detail.steps.map((step, number) => renderStep(step, number, number === detail.steps.length - 1, cell.verdict))
      : el("p", { class: "aside", text: "No step was finished." }));
  return [
    el("header", {}, el("button", { type: "button", class: "close", on: { click: close } }, "Close"),
      el("h2", { id: "detail-title", tabindex: "-1" }, cell.scenario, " ", el("small", { text: words(cell.parameters, "on", cell.target) })),
      verdict, renderStrip(cell), (cell.reason || detail.report) && el("p", { class: "reason", text: cell.reason || detail.report })),
    renderFacts(cell, detail),
    ...(failed ? [consoleSection, steps] : [steps, consoleSection]),
    renderTimeline(detail),
    detail.argv.length ? el("details", { class: "command" }, el("summary", { text: "QEMU's command line" }),
      el("pre", { tabindex: "0", text: detail.argv.join("\n") })) : "",
  ];
};
