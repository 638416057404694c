// Owns: Prometheus' text format (0.0.4): families of samples, each with one HELP and one TYPE line before all of its samples. Which metrics
// there are is said where they are made.

import { boundsMs } from "./histogram.ts";
import type { Histogram } from "./histogram.ts";

export type Labelled = readonly (readonly [label: string, value: number])[];

/** `le` of each bound, in seconds. */
const bounds = [...boundsMs].map((ms) => String(Number((ms / 1000).toPrecision(3))));

export class Exposition {
  private out = "";

  gauge(name: string, help: string, value: number): this {
    this.head(name, "gauge", help);
    this.out += `${name} ${written(value)}\n`;
    return this;
  }

  /** Of this process: it only grows, and begins anew with the process. */
  counter(name: string, help: string, value: number): this {
    this.head(name, "counter", help);
    this.out += `${name} ${value}\n`;
    return this;
  }

  /** One sample for each value of a label. */
  labelled(name: string, type: "gauge" | "counter", help: string, label: string, samples: Labelled): this {
    this.head(name, type, help);
    for (const [value, sample] of samples) this.out += `${name}{${label}="${value}"} ${sample}\n`;
    return this;
  }

  /** A histogram `pawl_<what>_seconds`, and the longest of what it counted: of this process, and of the last minute. */
  durations(what: string, help: string, histogram: Histogram): this {
    const name = `pawl_${what}_seconds`;
    this.head(name, "histogram", help);
    let below = 0;
    for (let at = 0; at < bounds.length; at++) {
      const boundMs = boundsMs[at] as number;
      below += histogram.counts[at] as number;
      if (boundMs >= histogram.fromMs && boundMs <= histogram.toMs) this.out += `${name}_bucket{le="${bounds[at]}"} ${below}\n`;
    }
    const { count, sumMs, longestMs, recentMs } = histogram;
    this.out += `${name}_bucket{le="+Inf"} ${count}\n${name}_sum ${sumMs / 1000}\n${name}_count ${count}\n`;
    const windows: Labelled = [["process", longestMs / 1000], ["minute", recentMs / 1000]];
    return this.labelled(`pawl_longest_${what}_seconds`, "gauge", `The longest of ${name}.`, "window", windows);
  }

  private head(name: string, type: string, help: string): void {
    this.out += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  }

  get text(): string {
    return this.out;
  }
}

function written(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}
