// The explorer's controls: selects, and a slider for every axis that is not shown.

import { level } from "report/words";

const find = (id) => document.getElementById(id);

/** Set all controls to what a state says. */
export function show(trials, state, surface, change) {
  const { header } = trials;
  options("task", header.tasks.map((name, code) => [String(code), name]), String(state.task));
  find("task").closest("label").hidden = header.tasks.length < 2;
  const entries = trials.entries(state.task).map((code) => [String(code), header.entries[code].name]);
  options("optimizer", entries, String(state.entry));
  const axes = trials.axes(state.task, state.entry).map((axis) => [axis.name, axis.title]);
  options("x", axes, state.x);
  options("y", axes, state.y);
  options("metric", trials.metrics(state.task).map((metric) => [metric.name, metric.title]), state.metric);
  const seeds = [["mean", "mean over seeds"], ["worst", "worst seed"], ["best", "best seed"]];
  options("seeds", [...seeds, ...header.seeds.map((seed) => [`seed ${seed}`, `seed ${seed} alone`])], state.seeds);
  options("curve", trials.curves(state.task), state.curve);
  find("note").textContent = header.entries[state.entry].note;
  sliders(surface.others, state, change);
}

/** Call `change(part of a state)` whenever a control is used. */
export function listen(change) {
  const read = {
    task: (value) => ({ task: Number(value) }),
    optimizer: (value) => ({ entry: Number(value) }),
  };
  for (const id of ["task", "optimizer", "x", "y", "metric", "seeds", "curve"]) {
    find(id).addEventListener("change", (event) => change((read[id] ?? ((value) => ({ [id]: value })))(event.target.value)));
  }
}

function options(id, pairs, value) {
  const select = find(id);
  const same = select.options.length === pairs.length && pairs.every(([key, text], index) => select.options[index].value === key && select.options[index].text === text);
  if (!same) select.replaceChildren(...pairs.map(([key, text]) => new Option(text, key)));
  select.value = value;
}

/** Show a slider for each axis; those that are there already stay, so that one being moved keeps its focus. */
function sliders(axes, state, change) {
  const place = find("slices");
  const shown = [...place.children].map((label) => label.dataset.axis).join();
  if (shown !== axes.map((axis) => axis.name).join()) {
    place.replaceChildren(...axes.map((axis) => slider(axis.name)));
  }
  for (const [index, axis] of axes.entries()) {
    const [title, input, output] = place.children[index].children;
    const at = axis.codes.indexOf(state.at[axis.name]);
    const text = level(axis.values[state.at[axis.name]]);
    title.textContent = axis.title;
    input.max = String(axis.codes.length - 1);
    input.value = String(at);
    input.setAttribute("aria-valuetext", text);
    output.textContent = text;
    input.oninput = () => change({ at: { [axis.name]: axis.codes[Number(input.value)] } });
  }
}

function slider(name) {
  const label = document.createElement("label");
  label.dataset.axis = name;
  const input = Object.assign(document.createElement("input"), { type: "range", min: "0", step: "1", id: `at-${name}` });
  label.append(document.createElement("span"), input, document.createElement("output"));
  return label;
}
