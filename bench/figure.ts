// Owns: the shape of a measured figure and the one way to measure a rate, so that all benchmarks report alike.

export type Figure = { readonly figure: string; readonly value: number; readonly unit: string; readonly aim?: string };

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

/** Figures as they come, on standard error, for a run that takes minutes. */
export function progress(figures: readonly Figure[]): void {
  for (const { figure, value, unit } of figures) process.stderr.write(`... ${figure}: ${value} ${unit}\n`);
}
