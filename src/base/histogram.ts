// Owns: how long something took, counted: one count per bucket of about an eighth, sum and longest. How it is told is exposition.ts's.
// (D1) An observation costs a few stores: no object, no logarithm, no clock. Beside a million of them nothing is to be seen.
// (D2) Nothing is sampled: every observation is in exactly one bucket, the one with the lowest bound that is not below it.
// (D3) The longest of the last minute is kept by parts of a minute that the owner turns: it never misses one that is less than
//      (RECENT_PARTS - 1) parts old.

/** Twenty to a decade, Renard's R20: the round numbers at which limits are set, 1, 2, 5, 10, are bounds themselves. */
const STEPS = [1, 1.12, 1.25, 1.4, 1.6, 1.8, 2, 2.24, 2.5, 2.8, 3.15, 3.55, 4, 4.5, 5, 5.6, 6.3, 7.1, 8, 9];
const DECADES = 9;
const RECENT_PARTS = 7;

/** Upper bounds in milliseconds, from a microsecond to a thousand seconds; what is longer is behind the last. */
export const boundsMs: Float64Array = Float64Array.from([...everyStep(), 1e6]);

/**
 * By the leading bits of whole microseconds, 32 parts of each octave: the first bucket that may hold one of them. A part is narrower than
 * a bucket, so that one more look is enough.
 */
const PARTS = 32;
const firstOf = Uint8Array.from({ length: 30 * PARTS }, (_, at) => {
  const fromUs = 2 ** Math.floor(at / PARTS) * (1 + (at % PARTS) / PARTS);
  return Math.max(0, boundsMs.findIndex((bound) => bound >= Math.floor(fromUs) / 1000));
});

function everyStep(): number[] {
  return Array.from({ length: DECADES * STEPS.length }, (_, at) => {
    const step = STEPS[at % STEPS.length] as number;
    return Number((step * 10 ** (Math.floor(at / STEPS.length) - 3)).toPrecision(3));
  });
}

export class Histogram {
  count = 0;
  sumMs = 0;
  /** Since the process began. */
  longestMs = 0;
  /** By bucket; the last holds what is longer than every bound. */
  readonly counts = new Float64Array(boundsMs.length + 1);
  /** The bounds between which it is told: what is shorter or longer is counted too, but not told apart. */
  readonly fromMs: number;
  readonly toMs: number;
  private readonly recent = new Float64Array(RECENT_PARTS);
  private part = 0;

  constructor(fromMs: number, toMs: number) {
    this.fromMs = fromMs;
    this.toMs = toMs;
  }

  /** As often as `times`. What two clocks that disagree make negative counts as nothing. */
  add(tookMs: number, times = 1): void {
    const ms = tookMs > 0 ? tookMs : 0;
    const at = bucketOf(ms);
    this.counts[at] = (this.counts[at] as number) + times;
    this.count += times;
    this.sumMs += ms * times;
    if (ms > this.longestMs) this.longestMs = ms;
    if (ms > (this.recent[this.part] as number)) this.recent[this.part] = ms;
  }

  /** A sixth of a minute has passed (D3). */
  turn(): void {
    this.part = (this.part + 1) % RECENT_PARTS;
    this.recent[this.part] = 0;
  }

  /** The longest of the last minute, or of a little more. */
  get recentMs(): number {
    return Math.max(...this.recent);
  }

  /** No fewer than this share of all took at most so long: the bound of a bucket, or the longest. 0 while there is none. */
  quantileMs(share: number): number {
    let below = 0;
    for (let at = 0; at < boundsMs.length; at++) {
      below += this.counts[at] as number;
      if (below >= share * this.count) return Math.min(boundsMs[at] as number, this.longestMs);
    }
    return this.longestMs;
  }
}

function bucketOf(ms: number): number {
  const us = ms * 1000;
  if (us < 1) return 0;
  if (us >= 1e9) return us > 1e9 ? boundsMs.length : boundsMs.length - 1;
  const zeros = Math.clz32(us);
  let at = firstOf[(31 - zeros) * PARTS + ((us << zeros) >>> 26) - PARTS] as number;
  while (ms > (boundsMs[at] as number)) at++;
  return at;
}
