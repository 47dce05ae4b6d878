// Scenario x target x kernel. A square holds a mark for each combination of parameters, or,
// in a run per patch, a strip of them from the first patch to the last.
const marks = [];
const rows = [];
const groups = [];

const renderMark = (cell) => {
  const loud = isNews(cell) || cell.verdict === "mismatch" || cell.verdict === "kernel-failure";
  const label = loud && cell.patch === undefined ? cell.parameters : "";
  const mark = el("a", {
    href: `#cell=${cell.number}`, tabindex: "-1", "data-cell": cell.number, title: cell.id,
    class: words("mark", `v-${cell.verdict}`, wordClass(cell)),
    "aria-label": fullName(cell),
  }, glyph(), label && el("span", { class: "label", text: label }));
  marks[cell.number] = mark;
  return mark;
};

const renderSquare = (own) => {
  const strips = new Map();
  for (const cell of own) strips.set(cell.stem, [...(strips.get(cell.stem) || []), cell]);
  return el("td", {}, el("div", { class: "square" }, [...strips.values()].map((strip) => {
    const inOrder = strip.sort((a, b) => (a.patch || 0) - (b.patch || 0)).map(renderMark);
    return strip.length > 1 ? el("span", { class: "strip", title: strip[0].stem }, inOrder) : inOrder;
  })));
};

const renderHead = () => {
  const plural = kernels.length > 1;
  const first = el("tr", {}, el("th", { scope: "col", rowspan: plural ? 2 : null, text: "scenario" }),
    targets.map((target) => el("th", { scope: plural ? "colgroup" : "col", colspan: plural ? kernels.length : null, text: target })));
  const second = plural && el("tr", { class: "kernels" },
    targets.flatMap(() => kernels.map((kernel) => el("th", { scope: "col", text: kernel }))));
  return el("thead", {}, [first, second].filter(Boolean));
};

const renderMatrix = () => {
  const files = new Map();
  for (const cell of cells) {
    if (!files.has(cell.file)) files.set(cell.file, new Map());
    const scenarios = files.get(cell.file);
    if (!scenarios.has(cell.scenario)) scenarios.set(cell.scenario, new Map());
    const squares = scenarios.get(cell.scenario);
    const place = `${cell.target}\n${cell.kernel}`;
    squares.set(place, [...(squares.get(place) || []), cell]);
  }
  const columns = targets.flatMap((target) => kernels.map((kernel) => `${target}\n${kernel}`));
  const bodies = [...files].map(([file, scenarios]) => {
    const own = [...scenarios].map(([scenario, squares]) => {
      const row = el("tr", {}, el("th", { scope: "row", text: scenario }),
        columns.map((place) => renderSquare(squares.get(place) || [])));
      rows.push({ row, numbers: [...squares.values()].flat().map((cell) => cell.number) });
      return row;
    });
    const body = el("tbody", {}, el("tr", { class: "file" }, el("th", { scope: "rowgroup", colspan: columns.length + 1, text: file })), own);
    groups.push({ body, rows: own });
    return body;
  });
  byId("cells").append(el("table", { class: words("matrix", index.patches.length && "per-patch") },
    el("caption", { class: "unseen", text: "Cells by scenario, target and kernel; each mark opens its story" }), renderHead(), bodies));
};

const applyFilter = () => {
  const terms = state.query.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const cell of cells) {
    const visible = isShown(cell, terms);
    marks[cell.number].hidden = !visible;
    shown += visible;
  }
  for (const { row, numbers } of rows) row.hidden = numbers.every((number) => marks[number].hidden);
  for (const { body, rows: own } of groups) body.hidden = own.every((row) => row.hidden);
  byId("shown").textContent = shown === cells.length ? count(shown, "cell")
    : `${shown.toLocaleString("en")} of ${count(cells.length, "cell")}`;
  byId("nothing").hidden = shown > 0 || cells.length === 0;
  for (const strip of document.querySelectorAll(".strip")) strip.hidden = [...strip.children].every((mark) => mark.hidden);
  keepOneTabStop();
};

// One stop for Tab; the arrows go from mark to mark.
let stop = null;
const keepOneTabStop = (wanted = stop) => {
  if (stop !== null) marks[stop].tabIndex = -1;
  stop = wanted !== null && !marks[wanted].hidden ? wanted : (cells.find((cell) => !marks[cell.number].hidden) || {}).number ?? null;
  if (stop !== null) marks[stop].tabIndex = 0;
};

const moveFocus = (from, key) => {
  const visible = [...document.querySelectorAll(".mark:not([hidden])")].filter((mark) => mark.offsetParent !== null);
  const at = visible.indexOf(from);
  let to = null;
  if (key === "ArrowRight") to = visible[at + 1];
  else if (key === "ArrowLeft") to = visible[at - 1];
  else if (key === "Home") to = visible[0];
  else if (key === "End") to = visible.at(-1);
  else to = nearestBelow(from, visible, key === "ArrowDown" ? 1 : -1);
  if (!to) return;
  keepOneTabStop(Number(to.dataset.cell));
  to.focus();
};

const nearestBelow = (from, visible, direction) => {
  const here = from.getBoundingClientRect();
  const row = from.closest("tr");
  let best = null;
  let bestCost = Infinity;
  for (const mark of visible) {
    if (mark.closest("tr") === row) continue;
    const box = mark.getBoundingClientRect();
    const down = (box.top - here.top) * direction;
    if (down <= 0) continue;
    const cost = down * 4 + Math.abs(box.left - here.left);
    if (cost < bestCost) { best = mark; bestCost = cost; }
  }
  return best;
};
