// Owns: seeded random cron expressions. The same seed gives the same expressions.

export type Random = (below: number) => number;

/** Mulberry32. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[random(from.length)]!;
}

/** A valid expression of five fields, or six with seconds. Hours lean towards the small ones, in which clocks are changed. */
export function expression(random: Random, seconds: boolean): string {
  const fields = [field(random, 0, 59), hours(random), dates(random), random(3) === 0 ? field(random, 1, 12) : "*", weekdays(random)];
  if (seconds) fields.unshift(field(random, 0, 59));
  return fields.join(" ");
}

function hours(random: Random): string {
  return random(3) === 0 ? field(random, 0, 23) : field(random, 0, 4);
}

function field(random: Random, low: number, high: number): string {
  const kind = random(6);
  const size = high - low + 1;
  const first = low + random(size);
  const second = low + random(size);
  const [from, to] = first < second ? [first, second] : [second, first];
  if (kind === 0) return "*";
  if (kind === 1 && size > 2) return `*/${2 + random(Math.min(size, 12) - 1)}`;
  if (kind === 2) return `${from}-${to}`;
  if (kind === 3 && from !== to) return `${from},${to}`;
  if (kind === 4 && to - from > 1) return `${from}-${to}/${1 + random(to - from)}`;
  return String(first);
}

function dates(random: Random): string {
  const kind = random(8);
  if (kind === 0) return "L";
  if (kind === 1) return `${1 + random(15)},L`;
  return kind < 5 ? "*" : field(random, 1, 28);
}

function weekdays(random: Random): string {
  const kind = random(8);
  if (kind === 0) return `${random(8)}L`;
  if (kind === 1) return `${random(8)}#${1 + random(5)}`;
  return kind < 5 ? "*" : field(random, 0, 6);
}
