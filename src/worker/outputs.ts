// Owns: what attempts wrote, for as long as there is room: the beginning and the end of each stream. It stays on the node that
// ran the attempt and is gone after a restart; the log and the replicated state never see it.
// (O1) One stream of one attempt holds at most limits.outputMaxBytes; what is left out lies in the middle and is counted.
// (O2) All captures together hold at most `keptMaxBytes`: the executions whose newest attempt wrote first are dropped first.
// (O3) One execution keeps its newest limits.outputAttemptsMax attempts that wrote something.

import { limits } from "../limits.ts";
import type { OutputSink, OutputStream } from "./executor.ts";

export type AttemptOutput = {
  readonly attempt: number;
  readonly stream: OutputStream;
  /** Decoded as UTF-8; bytes that are none become U+FFFD. A marker stands where something was left out. */
  readonly text: string;
  readonly bytes: number;
  readonly omittedBytes: number;
};

/** What an empty capture is taken to cost, so that many tiny ones are bounded as well. */
const CAPTURE_COST_BYTES = 512;
const FIRST_BYTES = 256;
const utf8 = new TextEncoder();
const text = new TextDecoder();

/** Beginning and end of a stream: two buffers that grow up to half of the bound each; the second then turns over. */
class Capture {
  readonly attempt: number;
  readonly stream: OutputStream;
  /** Its place was needed; what is still written goes nowhere. */
  dropped = false;
  private readonly halfBytes: number;
  private head = new Uint8Array(0);
  private headBytes = 0;
  private tail = new Uint8Array(0);
  /** Bytes that went to the tail in all; the next one goes to this, modulo `halfBytes`. */
  private tailBytes = 0;

  constructor(attempt: number, stream: OutputStream, maxBytes: number) {
    this.attempt = attempt;
    this.stream = stream;
    this.halfBytes = Math.max(1, Math.floor(maxBytes / 2));
  }

  get heldBytes(): number {
    return CAPTURE_COST_BYTES + this.head.length + this.tail.length;
  }

  write(data: Uint8Array): void {
    const toHead = Math.min(data.length, this.halfBytes - this.headBytes);
    if (toHead > 0) {
      this.head = grown(this.head, this.headBytes + toHead, this.halfBytes);
      this.head.set(data.subarray(0, toHead), this.headBytes);
      this.headBytes += toHead;
    }
    if (toHead < data.length) this.writeTail(data.subarray(toHead));
  }

  private writeTail(data: Uint8Array): void {
    const half = this.halfBytes;
    const skipped = Math.max(0, data.length - half);
    const last = data.subarray(skipped);
    this.tailBytes += skipped;
    this.tail = grown(this.tail, Math.min(half, this.tailBytes + last.length), half);
    const at = this.tailBytes % half;
    const first = Math.min(last.length, half - at);
    this.tail.set(last.subarray(0, first), at);
    this.tail.set(last.subarray(first), 0);
    this.tailBytes += last.length;
  }

  read(): AttemptOutput {
    const half = this.halfBytes;
    const omittedBytes = Math.max(0, this.tailBytes - half);
    const at = omittedBytes === 0 ? 0 : this.tailBytes % half;
    const end = Math.min(this.tailBytes, half);
    const marker = omittedBytes === 0 ? "" : `\n[... ${omittedBytes} bytes left out ...]\n`;
    const parts = [this.head.subarray(0, this.headBytes), utf8.encode(marker), this.tail.subarray(at, end), this.tail.subarray(0, at)];
    const bytes = this.headBytes + this.tailBytes;
    return { attempt: this.attempt, stream: this.stream, text: text.decode(joined(parts)), bytes, omittedBytes };
  }
}

/** All captures of one execution; `dropped` once they had to go, so that a sink still open writes to nowhere. */
type Kept = { captures: Capture[]; heldBytes: number; dropped: boolean };

export class OutputStore {
  private readonly keptMaxBytes: number;
  private readonly streamMaxBytes: number;
  /** In the order in which they are dropped. */
  private readonly executions = new Map<string, Kept>();
  private heldBytes = 0;

  constructor(keptMaxBytes: number = limits.outputsKeptMaxBytes, streamMaxBytes: number = limits.outputMaxBytes) {
    this.keptMaxBytes = keptMaxBytes;
    this.streamMaxBytes = streamMaxBytes;
  }

  /** A sink for one attempt. Nothing is held before its first write. */
  open(executionId: string, attempt: number): OutputSink {
    let kept: Kept | undefined;
    const captures = new Map<OutputStream, Capture>();
    return {
      write: (stream, data) => {
        const bytes = typeof data === "string" ? utf8.encode(data) : data;
        if (bytes.length === 0) return;
        kept ??= this.newest(executionId);
        let capture = captures.get(stream);
        if (capture === undefined) {
          capture = this.begin(kept, attempt, stream);
          captures.set(stream, capture);
        }
        if (kept.dropped || capture.dropped) return;
        const before = capture.heldBytes;
        capture.write(bytes);
        this.account(kept, capture.heldBytes - before);
        this.dropOldest();
      },
    };
  }

  /** What is still held of an execution, in the order of the first writes; empty when nothing is. */
  read(executionId: string): AttemptOutput[] {
    return this.executions.get(executionId)?.captures.map((capture) => capture.read()) ?? [];
  }

  /** Bytes held now, for metrics. */
  get size(): number {
    return this.heldBytes;
  }

  /** The execution's entry, moved to the end of the queue: it is the newest that writes. */
  private newest(executionId: string): Kept {
    const kept = this.executions.get(executionId) ?? { captures: [], heldBytes: 0, dropped: false };
    this.executions.delete(executionId);
    this.executions.set(executionId, kept);
    return kept;
  }

  private begin(kept: Kept, attempt: number, stream: OutputStream): Capture {
    const capture = new Capture(attempt, stream, this.streamMaxBytes);
    if (kept.dropped) return capture;
    kept.captures.push(capture);
    this.account(kept, capture.heldBytes);
    const attempts = new Set(kept.captures.map((each) => each.attempt));
    if (attempts.size > limits.outputAttemptsMax) this.dropAttempt(kept, Math.min(...attempts));
    return capture;
  }

  private dropAttempt(kept: Kept, attempt: number): void {
    for (const capture of kept.captures) {
      if (capture.attempt !== attempt) continue;
      capture.dropped = true;
      this.account(kept, -capture.heldBytes);
    }
    kept.captures = kept.captures.filter((capture) => !capture.dropped);
  }

  private account(kept: Kept, bytes: number): void {
    kept.heldBytes += bytes;
    this.heldBytes += bytes;
  }

  private dropOldest(): void {
    for (const [executionId, kept] of this.executions) {
      if (this.heldBytes <= this.keptMaxBytes) return;
      this.executions.delete(executionId);
      this.heldBytes -= kept.heldBytes;
      kept.dropped = true;
      kept.captures = [];
    }
  }
}

function grown(buffer: Uint8Array<ArrayBuffer>, neededBytes: number, maxBytes: number): Uint8Array<ArrayBuffer> {
  if (neededBytes <= buffer.length) return buffer;
  const bigger = new Uint8Array(Math.min(maxBytes, Math.max(neededBytes, buffer.length * 2, FIRST_BYTES)));
  bigger.set(buffer);
  return bigger;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
