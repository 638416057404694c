// Owns: the shape of a measured figure and the one way to measure a rate, so that all benchmarks report alike.

export type Figure = {
  /** What of several things alike it is told of ("minute 3", "one node"): figures of the same one are a row of a table. */
  readonly of?: string;
  readonly figure: string;
  readonly value: number;
  readonly unit: string;
  /** "<= 20" or ">= 100000, ...": what it should be, judged by `verdict`. */
  readonly aim?: string | undefined;
};

/** What the command line may ask of a benchmark beyond its own sizes. One that has no use for a field does not look at it. */
export type BenchOptions = {
  readonly nodes?: 1 | 3;
  readonly jobs?: number | undefined;
  readonly rate?: number | undefined;
  readonly minutes?: number | undefined;
};

export type Scale = "smoke" | "full";

/** The figure's whole name: no two of one run are the same. */
export function nameOf({ of, figure }: Figure): string {
  return of === undefined ? figure : `${of}: ${figure}`;
}

/** Whether a figure is what its aim says; undefined where the aim has no number. */
export function verdict({ value, aim }: Figure): "met" | "missed" | undefined {
  const [, sign, bound] = /^(<=|>=|<|>) ?([\d,.]+)/.exec(aim ?? "") ?? [];
  if (sign === undefined || bound === undefined) return undefined;
  const limit = Number(bound.replaceAll(",", ""));
  const isMet = sign === "<=" ? value <= limit : sign === ">=" ? value >= limit : sign === "<" ? value < limit : value > limit;
  return isMet ? "met" : "missed";
}

/** Figures that could be read; what this machine does not tell (elsewhere than on Linux) is left out. */
export function known(figures: readonly (Omit<Figure, "value"> & { readonly value: number | undefined })[]): Figure[] {
  return figures.flatMap(({ value = Number.NaN, ...rest }) => (Number.isFinite(value) ? [{ ...rest, value: rounded(value) }] : []));
}

/** The same figures as those of one thing among several. */
export function figuresOf(of: string, figures: readonly Figure[]): Figure[] {
  return figures.map((each) => ({ ...each, of }));
}

/** Calls `run`, which does a batch of work and returns its size, for about `ms` milliseconds; returns units of work per second. */
export function rate(run: () => number, ms: number): number {
  const start = process.hrtime.bigint();
  const until = start + BigInt(Math.round(ms * 1e6));
  let done = 0;
  let now = start;
  while (now < until) {
    done += run();
    now = process.hrtime.bigint();
  }
  return (done * 1e9) / Number(now - start);
}

/** To three digits, or to a whole number above a thousand. */
export function rounded(value: number): number {
  return value >= 1000 ? Math.round(value) : Number(value.toPrecision(3));
}

/** What has been reached, on standard error, for a run that takes minutes. */
export function say(text: string): void {
  process.stderr.write(`... ${text}\n`);
}

/** Figures as they come, on standard error. */
export function progress(figures: readonly Figure[]): void {
  for (const each of figures) say(`${nameOf(each)}: ${each.value} ${each.unit}`);
}

/** The value below which `share` of them lie; NaN of none. Sorts them in place. */
export function quantile(values: Float64Array | number[], share: number): number {
  values.sort((a, b) => a - b);
  return values[Math.min(values.length - 1, Math.floor(share * values.length))] ?? Number.NaN;
}
