// gup_test's times, one small plot a step. In a series: by how much each patch changed them,
// where pairs of guests were timed; else the times themselves, by patch or by kernel.
const TIMES_SHOWN = 24;

const collectTimes = () => {
  const ratio = cells.some((cell) => cell.ratios);
  const perPatch = cells.some((cell) => cell.patch !== undefined);
  const place = (cell) => (perPatch ? cell.patch : cell.kernel);
  const chosen = cells.filter((cell) => (ratio ? cell.ratios : cell.times) && place(cell) !== undefined);
  const positions = perPatch ? unique(chosen.map(place)).sort((a, b) => a - b) : kernels;
  const plots = new Map();
  for (const cell of chosen) for (const [step, name, median, low, high, samples, claimed] of ratio ? cell.ratios : cell.times) {
    const key = `${cell.stem}\n${perPatch ? cell.kernel : ""}\n${step}`;
    const told = ratio ? step : `step ${step}`;
    if (!plots.has(key)) plots.set(key, { cell, told, positions, perPatch, ratio, points: [] });
    plots.get(key).points.push({ at: positions.indexOf(place(cell)), name, median, low, high, samples, claimed: claimed !== false });
  }
  const several = (plot) => ratio || new Set(plot.points.map((point) => point.at)).size > 1;
  return [...plots.values()].filter(several).sort((a, b) => change(b) - change(a));
};

// How far a plot is from "nothing changed", so that what moved comes first.
const change = (plot) => Math.max(...["get", "put"].map((name) => {
  const found = plot.points.filter((point) => point.name === name && point.claimed).map((point) => Math.max(0.001, point.median));
  if (plot.ratio) found.push(1);
  return found.length ? Math.max(...found) / Math.min(...found) : 0;
}));

const figure = (plot, value) => (plot.ratio ? `x ${value.toFixed(2)}` : `${value.toLocaleString("en")} µs`);

const interval = (plot, point) => `${figure(plot, point.median)}, ${figure(plot, point.low)} to ${figure(plot, point.high)}, `
  + (plot.ratio ? `${count(point.samples, "pair")}${point.claimed ? "" : ": no change to be told from noise"}` : count(point.samples, "repeat"));

const renderPlot = (plot) => {
  const [width, height, left, bottom] = [300, 120, 44, 22];
  const top = Math.max(plot.ratio ? 1.4 : 0, ...plot.points.map((point) => point.high)) * 1.08 || 1;
  const x = (at) => left + ((at + 0.5) * (width - left)) / plot.positions.length;
  const y = (value) => 6 + (1 - value / top) * (height - bottom - 6);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `get and put times of ${plot.cell.stem}` });
  for (const value of plot.ratio ? [0, 1, top] : [0, top / 2, top]) {
    const label = svg("text", { x: left - 6, y: y(value) + 3, "text-anchor": "end", class: "tick" });
    label.textContent = plot.ratio ? value.toFixed(1) : Math.round(value).toLocaleString("en");
    picture.append(svg("line", { x1: left, x2: width, y1: y(value), y2: y(value), class: "level" }), label);
  }
  plot.positions.forEach((position, at) => {
    const label = svg("text", { x: x(at), y: height - 6, "text-anchor": "middle", class: "tick" });
    label.textContent = position === 0 ? "base" : String(position).replace("debian:", "");
    picture.append(label);
  });
  for (const [name, shift] of [["get", -5], ["put", 5]]) {
    for (const point of plot.points.filter((one) => one.name === name)) {
      const title = svg("title");
      title.textContent = `${name}: ${interval(plot, point)}`;
      const mark = name === "get" ? svg("circle", { cx: x(point.at) + shift, cy: y(point.median), r: 3.5 })
        : svg("rect", { x: x(point.at) + shift - 3.5, y: y(point.median) - 3.5, width: 7, height: 7 });
      picture.append(svg("g", { class: words(name, !point.claimed && "unsure") }, title,
        svg("line", { x1: x(point.at) + shift, x2: x(point.at) + shift, y1: y(point.low), y2: y(point.high), class: "whisker" }),
        ...[point.low, point.high].map((end) => svg("line", { x1: x(point.at) + shift - 3, x2: x(point.at) + shift + 3, y1: y(end), y2: y(end), class: "whisker" })), mark));
    }
  }
  const where = (point) => (plot.perPatch ? (plot.positions[point.at] === 0 ? "base" : `patch ${plot.positions[point.at]}`) : plot.positions[point.at]);
  const rowsOf = plot.points.map((point) => el("tr", {}, el("th", { scope: "row", text: `${where(point)} ${point.name}` }), el("td", { text: interval(plot, point) })));
  return el("figure", {}, el("figcaption", {}, el("b", { text: plot.cell.scenario }), ` ${words(plot.cell.parameters, "on", plot.cell.target)}, ${plot.told}`),
    picture, el("details", {}, el("summary", { text: "figures" }), el("table", { class: "figures" }, el("tbody", {}, rowsOf))));
};

const renderPlots = () => {
  const plots = collectTimes();
  if (!plots.length) return;
  const root = byId("plots");
  const grid = el("div", { class: "grid" }, plots.slice(0, TIMES_SHOWN).map(renderPlot));
  const rest = plots.slice(TIMES_SHOWN);
  const more = rest.length ? el("button", { type: "button", on: { click: () => { grid.append(...rest.map(renderPlot)); more.remove(); } } }, `Show ${count(rest.length, "more plot")}`) : "";
  root.append(el("h2", { id: "plots-title" }, "gup_test times ", el("small", { text: `${plots[0].ratio ? "compared with the kernel before" : "µs"}, by ${plots[0].perPatch ? "patch" : "kernel"}; largest change first` })),
    el("p", { class: "aside" }, el("i", { class: "key get", "aria-hidden": "true" }), "get ", el("i", { class: "key put", "aria-hidden": "true" }),
      plots[0].ratio
        ? "put; the median of pairs of guests and its 95 % interval (sign test); hollow where no change is to be told from noise."
        : "put; the median of the repeats and its 95 % interval, of fewer than six repeats their range. Compare within a plot only."), grid, more);
  root.hidden = false;
};
