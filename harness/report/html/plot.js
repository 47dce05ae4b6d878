// gup_test's times, one small plot a step: the x axis is the patch, else the kernel.
const TIMES_SHOWN = 24;

const collectTimes = () => {
  const perPatch = cells.some((cell) => cell.patch !== undefined);
  const positions = perPatch ? unique(cells.map((cell) => cell.patch).filter((patch) => patch !== undefined)).sort((a, b) => a - b) : kernels;
  if (positions.length < 2) return [];
  const plots = new Map();
  for (const cell of cells) for (const [step, name, median, low, high, samples, coverage] of cell.times || []) {
    const key = `${cell.stem}\n${perPatch ? cell.kernel : ""}\n${step}`;
    if (!plots.has(key)) plots.set(key, { cell, step, positions, perPatch, points: [] });
    plots.get(key).points.push({ at: positions.indexOf(perPatch ? cell.patch : cell.kernel), name, median, low, high, samples, coverage, number: cell.number });
  }
  return [...plots.values()].filter((plot) => new Set(plot.points.map((point) => point.at)).size > 1).sort((a, b) => change(b) - change(a));
};

// How far the extremes of a plot are apart, so that what moved comes first.
const change = (plot) => Math.max(...["get", "put"].map((name) => {
  const found = plot.points.filter((point) => point.name === name).map((point) => point.median);
  return found.length ? Math.max(...found) / Math.max(1, Math.min(...found)) : 0;
}));

const interval = (point) => point.samples === 1 ? `${point.median} µs, one sample`
  : `${point.median} µs, ${point.low} to ${point.high}` + (point.coverage ? ` (${(100 * point.coverage).toFixed(0)} % of the median, n ${point.samples})` : ` (range of ${point.samples})`);

const renderPlot = (plot) => {
  const [width, height, left, bottom] = [300, 120, 44, 22];
  const top = Math.max(...plot.points.map((point) => point.high)) * 1.08 || 1;
  const x = (at) => left + ((at + 0.5) * (width - left)) / plot.positions.length;
  const y = (value) => 6 + (1 - value / top) * (height - bottom - 6);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `get and put times of ${plot.cell.stem}` });
  for (const value of [0, top / 2, top]) {
    const label = svg("text", { x: left - 6, y: y(value) + 3, "text-anchor": "end", class: "tick" });
    label.textContent = Math.round(value).toLocaleString("en");
    picture.append(svg("line", { x1: left, x2: width, y1: y(value), y2: y(value), class: "level" }), label);
  }
  plot.positions.forEach((position, at) => {
    const label = svg("text", { x: x(at), y: height - 6, "text-anchor": "middle", class: "tick" });
    label.textContent = String(position).replace("debian:", "");
    picture.append(label);
  });
  for (const [name, shift] of [["get", -5], ["put", 5]]) {
    for (const point of plot.points.filter((one) => one.name === name)) {
      const title = svg("title");
      title.textContent = `${name}: ${interval(point)}`;
      const mark = name === "get" ? svg("circle", { cx: x(point.at) + shift, cy: y(point.median), r: 3.5 })
        : svg("rect", { x: x(point.at) + shift - 3.5, y: y(point.median) - 3.5, width: 7, height: 7 });
      picture.append(svg("g", { class: name }, title,
        svg("line", { x1: x(point.at) + shift, x2: x(point.at) + shift, y1: y(point.low), y2: y(point.high), class: "whisker" }),
        ...[point.low, point.high].map((end) => svg("line", { x1: x(point.at) + shift - 3, x2: x(point.at) + shift + 3, y1: y(end), y2: y(end), class: "whisker" })), mark));
    }
  }
  const rowsOf = plot.points.map((point) => el("tr", {}, el("th", { scope: "row", text: `${plot.perPatch ? "patch " : ""}${plot.positions[point.at]} ${point.name}` }), el("td", { text: interval(point) })));
  return el("figure", {}, el("figcaption", {}, el("b", { text: plot.cell.scenario }), ` ${words(plot.cell.parameters, "on", plot.cell.target)}, step ${plot.step + 1}`),
    picture, el("details", {}, el("summary", { text: "figures" }), el("table", { class: "figures" }, el("tbody", {}, rowsOf))));
};

const renderPlots = () => {
  const plots = collectTimes();
  if (!plots.length) return;
  const root = byId("plots");
  const grid = el("div", { class: "grid" }, plots.slice(0, TIMES_SHOWN).map(renderPlot));
  const rest = plots.slice(TIMES_SHOWN);
  const more = rest.length ? el("button", { type: "button", on: { click: () => { grid.append(...rest.map(renderPlot)); more.remove(); } } }, `Show ${count(rest.length, "more plot")}`) : "";
  root.append(el("h2", { id: "plots-title" }, "gup_test times ", el("small", { text: `µs by ${plots[0].perPatch ? "patch" : "kernel"}; largest change first` })),
    el("p", { class: "aside" }, el("i", { class: "key get", "aria-hidden": "true" }), "get ", el("i", { class: "key put", "aria-hidden": "true" }),
      "put; medians, with the interval of the median from order statistics where six repeats or more allow one, else the range. Emulated guests: compare within a plot only."), grid, more);
  root.hidden = false;
};
