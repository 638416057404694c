// Owns: the newest events in a ring of columns, so that a stream of events can be resumed for a while at no cost per event beyond a
// few stores. Not replicated state: each node keeps what it applied; older positions are answered as gone.
// (E1) Events are ordered by (log index, position within the entry), and every replica gives the same ones the same positions.

import type { EventPosition, EventType } from "./views.ts";

export const eventTypes: readonly EventType[] = [
  "job.submitted",
  "job.updated",
  "job.cancelled",
  "job.paused",
  "job.resumed",
  "execution.queued",
  "execution.started",
  "execution.retrying",
  "execution.completed",
  "execution.failed",
  "execution.cancelled",
  "execution.missed",
  "execution.skipped",
  "execution.unknown",
  "node.up",
  "node.down",
];
export const eventCode = Object.fromEntries(eventTypes.map((type, code) => [type, code])) as Record<EventType, number>;

export type StoredEvent = {
  readonly position: EventPosition;
  readonly type: EventType;
  readonly atMs: number;
  readonly job: number;
  readonly generation: number;
  readonly sequence: number;
  readonly attempt: number;
  readonly token: number;
  readonly node: number;
  readonly scheduledAtMs: number;
};

export class EventLog {
  /** How many of each type there were, since the process began. */
  readonly counts = new Float64Array(eventTypes.length);
  private readonly size: number;
  private readonly indexes: Float64Array;
  private readonly places: Uint32Array;
  private readonly types: Uint8Array;
  private readonly atMs: Float64Array;
  private readonly jobs: Uint32Array;
  private readonly generations: Uint16Array;
  private readonly sequences: Float64Array;
  private readonly attempts: Uint16Array;
  private readonly tokens: Float64Array;
  private readonly nodes: Uint16Array;
  private readonly scheduled: Float64Array;
  private total = 0;
  private index = 0;
  private place = 0;
  private now = 0;

  constructor(size: number) {
    this.size = size;
    this.indexes = new Float64Array(size);
    this.places = new Uint32Array(size);
    this.types = new Uint8Array(size);
    this.atMs = new Float64Array(size);
    this.jobs = new Uint32Array(size);
    this.generations = new Uint16Array(size);
    this.sequences = new Float64Array(size);
    this.attempts = new Uint16Array(size);
    this.tokens = new Float64Array(size);
    this.nodes = new Uint16Array(size);
    this.scheduled = new Float64Array(size);
  }

  /** Following events belong to this entry. */
  begin(index: number, nowMs: number): void {
    this.index = index;
    this.place = 0;
    this.now = nowMs;
  }

  add(
    type: number,
    job: number,
    generation: number,
    sequence: number,
    attempt: number,
    token: number,
    node: number,
    scheduledAtMs: number,
  ): void {
    const at = this.total % this.size;
    this.indexes[at] = this.index;
    this.places[at] = this.place++;
    this.types[at] = type;
    this.atMs[at] = this.now;
    this.jobs[at] = job;
    this.generations[at] = generation;
    this.sequences[at] = sequence;
    this.attempts[at] = attempt;
    this.tokens[at] = token;
    this.nodes[at] = node;
    this.scheduled[at] = scheduledAtMs;
    this.counts[type] = (this.counts[type] as number) + 1;
    this.total++;
  }

  get count(): number {
    return this.total;
  }

  private position(number: number): EventPosition {
    const at = number % this.size;
    return { index: this.indexes[at] as number, at: this.places[at] as number };
  }

  private get first(): number {
    return Math.max(0, this.total - this.size);
  }

  oldest(): EventPosition {
    return this.total === 0 ? { index: 0, at: 0 } : this.position(this.first);
  }

  newest(): EventPosition {
    return this.total === 0 ? { index: 0, at: 0 } : this.position(this.total - 1);
  }

  /** Up to `limit` events strictly after a position, or undefined when some after it may already have been dropped. */
  after(position: EventPosition, limit: number): StoredEvent[] | undefined {
    if (this.total === 0) return [];
    if (this.first > 0 && before(position, this.oldest())) return undefined;
    let low = this.first;
    let high = this.total;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (before(position, this.position(middle))) high = middle;
      else low = middle + 1;
    }
    const events: StoredEvent[] = [];
    for (let number = low; number < this.total && events.length < limit; number++) events.push(this.event(number));
    return events;
  }

  private event(number: number): StoredEvent {
    const at = number % this.size;
    return {
      position: this.position(number),
      type: eventTypes[this.types[at] as number] as EventType,
      atMs: this.atMs[at] as number,
      job: this.jobs[at] as number,
      generation: this.generations[at] as number,
      sequence: this.sequences[at] as number,
      attempt: this.attempts[at] as number,
      token: this.tokens[at] as number,
      node: this.nodes[at] as number,
      scheduledAtMs: this.scheduled[at] as number,
    };
  }
}

function before(a: EventPosition, b: EventPosition): boolean {
  return a.index < b.index || (a.index === b.index && a.at < b.at);
}
