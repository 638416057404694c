// Owns: the replicated registry of nodes as workers: their numbers, sessions, slots and tags. A session is given by a logged nodeUp
// and ends by a later nodeUp of the same node or by nodeLost; an ended session is never revived (H6). Leases are the leader's memory
// (src/dispatch), not state.

import type { ByteReader, ByteWriter } from "../base/bytes.ts";

export type NodeRow = {
  /** Small number that history records hold; given once per node id. */
  readonly number: number;
  readonly id: string;
  incarnation: number;
  /** 0 while it has none. */
  session: number;
  slots: number;
  tags: readonly string[];
  /** Derived: attempts of the present session that are running or cancelling. */
  running: number;
};

export class NodeRegistry {
  /** In order of their numbers, which start at 1. */
  readonly rows: NodeRow[] = [];
  lastSession = 0;
  private readonly bySession = new Map<number, NodeRow>();

  find(id: string): NodeRow | undefined {
    return this.rows.find((row) => row.id === id);
  }

  withSession(session: number): NodeRow | undefined {
    return this.bySession.get(session);
  }

  number(number: number): NodeRow | undefined {
    return this.rows[number - 1];
  }

  add(id: string): NodeRow {
    const row: NodeRow = { number: this.rows.length + 1, id, incarnation: 0, session: 0, slots: 0, tags: [], running: 0 };
    this.rows.push(row);
    return row;
  }

  open(row: NodeRow, incarnation: number, slots: number, tags: readonly string[]): number {
    this.lastSession++;
    row.incarnation = incarnation;
    row.session = this.lastSession;
    row.slots = slots;
    row.tags = tags;
    row.running = 0;
    this.bySession.set(row.session, row);
    return row.session;
  }

  close(row: NodeRow): void {
    this.bySession.delete(row.session);
    row.session = 0;
    row.running = 0;
  }

  encode(out: ByteWriter): void {
    out.u32(this.lastSession);
    out.u16(this.rows.length);
    for (const row of this.rows) {
      out.string(row.id);
      out.u48(row.incarnation);
      out.u32(row.session);
      out.u32(row.slots);
      out.u16(row.tags.length);
      for (const tag of row.tags) out.string(tag);
    }
  }

  restore(input: ByteReader): void {
    this.lastSession = input.u32();
    const count = input.u16();
    for (let number = 1; number <= count; number++) {
      const row: NodeRow = {
        number,
        id: input.string(),
        incarnation: input.u48(),
        session: input.u32(),
        slots: input.u32(),
        tags: [],
        running: 0,
      };
      row.tags = Array.from({ length: input.u16() }, () => input.string());
      this.rows.push(row);
      if (row.session !== 0) this.bySession.set(row.session, row);
    }
  }
}
