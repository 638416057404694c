// Owns: messages as plain arrays for the links, and back. An array begins with the number of its kind; fields follow in a fixed order.
// Packing into bytes is the link's, what a message means the core's.
// (W1) Nothing from outside is trusted: each field is checked for type and range, and an array has exactly its fields.
// (W2) Entries travel as columns of terms, kinds and data; their indexes follow from prevIndex, so they cannot have gaps.
// (W3) Numbers of kinds and the order of fields are part of the protocol: new ones are added at the end, none is used again.

import { PawlError, assert } from "../base/errors.ts";
import type { Entry, Message } from "./types.ts";

const KINDS = [
  "pre_vote",
  "pre_vote_reply",
  "vote",
  "vote_reply",
  "append",
  "append_reply",
  "heartbeat",
  "heartbeat_reply",
  "read_index",
  "read_index_reply",
  "timeout_now",
] as const;
const ENTRY_KINDS = ["command", "membership"] as const;
/** How many kinds of entries this build knows: told to the others, like what it can read of the state. */
export const entryKinds: number = ENTRY_KINDS.length;
const NUMBERS: ReadonlyMap<Message["kind"], number> = new Map(KINDS.map((kind, number) => [kind, number]));

/** A positional array of numbers, booleans, Uint8Arrays and arrays of them. */
export function encodeMessage(message: Message): unknown[] {
  const head = [NUMBERS.get(message.kind), message.term];
  switch (message.kind) {
    case "pre_vote":
      return [...head, message.lastIndex, message.lastTerm, message.round];
    case "pre_vote_reply":
      return [...head, message.granted, message.round];
    case "vote":
      return [...head, message.lastIndex, message.lastTerm, message.transfer];
    case "vote_reply":
      return [...head, message.granted];
    case "append":
      return [...head, message.prevIndex, message.prevTerm, message.commit, ...columns(message.prevIndex, message.entries)];
    case "append_reply":
      return [...head, message.accepted, message.match, message.hintIndex, message.hintTerm];
    case "heartbeat":
      return [...head, message.commit, message.round, message.leaderCommit];
    case "heartbeat_reply":
      return [...head, message.round, message.lastIndex, message.commit];
    case "read_index":
      return [...head, message.context];
    case "read_index_reply":
      return [...head, message.context, message.index, message.ok];
    case "timeout_now":
      return head;
  }
}

function columns(prevIndex: number, entries: readonly Entry[]): [number[], number[], Uint8Array[]] {
  const terms: number[] = [];
  const kinds: number[] = [];
  const data: Uint8Array[] = [];
  for (const entry of entries) {
    assert(entry.index === prevIndex + terms.length + 1, "entries of a message follow on each other (W2)");
    terms.push(entry.term);
    kinds.push(ENTRY_KINDS.indexOf(entry.kind));
    data.push(entry.data);
  }
  return [terms, kinds, data];
}

/** Reads the fields of one array in order. */
class Fields {
  private readonly values: readonly unknown[];
  private at = 0;

  constructor(value: unknown) {
    if (!Array.isArray(value)) throw invalid("a message is an array");
    this.values = value;
  }

  number(): number {
    return natural(this.values[this.at++]);
  }

  flag(): boolean {
    const value = this.values[this.at++];
    if (typeof value !== "boolean") throw invalid(`field ${this.at - 1} is not a boolean`);
    return value;
  }

  list(): readonly unknown[] {
    const value = this.values[this.at++];
    if (!Array.isArray(value)) throw invalid(`field ${this.at - 1} is not a list`);
    return value;
  }

  end(): void {
    if (this.values.length !== this.at) throw invalid(`expected ${this.at} fields, got ${this.values.length}`);
  }
}

function invalid(what: string): PawlError {
  return new PawlError("invalid", `malformed consensus message: ${what}; do both ends speak the same version?`);
}

function natural(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw invalid("a number is out of range");
  return value;
}

/** The message in an array from outside. Throws PawlError("invalid") for anything that `encodeMessage` cannot have made. */
export function decodeMessage(value: unknown): Message {
  const fields = new Fields(value);
  const kind = KINDS[fields.number()];
  if (kind === undefined) throw invalid("unknown kind");
  const message = decodeFields(kind, fields);
  fields.end();
  return message;
}

function decodeFields(kind: (typeof KINDS)[number], fields: Fields): Message {
  const term = fields.number();
  switch (kind) {
    case "pre_vote":
      return { kind, term, lastIndex: fields.number(), lastTerm: fields.number(), round: fields.number() };
    case "pre_vote_reply":
      return { kind, term, granted: fields.flag(), round: fields.number() };
    case "vote":
      return { kind, term, lastIndex: fields.number(), lastTerm: fields.number(), transfer: fields.flag() };
    case "vote_reply":
      return { kind, term, granted: fields.flag() };
    case "append":
      return decodeAppend(term, fields);
    case "append_reply":
      return { kind, term, accepted: fields.flag(), match: fields.number(), hintIndex: fields.number(), hintTerm: fields.number() };
    case "heartbeat":
      return { kind, term, commit: fields.number(), round: fields.number(), leaderCommit: fields.number() };
    case "heartbeat_reply":
      return { kind, term, round: fields.number(), lastIndex: fields.number(), commit: fields.number() };
    case "read_index":
      return { kind, term, context: fields.number() };
    case "read_index_reply":
      return { kind, term, context: fields.number(), index: fields.number(), ok: fields.flag() };
    case "timeout_now":
      return { kind, term };
  }
}

function decodeAppend(term: number, fields: Fields): Message {
  const prevIndex = fields.number();
  const prevTerm = fields.number();
  const commit = fields.number();
  const terms = fields.list();
  const kinds = fields.list();
  const data = fields.list();
  if (terms.length !== data.length || kinds.length !== data.length) throw invalid("entries have as many terms and kinds as data");
  natural(prevIndex + terms.length);
  const entries: Entry[] = [];
  for (let i = 0; i < terms.length; i++) {
    const bytes = data[i];
    const kind = ENTRY_KINDS[natural(kinds[i])];
    if (kind === undefined) throw invalid("unknown kind of entry");
    if (!(bytes instanceof Uint8Array)) throw invalid("the data of an entry is not bytes");
    entries.push({ index: prevIndex + 1 + i, term: natural(terms[i]), kind, data: bytes });
  }
  return { kind: "append", term, prevIndex, prevTerm, entries, commit };
}
