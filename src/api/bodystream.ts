// Owns: a request's body that is read piece by piece, at the pace of whoever takes it. What is in it is that one's business.
// (A18) Only what was asked for is read: a body that nobody reads stays with its sender.
// (A19) A body that breaks off never looks like one that has ended. A sender that is silent for too long is given up.

import type { Readable } from "node:stream";
import { PawlError } from "../base/errors.ts";
import { limits } from "../limits.ts";
import type { System } from "../system.ts";

export class BodyStream {
  private readonly source: Readable;
  private readonly system: System;
  private isOver = false;
  private hasBroken = false;
  private isStopped = false;
  private wake: () => void = () => undefined;
  private readonly onReadable = (): void => this.wake();

  constructor(source: Readable, system: System) {
    this.source = source;
    this.system = system;
    const over = (hasBroken: boolean): void => {
      this.hasBroken ||= hasBroken && !this.isOver;
      this.isOver = true;
      this.wake();
    };
    source.on("readable", this.onReadable);
    // HTTP/2 ends a body that was broken off, and says so beside it.
    source.once("end", () => over("aborted" in source && source.aborted === true));
    source.once("error", () => over(true));
    source.once("close", () => over(true));
  }

  /** The next piece; undefined at the end, or after `stop`. Throws "unavailable" when the sender has left, "timeout" when it is silent. */
  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.isStopped) return undefined;
      const piece = this.source.read() as Buffer | null;
      if (piece !== null) return piece;
      if (this.hasBroken) throw new PawlError("unavailable", "the body broke off before its end");
      if (this.isOver) return undefined;
      await this.more();
    }
  }

  private more(): Promise<void> {
    return new Promise((resolve, reject) => {
      const silence = this.system.after(limits.bulkSilenceMs, () => {
        reject(new PawlError("timeout", `nothing came for ${limits.bulkSilenceMs / 1000} seconds`, { outcome: "rejected" }));
      });
      this.wake = () => {
        silence.cancel();
        resolve();
      };
    });
  }

  /** Lets whoever waits in `read` go: nothing more is wanted. */
  stop(): void {
    this.isStopped = true;
    this.wake();
  }

  /** To be called when the answer is complete: what still comes is dropped for a while, so that the sender can read the answer. */
  leave(): void {
    const { source } = this;
    this.stop();
    if (this.isOver) return;
    const end = this.system.after(limits.bulkLingerMs, () => source.destroy());
    source.once("close", () => end.cancel());
    // Nothing flows to nobody while someone listens for what is there.
    source.off("readable", this.onReadable).resume();
  }
}
