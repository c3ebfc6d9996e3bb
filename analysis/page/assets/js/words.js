// Numbers and cells in words, the same on the axes, in the hover text and in the tables.

/** A number as short as it can be read. */
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e4)) return value.toExponential(2).replace(/\.?0+e/, "e");
  return String(Number(value.toPrecision(3)));
}

/** A value of an axis; null is a value too, where a hyperparameter does not apply. */
export function level(value) {
  return value === null ? "none" : number(value);
}

/** A value of a metric. */
export function measured(value, metric) {
  if (value === null || Number.isNaN(value)) return "–";
  if (metric.percent) return `${(100 * value).toFixed(2)} %`;
  return metric.unit ? `${number(value)} ${metric.unit}` : number(value);
}

/** A metric's title with its unit: "validation loss (nats)", or "validation loss, nats" by a comma. */
export function named(metric, comma = "") {
  const unit = metric.percent ? "%" : metric.unit;
  if (!unit) return metric.title;
  return comma ? `${metric.title}${comma}${unit}` : `${metric.title} (${unit})`;
}

/** What a cell shows, in a few characters. */
export function brief(cell, metric) {
  if (!cell) return "";
  if (cell.lost) return "diverged";
  if (cell.value === null) return cell.used ? "–" : "failed";
  const text = metric.percent ? (100 * cell.value).toFixed(1) : number(cell.value);
  return cell.diverged ? `${text} /` : text;
}

/** Where a cell is, and what it shows, as one sentence. */
export function sentence(cell, surface, metric) {
  const at = `${surface.x.title} ${level(surface.x.values[cell.x])}, ${surface.y.title} ${level(surface.y.values[cell.y])}`;
  const parts = [`${metric.title} ${cell.lost ? "worst: diverged" : measured(cell.value, metric)}`];
  parts.push(`${cell.used} trial${cell.used === 1 ? "" : "s"}`);
  if (cell.diverged) parts.push(`${cell.diverged} diverged`);
  if (cell.failed) parts.push(`${cell.failed} failed`);
  if (cell.best) parts.push("the validation-best cell");
  return `${at}: ${parts.join(", ")}`;
}

/** Text that a plot shows as it is: a plot reads tags. */
export function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
