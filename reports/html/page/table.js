// The comparison table: sorting by any column, filters by training signals, and marks of the best shown method and its ties.

function sortTable(table, head) {
  const heads = [...table.tHead.rows[0].cells];
  const column = heads.indexOf(head);
  const button = head.querySelector("button");
  const ascends = head.ariaSort === "none" ? button.dataset.better !== "higher" : head.ariaSort !== "ascending";
  for (const other of heads) other.ariaSort = "none";
  head.ariaSort = ascends ? "ascending" : "descending";
  const value = (row) => row.cells[column].dataset.value;
  const compare = button.dataset.kind === "number"
    ? (a, b) => Number(a) - Number(b)
    : (a, b) => a.localeCompare(b, "en", { numeric: true });
  const rows = [...table.tBodies[0].rows].sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === "" || b === "") return (a === "") - (b === ""); // undefined values are last in both directions
    return (ascends ? 1 : -1) * compare(a, b);
  });
  table.tBodies[0].append(...rows);
}

function filterTable(table, unwanted) {
  let left = 0;
  for (const row of table.tBodies[0].rows) {
    row.hidden = unwanted.some((name) => row.hasAttribute(`data-${name.toLowerCase().replace(" ", "-")}`));
    left += row.hidden ? 0 : 1;
  }
  table.closest(".part").querySelector(".empty").hidden = left > 0;
}

function markTable(table) {
  for (const [metric, facts] of Object.entries(DATA.tables[table.id])) {
    const cells = [...table.querySelectorAll(`td[data-metric="${CSS.escape(metric)}"]`)];
    for (const cell of cells) mark(cell, "");
    const shown = cells.filter((cell) => !cell.parentElement.hidden && cell.dataset.value !== "");
    if (shown.length < 2) continue;
    const sign = facts.higher ? 1 : -1;
    const best = shown.reduce((a, b) => (sign * (b.dataset.value - a.dataset.value) > 0 ? b : a));
    const least = Math.max(...shown.map((cell) => bounds(cell, sign)[0]));
    for (const cell of shown) {
      if (cell === best || bounds(cell, sign)[1] >= least) mark(cell, "best");
      else if (isTied(facts, line(best), line(cell))) mark(cell, "tied");
    }
  }
}

const line = (cell) => Number(cell.parentElement.dataset.line);
// The printed number twice, or the bounds of the printed bracket; larger ones are better.
function bounds(cell, sign) {
  const numbers = cell.querySelector(".value").textContent.replace(/[[\]]/g, "").split(",").map((text) => sign * Number(text));
  return [Math.min(...numbers), Math.max(...numbers)];
}

function isTied(facts, best, other) {
  const known = facts.known.includes(best) && facts.known.includes(other);
  return known && !facts.apart.some(([better, worse]) => better === best && worse === other);
}

function mark(cell, kind) {
  cell.classList.toggle("best", kind === "best");
  cell.classList.toggle("tied", kind === "tied");
  const sign = cell.querySelector(".mark");
  sign.textContent = kind === "tied" ? "=" : "";
  sign.title = kind === "tied" ? "not significantly different from the best" : "";
}

function refilter() {
  const unwanted = [...byId("filter").querySelectorAll(":checked")].map((box) => box.value);
  for (const table of document.querySelectorAll("table.comparison")) {
    filterTable(table, unwanted);
    markTable(table);
  }
}

for (const table of document.querySelectorAll("table.comparison")) {
  table.tHead.addEventListener("click", (event) => {
    const head = event.target.closest("th");
    if (event.target.closest("button")) sortTable(table, head);
  });
}
byId("filter").addEventListener("change", refilter);

// A number links to its provenance, which opens.
function openProvenance() {
  const target = location.hash.startsWith("#provenance-") && byId(location.hash.slice(1));
  if (!target) return;
  target.open = true;
  target.scrollIntoView();
  target.querySelector("summary").focus();
}
addEventListener("hashchange", openProvenance);
