// Tables: the surface as a grid that the keyboard walks over, a cell's trials, and columns that sort.

import { brief, level, measured, named, sentence } from "report/words";

function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** Fill a table with the surface; `choose(cell)` is called for a click or Enter. Arrow keys move over it. */
export function fillSurface(table, surface, state, choose, chosen) {
  const { x, y, cells, metric } = surface;
  const head = element("tr");
  head.append(element("th", `${y.title} \\ ${x.title}`, { scope: "col" }));
  for (const code of x.codes) head.append(element("th", level(x.values[code]), { scope: "col" }));
  const lines = cells.map((line, i) => {
    const made = element("tr");
    made.append(element("th", level(y.values[y.codes[i]]), { scope: "row" }));
    for (const cell of line) {
      const place = element("td", brief(cell, metric), { tabindex: "-1" });
      if (cell) {
        place.setAttribute("aria-label", sentence(cell, surface, metric));
        place.classList.toggle("best", cell.best);
        place.setAttribute("aria-selected", String(cell === chosen));
        place.addEventListener("click", () => choose(cell));
        place.addEventListener("keydown", (event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          choose(cell);
        });
      }
      made.append(place);
    }
    return made;
  });
  const held = table.contains(document.activeElement);
  table.tHead.replaceChildren(head);
  table.tBodies[0].replaceChildren(...lines.reverse());
  table.caption.textContent = `${named(metric, ", ")}; / some trials diverged; bold: the validation-best cell`;
  const row = chosen ? lines.length - 1 - chosen.i : 0;
  const place = lines[row].cells[chosen ? chosen.j + 1 : 1];
  place.tabIndex = 0;
  if (held) place.focus();
}

/** Let arrow keys, Home and End move over a table's cells; one of them can be tabbed to. */
export function walkable(table) {
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -1e9], End: [0, 1e9] };
  table.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    const from = event.target.closest("td");
    if (!step || !from) return;
    event.preventDefault();
    const rows = table.tBodies[0].rows;
    const clamp = (value, most) => Math.min(Math.max(value, 0), most);
    const row = rows[clamp(from.parentElement.sectionRowIndex + step[0], rows.length - 1)];
    const to = row.cells[clamp(from.cellIndex + step[1], row.cells.length - 1) || 1];
    from.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  });
}

/** Fill a table with the trials of a cell. */
export function fillTrials(table, cell, trials) {
  const metrics = trials.metrics(trials.arrays.task[cell.rows[0]]);
  const head = element("tr");
  for (const name of ["seed", "status", ...metrics.map((metric) => metric.title), "trial"]) {
    head.append(element("th", name, { scope: "col" }));
  }
  const lines = cell.rows.map((row) => {
    const made = element("tr");
    made.append(element("td", String(trials.seed(row))), element("td", trials.status(row)));
    for (const metric of metrics) made.append(element("td", measured(trials.arrays[metric.name][row], metric)));
    made.append(element("td", trials.id(row), { class: "id" }));
    return made;
  });
  table.tHead.replaceChildren(head);
  table.tBodies[0].replaceChildren(...lines);
}

/** Let the columns of a table sort its rows: numbers by data-value, words by their letters. */
export function sortable(table) {
  for (const header of table.tHead.rows[0].cells) {
    const button = element("button", header.textContent, { type: "button" });
    header.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = header.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows].sort((a, b) => compare(a.cells[header.cellIndex], b.cells[header.cellIndex]));
      table.tBodies[0].append(...(down ? rows.reverse() : rows));
    });
  }
}

function compare(a, b) {
  if (a.dataset.value === undefined) return a.textContent.localeCompare(b.textContent);
  const [left, right] = [a, b].map((cell) => (cell.dataset.value === "" ? Infinity : Number(cell.dataset.value)));
  return left === right ? 0 : left - right;
}
