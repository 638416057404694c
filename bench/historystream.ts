// Owns: records as they come of 50,000 jobs that run every second: in the order in which they end, of three types in even parts, with times
// of http calls, one in a hundred failed with an error's text; and, very rarely, of a fourth type or of an unknown end.

import { type HistoryRow, emptyHistoryRow } from "../src/jobs/history.ts";

export const JOBS = 50_000;
export const START_MS = Date.UTC(2026, 10, 21);
export const RARE_TYPE = "report";
const types = ["http", "email.send", "cache.refresh"];
const errors = Array.from({ length: 50 }, (_, i) => `connect ECONNREFUSED 10.0.0.${i}:8080`);
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
  /** Of the jobs in this second. */
  private readonly startAtMs = new Float64Array(JOBS);
  private readonly endAtMs = new Float64Array(JOBS);
  private readonly ending = new Uint8Array(JOBS);
  private readonly isRare = new Uint8Array(JOBS);
  private readonly byEnd = Uint32Array.from({ length: JOBS }, (_, at) => at);
  private firstSequence = 1;
  private readonly row = emptyHistoryRow();
  private state = 20_261_121;

  /** A fixed sequence (xorshift32) in [0, 1), so that every run has the same records. */
  draw(): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) / 2 ** 32;
  }

  /** Draws the next second, so that its JOBS records can be taken without a draw. */
  begin(): void {
    const { startAtMs, endAtMs, byEnd } = this;
    this.firstSequence = this.ordinal + 1;
    for (let at = 0; at < JOBS; at++) {
      const rare = this.draw();
      const normal = Math.sqrt(-2 * Math.log(1 - this.draw())) * Math.cos(2 * Math.PI * this.draw());
      this.isRare[at] = rare < RARE_SHARE ? 1 : 0;
      this.ending[at] = rare > 1 - RARE_SHARE ? unknown : this.draw() < FAILED_SHARE ? failed : completed;
      startAtMs[at] = START_MS + this.seconds * SECOND_MS + Math.floor(this.draw() * 20);
      endAtMs[at] = (startAtMs[at] as number) + Math.floor(MEDIAN_MS * Math.exp(SPREAD * normal));
    }
    byEnd.sort((a, b) => (endAtMs[a] as number) - (endAtMs[b] as number));
    this.seconds++;
  }

  /** The record that is the `place`-th to end in this second, in one object as apply fills it. */
  take(place: number): HistoryRow {
    const { row } = this;
    const at = this.byEnd[place] as number;
    const isFailed = this.ending[at] === failed;
    row.ordinal = ++this.ordinal;
    row.sequence = this.firstSequence + at;
    row.job = 1 + ((at * 7919) % JOBS);
    row.previous = this.newest[row.job] as number;
    row.ending = this.ending[at] as number;
    row.attempts = isFailed ? 3 : 1;
    row.scheduledAtMs = START_MS + (this.seconds - 1) * SECOND_MS;
    row.startAtMs = this.startAtMs[at] as number;
    row.endAtMs = this.endAtMs[at] as number;
    row.token = row.sequence + (isFailed ? 2 : 0);
    row.node = 1 + (at % 3);
    row.jobType = this.isRare[at] === 1 ? RARE_TYPE : (types[at % types.length] as string);
    row.note = isFailed ? (errors[at % errors.length] as string) : "";
    this.newest[row.job] = row.ordinal;
    return row;
  }
}
