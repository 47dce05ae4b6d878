// The filter's state lives in the address, so that a view can be sent to somebody.
const state = { query: "", only: new Set(), patch: null, cell: null };

const readAddress = () => {
  const given = new URLSearchParams(location.hash.slice(1));
  state.query = given.get("q") || "";
  state.only = new Set((given.get("only") || "").split(",").filter(Boolean));
  state.patch = given.has("patch") ? Number(given.get("patch")) : null;
  const cell = given.has("cell") ? Number(given.get("cell")) : null;
  state.cell = Number.isInteger(cell) && cells[cell] ? cell : null;
};

const address = (changes = {}) => {
  const wanted = { ...state, ...changes };
  const given = new URLSearchParams();
  if (wanted.query) given.set("q", wanted.query);
  if (wanted.only.size) given.set("only", [...wanted.only].join(","));
  if (wanted.patch !== null) given.set("patch", wanted.patch);
  if (wanted.cell !== null) given.set("cell", wanted.cell);
  return `#${given}`;
};

const isShown = (cell, terms) =>
  (state.only.size === 0 || state.only.has(cell.verdict) || state.only.has(cell.word)) &&
  (state.patch === null || cell.patch === state.patch) &&
  terms.every((term) => cell.words.includes(term));

const toggle = (name, kind, number, press) => el("button", {
  type: "button", class: `toggle ${kind}-${name.replaceAll(" ", "-")}`, "aria-pressed": "false",
  "data-name": name, on: { click: press },
}, glyph(), name, el("span", { class: "number", text: number.toLocaleString("en") }));

const renderToggles = (changed) => {
  const tally = (names) => {
    const found = new Map();
    for (const name of names) if (name) found.set(name, (found.get(name) || 0) + 1);
    return found;
  };
  const verdicts = tally(cells.map((cell) => cell.verdict));
  const news = tally(cells.map((cell) => (cell.word === cell.verdict || cell.word === "failing" ? "" : cell.word)));
  const press = (name) => () => {
    if (!state.only.delete(name)) state.only.add(name);
    changed();
  };
  byId("toggles").append(
    ...[...verdicts].map(([name, number]) => toggle(name, "v", number, press(name))),
    ...[...news].map(([name, number]) => toggle(name, "w", number, press(name))));
};

const renderPatches = (changed) => {
  if (!index.patches.length) return;
  const rows = index.patches.map((patch) => {
    const own = cells.filter((cell) => cell.patch === patch.position);
    const news = own.filter((cell) => cell.word && cell.word !== "failing before");
    const fresh = news.filter((cell) => cell.since === undefined);
    const told = unique(fresh.map((cell) => cell.word)).map((word) =>
      el("span", { class: `tag w-${word.replaceAll(" ", "-")}` }, `${fresh.filter((cell) => cell.word === word).length} ${word}`));
    if (news.length > fresh.length) told.push(`${news.length - fresh.length} as with the patch before`);
    if (!index.per_patch) return el("li", { class: "patch" }, el("span", { class: "position", text: patch.position }), el("span", { class: "subject", text: patch.subject }));
    const choose = () => { state.patch = state.patch === patch.position ? null : patch.position; changed(); };
    return el("li", {}, el("button", {
      type: "button", class: "patch", "aria-pressed": "false", "data-patch": patch.position, on: { click: choose },
    }, el("span", { class: "position", text: patch.position }), el("span", { class: "subject", text: patch.subject }),
    el("span", { class: "told" }, told.length ? told : own.length ? "nothing new" : "")));
  });
  byId("patches").append(el("ol", { class: "patches", "aria-label": index.per_patch ? "Patches; choose one to see its cells only" : "Patches" }, rows));
};

const showFilters = () => {
  const query = byId("query");
  if (query.value !== state.query) query.value = state.query;
  for (const button of document.querySelectorAll("[data-name]"))
    button.setAttribute("aria-pressed", String(state.only.has(button.dataset.name)));
  for (const button of document.querySelectorAll("[data-patch]"))
    button.setAttribute("aria-pressed", String(state.patch === Number(button.dataset.patch)));
};
