// Owns: the order of many jobs by their due times, for filling the wheel anew: what is due already when it is armed is listed as it comes.

/** A job's number takes the lower bits of a key, its due time those above: 53 bits in all are exact. */
const NUMBERS = 2 ** 24;
const TIMES = 2 ** 29;

/** The jobs by due time: to the millisecond when all lie within six days, else to a 536-millionth of their span. */
export function inDueOrder(jobs: readonly number[], dueAtMs: Float64Array): Uint32Array {
  let fromMs = Number.POSITIVE_INFINITY;
  let toMs = 0;
  for (const job of jobs) {
    fromMs = Math.min(fromMs, dueAtMs[job] as number);
    toMs = Math.max(toMs, dueAtMs[job] as number);
  }
  const unitMs = Math.max(1, (toMs - fromMs + 1) / TIMES);
  const keys = Float64Array.from(jobs, (job) => Math.floor(((dueAtMs[job] as number) - fromMs) / unitMs) * NUMBERS + job);
  return Uint32Array.from(keys.sort(), (key) => key % NUMBERS);
}
