// What is shown, as a plain object, and as the fragment of the page's address.

const PLAIN = ["x", "y", "metric", "seeds", "curve"];

/** Return the state that the fragment asks for; what it leaves out, or what does not exist, is the default. */
export function fromFragment(trials, fragment) {
  const asked = new URLSearchParams(fragment.replace(/^#/, ""));
  const { tasks, entries } = trials.header;
  const state = { task: Math.max(0, tasks.indexOf(asked.get("task"))) };
  state.entry = entries.findIndex((entry) => entry.name === asked.get("optimizer"));
  for (const name of PLAIN) state[name] = asked.get(name);
  state.at = {};
  for (const axis of trials.header.axes) {
    const code = axis.values.findIndex((value) => String(value) === asked.get(`at.${axis.name}`));
    if (code >= 0) state.at[axis.name] = code;
  }
  state.cell = asked.get("cell");
  return complete(trials, state);
}

/** Return a state in which everything is there and goes together. */
export function complete(trials, state) {
  const made = { ...state, at: { ...state.at } };
  const entries = trials.entries(made.task);
  if (!entries.includes(made.entry)) made.entry = entries.includes(bestEntry(trials, made.task)) ? bestEntry(trials, made.task) : entries[0];
  const axes = trials.axes(made.task, made.entry);
  const names = axes.map((axis) => axis.name);
  if (!names.includes(made.x)) made.x = "lr";
  if (!names.includes(made.y) || made.y === made.x) made.y = secondAxis(axes, made.x);
  const home = trials.best(made.task, made.entry);
  for (const axis of axes) {
    if (!axis.codes.includes(made.at[axis.name])) made.at[axis.name] = trials.arrays[axis.name][home];
  }
  const { seeds } = trials.header;
  const metrics = trials.metrics(made.task);
  if (!metrics.some((metric) => metric.name === made.metric)) made.metric = metrics[0].name;
  const aggregations = ["mean", "worst", "best", ...seeds.map((seed) => `seed ${seed}`)];
  if (!aggregations.includes(made.seeds)) made.seeds = "mean";
  const curves = trials.curves(made.task).map(([name]) => name);
  if (!curves.includes(made.curve)) made.curve = curves.find((name) => name.startsWith("val_"));
  return made;
}

/** Return what a metric or an error is in another task: its own metric on the same split, or the error there. */
export function inTask(trials, task, name) {
  const split = name.match(/^(train|val|test)_(error|metric)$/)?.[1];
  const known = trials.metrics(task).map((metric) => metric.name);
  return [`${split}_metric`, `${split}_error`].find((one) => known.includes(one)) ?? name;
}

/** Return the fragment of a state. */
export function toFragment(trials, state) {
  const text = new URLSearchParams();
  const { tasks, entries, axes } = trials.header;
  if (tasks.length > 1) text.set("task", tasks[state.task]);
  text.set("optimizer", entries[state.entry].name);
  for (const name of PLAIN) text.set(name, state[name]);
  const shown = trials.axes(state.task, state.entry).map((axis) => axis.name);
  for (const axis of axes) {
    const sliced = axis.name !== state.x && axis.name !== state.y && shown.includes(axis.name);
    if (sliced) text.set(`at.${axis.name}`, String(axis.values[state.at[axis.name]]));
  }
  if (state.cell) text.set("cell", state.cell);
  return `#${text}`;
}

/** Return how a cell is named in a state: by its values, so that the name outlives a report. */
export function nameOf(cell, surface) {
  return `${surface.x.values[cell.x]} ${surface.y.values[cell.y]}`;
}

function bestEntry(trials, task) {
  const row = trials.header.selected.find((one) => trials.arrays.task[one] === task);
  return row === undefined ? -1 : trials.arrays.entry[row];
}

function secondAxis(axes, x) {
  const varied = axes.filter((axis) => axis.name !== x && axis.codes.length > 1);
  return (varied[0] ?? axes.find((axis) => axis.name !== x)).name;
}
