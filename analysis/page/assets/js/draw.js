// Draws the surface and the learning curves with plotly.js, in the page's own colours.

import { level, measured, named, number, plain, sentence } from "report/words";

const SHOWN_TRIALS = 12;
const CONFIG = { displaylogo: false, responsive: true, modeBarButtons: [["toImage"]] };
const DASHES = ["solid", "dot", "dash", "dashdot", "longdash"];

function theme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  return { ink: colour("--ink"), faint: colour("--line"), paper: colour("--paper"), accent: colour("--accent") };
}

function layout(colours, more) {
  return {
    font: { color: colours.ink, size: 13, family: "system-ui, sans-serif" },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    dragmode: false,
    showlegend: false,
    ...more,
  };
}

/** Draw a surface: colour is the metric, ✕ all diverged, / some diverged, ★ the validation-best cell. */
export function drawSurface(Plotly, element, surface, trials, state, chosen) {
  const colours = theme();
  const { x, y, cells, metric } = surface;
  const [low, high] = metric.range[state.task];
  const scaled = (value) => (metric.log ? Math.log10(Math.max(value, low * 1e-3)) : metric.percent ? 100 * value : value);
  const ends = [low, high].map(scaled);
  const worst = metric.direction === "max" ? ends[0] : ends[1];
  const z = cells.map((line) => line.map((cell) => (cell?.lost ? worst : cell && cell.value !== null ? scaled(cell.value) : null)));
  const heat = {
    type: "heatmap",
    z,
    zmin: ends[0],
    zmax: ends[1],
    colorscale: "Viridis",
    reversescale: metric.direction !== "max",
    xgap: 1,
    ygap: 1,
    hoverongaps: false,
    hoverinfo: "text",
    text: cells.map((line) => line.map((cell) => (cell ? hover(cell, surface, trials) : ""))),
    texttemplate: "",
    colorbar: { title: barTitle(metric), thickness: 12, outlinewidth: 0, ...ticks(metric, ends) },
  };
  const marks = [
    [surface.all.filter((cell) => cell.lost), "x", 10, "#ffffff"],
    [surface.all.filter((cell) => cell.diverged && !cell.lost), "line-ne-open", 14, "#ff4d00"],
    [surface.all.filter((cell) => cell.best), "star", 14, "#ffffff"],
  ].map(([some, symbol, size, colour]) => ({
    type: "scatter",
    mode: "markers",
    hoverinfo: "skip",
    x: some.map((cell) => cell.j),
    y: some.map((cell) => cell.i),
    marker: { symbol, size, color: colour, line: { color: symbol.startsWith("line") ? colour : "#000000", width: symbol.startsWith("line") ? 3 : 1 } },
  }));
  const outline = chosen && {
    type: "rect", x0: chosen.j - 0.5, x1: chosen.j + 0.5, y0: chosen.i - 0.5, y1: chosen.i + 0.5,
    line: { color: colours.accent, width: 4 },
  };
  const made = layout(colours, {
    margin: { l: 60, r: 10, t: 34, b: 50 },
    xaxis: axis(x, colours, Math.max(3, Math.floor((element.clientWidth - 160) / 60))),
    yaxis: axis(y, colours, 12),
    shapes: outline ? [outline] : [],
  });
  Plotly.react(element, [heat, ...marks], made, CONFIG);
}

/** Draw the learning curves of a cell's trials, or their mean. */
export function drawCurves(Plotly, element, cell, trials, curves, state) {
  const colours = theme();
  const [splitName, kindName] = state.curve.split("_");
  const split = curves.splits.findIndex((one) => one.name === splitName);
  const kind = ["error", "loss", "metric"].indexOf(kindName);
  const metric = trials.metrics(state.task).find((one) => one.name === state.curve);
  const factor = kind === 0 || (kind === 2 && metric.percent) ? 100 : 1;
  const rows = curves.means ? cell.rows.slice(0, 1) : cell.rows;
  const lines = rows.map((row, index) => ({
    type: "scatter",
    mode: curves.epochs.length > 1 ? "lines" : "markers",
    x: curves.epochs,
    y: curves.of(row, split, kind).map((value) => (value === null ? value : factor * value)),
    name: curves.means ? `mean of ${cell.rows.length} trials` : `seed ${trials.seed(row)}, ${trials.status(row)}`,
    line: { dash: DASHES[index % DASHES.length], width: 2 },
  }));
  const title = kind === 2 ? named(metric) : `${curves.splits[split].title} ${kind ? "loss" : "error (%)"}`;
  const made = layout(colours, {
    margin: { l: 60, r: 10, t: 34, b: 50 },
    xaxis: { title: { text: "epoch" }, gridcolor: colours.faint, zeroline: false, fixedrange: true },
    yaxis: { title: { text: plain(title) }, type: kind === 1 ? "log" : "linear", gridcolor: colours.faint, zeroline: false, fixedrange: true },
    showlegend: true,
    legend: { orientation: "h", y: 1, yanchor: "bottom" },
  });
  Plotly.react(element, lines, made, CONFIG);
}

/** The title of a colour bar: the task's metric by its name and unit, what all tasks share by its unit alone. */
function barTitle(metric) {
  if (metric.name.endsWith("_metric")) return { text: plain(named(metric)), side: "right" };
  return { text: metric.percent ? "%" : "", side: "top" };
}

/** What appears beside a cell: where it is, and what each of its trials says. */
function hover(cell, surface, trials) {
  const column = trials.arrays[surface.metric.name];
  const lines = cell.rows.slice(0, SHOWN_TRIALS).map((row) => {
    const status = trials.status(row);
    const said = status === "completed" ? measured(column[row], surface.metric) : status;
    return `seed ${trials.seed(row)}: ${said}`;
  });
  const more = cell.rows.length - lines.length;
  if (more > 0) lines.push(`and ${more} more`);
  return [sentence(cell, surface, surface.metric).replace(": ", ":\n"), ...lines]
    .map(plain).join("<br>").replaceAll("\n", "<br>");
}

function axis(axis, colours, most) {
  const step = Math.ceil(axis.codes.length / most);
  const shown = axis.codes.map((_, index) => index).filter((index) => index % step === 0);
  return {
    title: { text: plain(axis.title), standoff: 12 },
    automargin: true,
    tickangle: 0,
    tickvals: shown,
    ticktext: shown.map((index) => plain(level(axis.values[axis.codes[index]]))),
    range: [-0.5, axis.codes.length - 0.5],
    fixedrange: true,
    showgrid: false,
    zeroline: false,
    linecolor: colours.faint,
  };
}

function ticks(metric, [low, high]) {
  if (!metric.log) return {};
  const places = Array.from({ length: 5 }, (_, index) => low + (index / 4) * (high - low));
  return { tickvals: places, ticktext: places.map((place) => number(10 ** place)) };
}
