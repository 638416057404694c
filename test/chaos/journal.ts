// Owns: what a caller writes down, on disk, before it asks and after it was answered, and the reading of it. What the lines prove is
// decided in judge.ts.
// (J1) An ask is in the file before it leaves, so that nothing can happen in the cluster of which no journal knows.
// (J2) Tries of one change share its key and follow each other; one loop of one caller makes all changes of a job, one after the other.

import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";

export type Op = "create" | "update" | "delete" | "get";

/** What a job looks like from outside: how often it was changed, and whether it was deleted. */
export type Seen = { readonly version: number; readonly revision: number; readonly cancelled: boolean };

export type Ask = {
  readonly kind: "ask";
  readonly id: string;
  readonly key: string;
  readonly op: Op;
  readonly job: string;
  /** The version that a create or an update writes. */
  readonly version: number;
  readonly server: string;
  readonly atMs: number;
  /** Of a job that runs once. */
  readonly dueMs?: number;
  readonly delivery?: "at_least_once" | "at_most_once";
};

export type Answer = {
  readonly kind: "answer";
  readonly id: string;
  readonly atMs: number;
  readonly outcome: "acknowledged" | "rejected" | "unknown";
  readonly code?: string;
  readonly text?: string;
  /** What a get saw; null when there is no such job. */
  readonly seen?: Seen | null;
};

export type Line = Ask | Answer;

export class JournalWriter {
  private readonly fd: number;

  constructor(path: string) {
    this.fd = openSync(path, "a");
  }

  write(line: Line): void {
    writeSync(this.fd, `${JSON.stringify(line)}\n`);
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** Reads on where it stopped, while the writer still writes. */
export class JournalReader {
  readonly lines: Line[] = [];
  private readonly path: string;
  private offset = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** The lines that are new. */
  readOn(): Line[] {
    const fresh = this.newText().split("\n").filter((text) => text !== "").map((text) => JSON.parse(text) as Line);
    this.lines.push(...fresh);
    return fresh;
  }

  /** Whole lines only; an unfinished one is read the next time. */
  private newText(): string {
    const fd = openSync(this.path, "a+");
    const bytes = Buffer.alloc(fstatSync(fd).size - this.offset);
    const length = readSync(fd, bytes, 0, bytes.length, this.offset);
    closeSync(fd);
    const whole = bytes.subarray(0, bytes.subarray(0, length).lastIndexOf("\n") + 1);
    this.offset += whole.length;
    return whole.toString("utf8");
  }
}
