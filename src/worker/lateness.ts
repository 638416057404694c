// Owns: how late first attempts of executions start on this node: whole milliseconds from the due time to the moment at which the
// executor is called, counted exactly, since the process began. Text is made only when somebody asks for the metrics.
// (T1) One count per start: no object, no bucket search, no clock of its own.

const COUNTED_MAX_MS = 60_000;

/** Upper bounds, each about a tenth above the one before: fine enough to read percentiles from the differences of two scrapes. */
const boundsMs = bounds();

function bounds(): readonly number[] {
  const list = [0];
  for (let next = 1; next < COUNTED_MAX_MS; next = Math.ceil(next * 1.1 + 1e-9)) list.push(next);
  return [...list, COUNTED_MAX_MS];
}

export class StartLateness {
  /** By millisecond; the last counts everything later. */
  private readonly counts = new Float64Array(COUNTED_MAX_MS + 2);
  private sumMs = 0;

  /** A start before its due time, which only disagreeing clocks can make, counts as on time. */
  add(lateMs: number): void {
    const ms = lateMs > 0 ? Math.floor(lateMs) : 0;
    const at = ms <= COUNTED_MAX_MS ? ms : COUNTED_MAX_MS + 1;
    this.counts[at] = (this.counts[at] as number) + 1;
    this.sumMs += ms;
  }

  /** A histogram in Prometheus' text format. */
  text(): string {
    const name = "pawl_start_lateness_seconds";
    const lines = [`# HELP ${name} Due time to the call of the executor, of first attempts on this node.`, `# TYPE ${name} histogram`];
    let below = 0;
    let at = 0;
    for (const bound of boundsMs) {
      for (; at <= bound; at++) below += this.counts[at] as number;
      lines.push(`${name}_bucket{le="${bound / 1000}"} ${below}`);
    }
    const count = below + (this.counts[COUNTED_MAX_MS + 1] as number);
    lines.push(`${name}_bucket{le="+Inf"} ${count}`, `${name}_sum ${this.sumMs / 1000}`, `${name}_count ${count}`);
    return `${lines.join("\n")}\n`;
  }
}
