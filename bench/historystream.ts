// Owns: records as they come of 50,000 jobs that run every second: in the order in which they end, of three types in even parts, with times
// of http calls, one in a hundred failed with an error's text; and, very rarely, of a fourth type or of an unknown end.

import { type HistoryRow, emptyHistoryRow } from "../src/jobs/history.ts";

export const JOBS = 50_000;
export const START_MS = Date.UTC(2026, 10, 21);
export const RARE_TYPE = "report";
const types = ["http", "email.send", "cache.refresh"];
const SECOND_MS = 1_000;
/** http calls: half of them within 40 ms, one in a hundred above 400 ms. */
const MEDIAN_MS = 40;
const SPREAD = 1;
const FAILED_SHARE = 0.01;
const RARE_SHARE = 1e-6;
const completed = 0;
const failed = 1;
export const unknown = 3;

export class HistoryStream {
  /** Newest record of each job. */
  readonly newest = new Float64Array(JOBS + 1);
  ordinal = 0;
  seconds = 0;
  private readonly rows = Array.from({ length: JOBS }, emptyHistoryRow);
  private state = 20_261_121;

  /** A fixed sequence (xorshift32) in [0, 1), so that every run has the same records. */
  draw(): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) / 2 ** 32;
  }

  /** The records of the next second. The same objects are used again. */
  next(): readonly HistoryRow[] {
    const scheduledAtMs = START_MS + this.seconds++ * SECOND_MS;
    const firstSequence = this.ordinal + 1;
    this.rows.forEach((row, at) => this.run(row, at, scheduledAtMs, firstSequence + at));
    this.rows.sort((a, b) => a.endAtMs - b.endAtMs);
    for (const row of this.rows) {
      row.ordinal = ++this.ordinal;
      row.previous = this.newest[row.job] as number;
      this.newest[row.job] = row.ordinal;
    }
    return this.rows;
  }

  private run(row: HistoryRow, at: number, scheduledAtMs: number, sequence: number): void {
    const isFailed = this.draw() < FAILED_SHARE;
    const rare = this.draw();
    const normal = Math.sqrt(-2 * Math.log(1 - this.draw())) * Math.cos(2 * Math.PI * this.draw());
    row.sequence = sequence;
    row.job = 1 + ((at * 7919) % JOBS);
    row.jobType = rare < RARE_SHARE ? RARE_TYPE : (types[at % types.length] as string);
    row.ending = rare > 1 - RARE_SHARE ? unknown : isFailed ? failed : completed;
    row.attempts = isFailed ? 3 : 1;
    row.scheduledAtMs = scheduledAtMs;
    row.startAtMs = scheduledAtMs + Math.floor(this.draw() * 20);
    row.endAtMs = row.startAtMs + Math.floor(MEDIAN_MS * Math.exp(SPREAD * normal));
    row.token = sequence + (isFailed ? 2 : 0);
    row.node = 1 + (at % 3);
    row.note = isFailed ? `connect ECONNREFUSED 10.0.0.${at % 50}:8080` : "";
  }
}
