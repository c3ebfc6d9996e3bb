// From trials to the surface that is shown: which trials are in each cell, and what they say together.

/**
 * Return the surface that a state asks for: {x, y (axes with codes), cells[y][x], best}.
 *
 * A cell holds the trials at its values of x and y and at the state's values of all other axes; it is null where
 * there is none.
 */
export function surfaceOf(trials, state) {
  const axes = trials.axes(state.task, state.entry);
  const x = axes.find((axis) => axis.name === state.x);
  const y = axes.find((axis) => axis.name === state.y);
  const others = axes.filter((axis) => axis !== x && axis !== y);
  const columns = new Map(x.codes.map((code, index) => [code, index]));
  const lines = new Map(y.codes.map((code, index) => [code, index]));
  const cells = y.codes.map(() => x.codes.map(() => null));
  for (const row of trials.rows(state.task, state.entry)) {
    if (others.some((axis) => trials.arrays[axis.name][row] !== state.at[axis.name])) continue;
    const i = lines.get(trials.arrays[y.name][row]);
    const j = columns.get(trials.arrays[x.name][row]);
    cells[i][j] ??= { x: x.codes[j], y: y.codes[i], i, j, rows: [] };
    cells[i][j].rows.push(row);
  }
  const metric = trials.metrics(state.task).find((one) => one.name === state.metric);
  const all = cells.flat().filter(Boolean);
  for (const cell of all) Object.assign(cell, together(trials, cell.rows, metric, state.seeds));
  const chosen = new Set(trials.header.selected);
  for (const cell of all) cell.best = cell.rows.some((row) => chosen.has(row));
  return { x, y, cells, all, metric, others };
}

/**
 * Return what the trials of a cell say together: {value, used, diverged, failed, lost}.
 *
 * Failed trials say nothing. The error of a diverged trial, or the task's metric, is that of knowing nothing; other
 * metrics have no value there.
 * `lost`: as bad as can be, since all trials diverged, or, where the worst is asked for, one of them.
 */
export function together(trials, rows, metric, seeds) {
  const asked = seeds.startsWith("seed ") ? rows.filter((row) => `seed ${trials.seed(row)}` === seeds) : rows;
  const used = asked.filter((row) => !trials.failed(row));
  const finished = used.filter((row) => trials.status(row) !== "diverged");
  const diverged = used.length - finished.length;
  const lost = diverged > 0 && (finished.length === 0 || seeds === "worst");
  const column = trials.arrays[metric.name];
  const numbers = (some) => some.map((row) => column[row]).filter((value) => !Number.isNaN(value));
  let value = null;
  if (!lost) {
    const [best, worst] = metric.direction === "max" ? [greatest, least] : [least, greatest];
    if (seeds === "best") value = best(numbers(finished));
    else if (seeds === "worst") value = worst(numbers(finished));
    else value = mean(numbers(used));
  }
  return { value, used: used.length, diverged, failed: asked.length - used.length, lost };
}

const least = (values) => (values.length ? Math.min(...values) : null);
const greatest = (values) => (values.length ? Math.max(...values) : null);
const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null);
