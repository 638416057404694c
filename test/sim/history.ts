// Owns: the one history of all that callers asked and were told, by job: changes and reads. At the end it must be linearizable. What a
// single answer must agree with at once (the reference at the index it names, the age it claims) is checked in readers.ts.

import { demand } from "./oracle.ts";
import { linearize, tell } from "./linear.ts";
import type { Call } from "./linear.ts";

export class History {
  calls = 0;
  private readonly jobs = new Map<string, Call[]>();
  /** Jobs that are, or became, one-shots: they may end by themselves. */
  private readonly oneShots = new Set<string>();

  add(jobId: string, call: Call): void {
    this.calls++;
    const calls = this.jobs.get(jobId);
    if (calls) calls.push(call);
    else this.jobs.set(jobId, [call]);
  }

  mayEnd(jobId: string): void {
    this.oneShots.add(jobId);
  }

  finished(): void {
    for (const [jobId, calls] of this.jobs) {
      const fits = linearize(calls, this.oneShots.has(jobId)) !== undefined;
      demand(fits, "linearizability", fits ? "" : `no order of these calls explains what was seen of ${jobId}:\n${tell(calls)}`);
    }
  }
}
