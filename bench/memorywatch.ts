// Owns: the highest memory of nodes over a span of time, read from /proc twice a second.

import type { BenchNode } from "./cluster.ts";
import { memoryOf } from "./cpu.ts";

const EVERY_MS = 500;

/** `ownMib` is RssAnon and RssShmem together: what no file backs. */
export type Peak = { readonly ownMib: number; readonly fileMib: number };

export class MemoryWatch {
  private readonly pids: readonly number[];
  private readonly timer: NodeJS.Timeout;
  private ownMib = Number.NaN;
  private fileMib = Number.NaN;

  constructor(nodes: readonly Pick<BenchNode, "pid">[]) {
    this.pids = nodes.map(({ pid }) => pid);
    this.timer = setInterval(() => this.look(), EVERY_MS);
    this.look();
  }

  private look(): void {
    for (const pid of this.pids) {
      const memory = memoryOf(pid);
      if (memory === undefined) continue;
      const own = memory.anonymousMib + memory.sharedMib;
      if (!(own <= this.ownMib)) this.ownMib = own;
      if (!(memory.fileMib <= this.fileMib)) this.fileMib = memory.fileMib;
    }
  }

  /** Of the node that had the most of each; NaN where /proc does not tell. */
  stop(): Peak {
    this.look();
    clearInterval(this.timer);
    return { ownMib: this.ownMib, fileMib: this.fileMib };
  }
}
