const detailPane = byId("detail");
let opened = null;

const go = (changes) => { location.hash = address(changes); };

const close = () => {
  const last = opened;
  go({ cell: null });
  if (last !== null) setTimeout(() => { keepOneTabStop(last); marks[last].focus({ preventScroll: false }); });
};

const showCell = async (number) => {
  const before = opened;
  opened = number;
  if (before !== null) marks[before].removeAttribute("aria-current");
  byId("work").classList.toggle("open", number !== null);
  detailPane.hidden = number === null;
  if (number === null) { detailPane.replaceChildren(); return; }
  marks[number].setAttribute("aria-current", "true");
  const cell = cells[number];
  let content;
  try {
    content = renderDetail(cell, await unpack(number), close);
  } catch (error) {
    content = [el("h2", { id: "detail-title", tabindex: "-1", text: cell.id }), el("p", { class: "aside", text: `This cell cannot be shown: ${error}` })];
  }
  if (opened !== number) return;
  detailPane.replaceChildren(...content.filter((node) => node !== ""));
  detailPane.scrollTop = 0;
  scrollToReport(detailPane);
  byId("detail-title").focus({ preventScroll: true });
  detailPane.scrollIntoView({ block: "nearest" });
};

const follow = () => {
  readAddress();
  showFilters();
  applyFilter();
  if (state.cell !== opened) showCell(state.cell);
};

const changed = () => history.replaceState(null, "", address()) || (showFilters(), applyFilter());

const step = (direction) => {
  const news = cells.filter((cell) => isNews(cell) && !marks[cell.number].hidden).map((cell) => cell.number);
  if (!news.length) return;
  const at = opened === null ? (direction > 0 ? -1 : 0) : news.indexOf(opened);
  go({ cell: news[(at + direction + news.length) % news.length] });
};

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-cell]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go({ cell: Number(link.dataset.cell) });
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    if (opened !== null) close();
    else if (document.activeElement === byId("query")) { state.query = ""; changed(); }
    return;
  }
  if (event.target.closest("input")) return;
  const mark = event.target.closest(".matrix .mark");
  if (mark && /^(Arrow|Home|End)/.test(event.key)) { event.preventDefault(); moveFocus(mark, event.key); }
  else if (event.key === "/") { event.preventDefault(); byId("query").focus(); }
  else if (event.key === "n") step(1);
  else if (event.key === "p") step(-1);
});

byId("query").addEventListener("input", () => { state.query = byId("query").value; changed(); });
byId("clear").addEventListener("click", () => { state.query = ""; state.only.clear(); state.patch = null; changed(); byId("query").focus(); });
window.addEventListener("hashchange", follow);

renderToggles(changed);
renderPatches(changed);
renderMatrix();
follow();
renderPlots();
performance.mark("ready");
