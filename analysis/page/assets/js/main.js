// Starts the surface explorer once the page has been painted, and draws it anew whenever its state changes.

import { listen, show } from "report/controls";
import { Curves, Trials, carried, table } from "report/data";
import { drawCurves, drawSurface } from "report/draw";
import { complete, fromFragment, inTask, nameOf, toFragment } from "report/state";
import { surfaceOf } from "report/surface";
import { fillSurface, fillTrials, sortable, walkable } from "report/tables";
import { level, measured, sentence } from "report/words";

const find = (id) => document.getElementById(id);

/** Wait until the browser has painted what is above. */
function painted() {
  return new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
}

async function plotly() {
  const script = document.createElement("script");
  script.textContent = new TextDecoder().decode(await carried("plotly-library"));
  document.head.append(script);
  return window.Plotly;
}

class Explorer {
  constructor(Plotly, trials) {
    Object.assign(this, { Plotly, trials, curves: null });
    this.state = fromFragment(trials, location.hash);
    listen((part) => this.change(part));
    walkable(find("surface-table"));
    this.render();
    find("surface").on("plotly_click", ({ points: [{ x, y }] }) => this.choose(this.surface.cells[y]?.[x]));
    addEventListener("hashchange", () => this.restore());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.render());
  }

  /** Go to the state that the address asks for, unless it is the one that is shown. */
  restore() {
    if (location.hash === toFragment(this.trials, this.state)) return;
    this.state = fromFragment(this.trials, location.hash);
    this.render();
  }

  change(part) {
    const at = { ...this.state.at, ...part.at };
    const other = part.entry !== undefined || part.task !== undefined;
    const swapped = {};
    if (part.task !== undefined) {
      for (const name of ["metric", "curve"]) swapped[name] = inTask(this.trials, part.task, this.state[name]);
    }
    if (part.x && part.x === this.state.y) swapped.y = this.state.x;
    if (part.y && part.y === this.state.x) swapped.x = this.state.y;
    this.state = complete(this.trials, { ...this.state, ...part, ...swapped, at: other ? {} : at });
    this.render();
  }

  choose(cell) {
    if (!cell) return;
    this.state = { ...this.state, cell: nameOf(cell, this.surface) };
    this.render();
  }

  render() {
    const { Plotly, trials, state } = this;
    this.surface = surfaceOf(trials, state);
    const chosen = this.surface.all.find((cell) => nameOf(cell, this.surface) === state.cell);
    show(trials, state, this.surface, (part) => this.change(part));
    drawSurface(Plotly, find("surface"), this.surface, trials, state, chosen);
    fillSurface(find("surface-table"), this.surface, state, (cell) => this.choose(cell), chosen);
    find("surface-words").textContent = this.words();
    find("surface").setAttribute("aria-label", this.words());
    find("details").hidden = !chosen;
    if (chosen) this.detail(chosen);
    history.replaceState(null, "", toFragment(trials, state));
  }

  /** Say what the surface shows. */
  words() {
    const { all, metric, others } = this.surface;
    if (!all.length) return "There are no trials at these values.";
    const name = this.trials.header.entries[this.state.entry].name;
    const at = others.map((axis) => `${axis.title} ${level(axis.values[this.state.at[axis.name]])}`);
    const values = all.filter((cell) => cell.value !== null).map((cell) => cell.value);
    const range = values.length
      ? `from ${measured(Math.min(...values), metric)} to ${measured(Math.max(...values), metric)}`
      : "without a value";
    const lost = all.filter((cell) => cell.lost).length;
    return `${name}${at.length ? ` at ${at.join(", ")}` : ""}: ${metric.title} of ${all.length} cells, ${range}; ${lost} cells diverged.`;
  }

  /** Show the trials of a cell and their learning curves, which are read when they are first asked for. */
  async detail(cell) {
    find("details-title").textContent = sentence(cell, this.surface, this.surface.metric);
    fillTrials(find("trials-table"), cell, this.trials);
    if (!find("curves")) return;
    this.curves ??= table("curves-data").then((read) => new Curves(read));
    const curves = await this.curves;
    find("curves-note").textContent = [
      curves.means ? "This study is large: the curves are means over a cell's seeds." : "",
      curves.epochs.length < curves.all_epochs ? `Shown at ${curves.epochs.length} of ${curves.all_epochs} epochs.` : "",
    ].join(" ");
    drawCurves(this.Plotly, find("curves"), cell, this.trials, curves, this.state);
  }
}

for (const one of document.querySelectorAll("table.sortable")) sortable(one);
await painted();
const [Plotly, trials] = await Promise.all([plotly(), table("trials-data")]);
find("explorer").hidden = false;
find("explorer-waits").hidden = true;
window.explorer = new Explorer(Plotly, new Trials(trials));
document.documentElement.dataset.ready = "true";
