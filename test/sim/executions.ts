// Owns: the life of each execution as the log tells it: it ends once, starts no more after that, gets ever higher tokens, and has not
// completed unless the target saw it start with that token.

import type { StoredEvent } from "../../src/jobs/eventlog.ts";
import { demand } from "./oracle.ts";
import type { Target } from "./target.ts";

const endings = new Set(["execution.completed", "execution.failed", "execution.cancelled", "execution.unknown"]);

export class Executions {
  private readonly target: Target;
  private readonly ended = new Map<number, string>();
  private lastToken = 0;

  constructor(target: Target) {
    this.target = target;
  }

  event({ type, sequence, token }: StoredEvent): void {
    if (sequence === 0) return;
    const before = this.ended.get(sequence);
    if (type === "execution.started") {
      demand(before === undefined, "H16.1", `execution ${sequence} was started after ${before}`);
      demand(token > this.lastToken, "invariant 16", `execution ${sequence} was given token ${token} after ${this.lastToken}`);
      this.lastToken = token;
    }
    if (!endings.has(type)) return;
    demand(before === undefined, "H16.1", `execution ${sequence} had ended: ${before}, and now: ${type}`);
    this.ended.set(sequence, type);
    const isReal = type !== "execution.completed" || this.target.saw(sequence, token);
    demand(isReal, "phantom", `execution ${sequence} has completed with token ${token}, with which it never reached the target`);
  }
}
