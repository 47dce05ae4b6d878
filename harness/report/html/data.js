const index = JSON.parse(byId("index").textContent);
const cells = index.cells;
cells.forEach((cell, number) => {
  cell.number = number;
  cell.words = [cell.id, cell.target, cell.kernel, cell.release, cell.verdict, cell.word, cell.what, cell.reason,
    cell.patch ? `patch ${cell.patch} ${(index.patches.find((p) => p.position === cell.patch) || {}).subject || ""}` : "",
    cell.rules.join(" ")].join("\n").toLowerCase();
});
const targets = unique(cells.map((cell) => cell.target)).sort();
const kernels = unique(cells.map((cell) => cell.kernel));

// A mark is loud where something came up, not where it merely stays.
const wordClass = (cell) => (!cell.word ? "" : cell.since === undefined ? `w-${cell.word.replaceAll(" ", "-")}` : "w-lasting");

// Words that say the same as the verdict does are no news.
const isNews = (cell) => Boolean(cell.word);

const fullName = (cell) => words(cell.scenario, cell.parameters && `${cell.parameters},`, `on ${cell.target},`,
  kernels.length > 1 && `${cell.kernel},`, cell.patch !== undefined && `${cell.patch ? "patch " : ""}${patchName(cell)},`, cell.verdict,
  cell.word && cell.word !== cell.verdict && `(${cell.word}${cell.since === undefined ? "" : ` since patch ${cell.since}`})`);

const patchName = (cell) => (cell.patch === 0 ? "base" : String(cell.patch ?? "all"));

const unpack = async (number) => {
  const packed = Uint8Array.from(atob(byId(`d${number}`).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
};
