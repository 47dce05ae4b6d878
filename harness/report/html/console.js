const renderConsole = (detail) => {
  const shown = detail.console;
  if (!shown) return el("p", { class: "aside", text: "No console was kept." });
  const kept = shown.pieces.reduce((sum, [, lines]) => sum + lines.length, 0);
  const cut = shown.lines - kept;
  const link = el("a", { href: detail.link, text: detail.path });
  const about = el("p", { class: "aside" },
    `${count(shown.lines, "line")}, ${bytes(shown.bytes)}` + (cut ? `, of which ${count(cut, "line")} are left out here; all of it: ` : ": "), link);
  const text = el("div", { class: "console", tabindex: "0", role: "region", "aria-label": "Console" });
  let next = 1;
  for (const [first, lines] of shown.pieces) {
    text.append(gap(first - next), ...pieceNodes(first, lines, detail.lines));
    next = first + lines.length;
  }
  text.append(gap(shown.lines + 1 - next));
  return el("div", {}, about, text);
};

const gap = (number) => (number > 0 ? el("div", { class: "gap", text: `${count(number, "line")} left out` }) : "");

const pieceNodes = (first, lines, report) => {
  const inside = (number) => report !== null && report[0] <= number && number <= report[1];
  const nodes = [];
  let block = null;
  lines.forEach((line, offset) => {
    const number = first + offset;
    if (block === null || block.marked !== inside(number)) {
      block = { marked: inside(number), node: el("div", inside(number)
        ? { class: "block report", role: "mark", "aria-label": "kernel report" } : { class: "block" }) };
      nodes.push(block.node);
    }
    block.node.append(el("div", { class: "line", "data-line": number }, line));
  });
  return nodes;
};

// The report, not the firmware's first words, is what one opens a console for.
const scrollToReport = (root) => {
  const box = root.querySelector(".console");
  const report = root.querySelector(".console .report");
  if (box && report) box.scrollTop = report.offsetTop - 24;
  else if (box) box.scrollTop = box.scrollHeight;
};
