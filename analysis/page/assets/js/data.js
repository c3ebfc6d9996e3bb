// Reads what the page carries: text that is base64 of deflated bytes (analysis/packing.py writes it).

const TYPES = {
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
};
const FAILED = 2;

/** Return the bytes that an element of the page carries, and free its text. */
export async function carried(id) {
  const element = document.getElementById(id);
  const text = atob(element.textContent.trim());
  element.remove();
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** Return {header, arrays} of a table that an element carries. */
export async function table(id) {
  const buffer = await carried(id);
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const arrays = {};
  for (const [name, [type, offset, count]] of Object.entries(header.arrays)) {
    arrays[name] = new TYPES[type](buffer, 4 + length + offset, count);
  }
  return { header, arrays };
}

const CURVES = [
  ["val_error", "validation error"], ["test_error", "test error"], ["train_error", "training error"],
  ["val_loss", "validation loss"], ["test_loss", "test loss"], ["train_loss", "training loss"],
];

/** The trials: one row each, columns of codes into the header's lists. */
export class Trials {
  constructor({ header, arrays }) {
    Object.assign(this, { header, arrays });
    this.known = new Map();
  }

  /** The rows of one task and entry. */
  rows(task, entry) {
    const key = `${task} ${entry}`;
    if (!this.known.has(key)) {
      const found = [];
      for (let row = 0; row < this.header.trials; row++) {
        if (this.arrays.task[row] === task && this.arrays.entry[row] === entry) found.push(row);
      }
      this.known.set(key, found);
    }
    return this.known.get(key);
  }

  /** The entries that a task has, as codes. */
  entries(task) {
    return this.header.entries.map((_, code) => code).filter((code) => this.rows(task, code).length);
  }

  /** The axes of one task and entry: lr always, others where they vary; each with its codes in order. */
  axes(task, entry) {
    const rows = this.rows(task, entry);
    return this.header.axes
      .map((axis) => ({
        ...axis,
        codes: [...new Set(rows.map((row) => this.arrays[axis.name][row]))].sort((a, b) => a - b),
      }))
      .filter((axis) => axis.codes.length > 1 || axis.name === "lr" || axis.name === "weight_decay");
  }

  /** What a surface of a task can show, as it is called there. */
  metrics(task) {
    return this.header.metrics
      .filter((metric) => !metric.of_task || metric.of_task[task])
      .map((metric) => ({ ...metric, ...metric.of_task?.[task] }));
  }

  /** The learning curves of a task as [name, title]: its metric first, where it is not judged by error. */
  curves(task) {
    const metrics = this.metrics(task);
    const own = metrics.filter((metric) => metric.name.endsWith("_metric"));
    const others = CURVES.filter(([name]) => !own.length || metrics.some((metric) => metric.name === name));
    return [...own.map((metric) => [metric.name, metric.title]), ...others];
  }

  /** The row of the validation-best cell of an entry, or its first row. */
  best(task, entry) {
    const rows = new Set(this.rows(task, entry));
    return this.header.selected.find((row) => rows.has(row)) ?? this.rows(task, entry)[0];
  }

  seed(row) {
    return this.header.seeds[this.arrays.seed[row]];
  }

  status(row) {
    return this.header.statuses[this.arrays.status[row]];
  }

  failed(row) {
    return this.arrays.status[row] === FAILED;
  }

  /** A trial's id, as `robustness replay` takes it. */
  id(row) {
    if (!this.arrays.id_high) return "";
    const hex = (number) => number.toString(16).padStart(8, "0");
    return hex(this.arrays.id_high[row]) + hex(this.arrays.id_low[row]);
  }
}

/** The learning curves of trials, or of cells. */
export class Curves {
  constructor({ header, arrays }) {
    Object.assign(this, header, arrays);
  }

  /** The values of a row's curve over `epochs`, null where there is none; kind: 0 error, 1 loss, 2 metric. */
  of(row, split, kind) {
    const count = this.epochs.length;
    if (kind === 2) {
      const first = (this.unit[row] * this.splits.length + split) * count;
      const values = this.metric?.subarray(first, first + count) ?? new Array(count).fill(NaN);
      return Array.from(values, (value) => (Number.isNaN(value) ? null : value));
    }
    const start = ((this.unit[row] * this.splits.length + split) * 2 + kind) * count;
    const [low, high] = kind ? this.loss : [0, 1];
    return Array.from(this.values.subarray(start, start + count), (level) => {
      if (level === 65535) return null;
      const value = low + (level / 65534) * (high - low);
      return kind ? Math.exp(value) : value;
    });
  }
}
