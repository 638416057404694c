// Owns: the form of log entries: a header with the proposer's time, then commands. What each does is in the apply files.
// (K1) What apply does with a kind never changes; a changed meaning is a new kind (H14). Numbers here are never reused.
// (K2) Commands carry values: times, chosen sessions, delays. Nothing in them is evaluated by apply (no cron, zone, clock, chance).
// (K3) Every command computed from a row names what it was computed from (H1).

import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { PawlError } from "../base/errors.ts";

export const commandKind = {
  bootstrap: 1,
  nodeUp: 2,
  nodeLost: 3,
  create: 4,
  update: 5,
  cancel: 6,
  pause: 7,
  resume: 8,
  trigger: 9,
  plan: 10,
  results: 11,
  cancelExecution: 12,
  clock: 13,
  restored: 14,
  raiseVersion: 15,
  mark: 16,
  dropHistory: 17,
  forget: 18,
  lowerClock: 19,
  redue: 20,
  createMany: 21,
} as const;

/** Scope of an Idempotency-Key and hash of the body it came with; both hex texts. */
export type KeyUse = { readonly scope: string; readonly bodyHash: string };

/** The row that a command was computed from. */
export type JobRef = { readonly job: number; readonly generation: number; readonly revision: number };

export type DefinitionFields = {
  readonly specJson: Uint8Array;
  readonly scheduleText: string;
  readonly classText: string;
  readonly oneShot: boolean;
  readonly paused: boolean;
};

export type Command =
  | {
      readonly kind: "bootstrap";
      readonly clusterId: string;
      readonly idSpace: string;
      readonly jobsMax: number;
      readonly liveMax: number;
      readonly shard: number;
    }
  | {
      readonly kind: "nodeUp";
      readonly node: string;
      readonly incarnation: number;
      readonly slots: number;
      readonly tags: readonly string[];
      readonly held: readonly HeldAttempt[];
    }
  | { readonly kind: "nodeLost"; readonly session: number }
  | ({ readonly kind: "create"; readonly key: KeyUse | undefined; readonly jobId: string; readonly nextDueMs: number } & DefinitionFields)
  /** New jobs in one batch (bulk.ts), their first due times filled in. */
  | { readonly kind: "createMany"; readonly key: KeyUse | undefined; readonly batch: Uint8Array }
  | ({
      readonly kind: "update";
      readonly key: KeyUse | undefined;
      readonly ref: JobRef;
      readonly nextDueMs: number;
      readonly reschedule: boolean;
    } & DefinitionFields)
  /** `jobId` finds a job that has ended, when `ref` names none. */
  | {
      readonly kind: "cancel";
      readonly key: KeyUse | undefined;
      readonly ref: JobRef;
      readonly jobId: string;
      readonly cancelRunning: boolean;
    }
  | { readonly kind: "pause"; readonly key: KeyUse | undefined; readonly ref: JobRef; readonly specJson: Uint8Array }
  | {
      readonly kind: "resume";
      readonly key: KeyUse | undefined;
      readonly ref: JobRef;
      readonly specJson: Uint8Array;
      readonly nextDueMs: number;
    }
  | { readonly kind: "trigger"; readonly key: KeyUse | undefined; readonly ref: JobRef }
  | { readonly kind: "cancelExecution"; readonly key: KeyUse | undefined; readonly sequence: number }
  | { readonly kind: "clock"; readonly toMs: number }
  | RestoredCommand
  /** Every member understands state version `to`. */
  | { readonly kind: "raiseVersion"; readonly to: number }
  /** Every replica computes the hash of its state at this place of the log. */
  | { readonly kind: "mark"; readonly number: number }
  /** History of days before this one, counted from 1970-01-01 UTC, is kept no longer. */
  | { readonly kind: "dropHistory"; readonly beforeDay: number }
  /** Cold rows of jobs that left, by key; each goes if it is older than the history that is kept. */
  | { readonly kind: "forget"; readonly keys: readonly string[] }
  /** An operator sets the clock back (H13). */
  | { readonly kind: "lowerClock"; readonly toMs: number }
  /** After that: due times of the jobs from number `from` to before `next`, as their schedules say. `next` 0: these were the last. */
  | { readonly kind: "redue"; readonly from: number; readonly next: number; readonly rows: readonly RedueRow[] }
  | { readonly kind: "plan"; readonly items: Uint8Array }
  | { readonly kind: "results"; readonly items: Uint8Array };

export type RedueRow = JobRef & { readonly seenMs: number; readonly dueMs: number };

/** The state was carried into another cluster: from a backup, or by force out of what was left of a cluster (H5, H15). */
export type RestoredCommand = {
  readonly kind: "restored";
  readonly reason: "restore" | "forced";
  readonly clusterId: string;
  /** Time of the restore. Nobody knows what became of due times up to here, unless `catchUp` says to treat them as missed ones. */
  readonly atMs: number;
  readonly catchUp: boolean;
  readonly tokenFloor: number;
};

export type HeldAttempt = { readonly sequence: number; readonly token: number };

/** `clockMs`: the proposer's trusted time; `elapsedMs`: its monotonic time since its previous entry. */
export type EntryHeader = { readonly clockMs: number; readonly elapsedMs: number };

const VERSION = 1;
const HEADER_BYTES = 13;
const scratch = new ByteWriter(4096);

export function beginEntry(out: ByteWriter, header: EntryHeader): void {
  out.u8(VERSION);
  out.f64(header.clockMs);
  out.u32(Math.min(0xffffffff, Math.max(0, Math.round(header.elapsedMs))));
}

/** One command by itself. */
export function encodeCommand(command: Command): Uint8Array {
  writeCommand(scratch, command);
  return scratch.copy();
}

/** One command behind those of the entry. In place: batches of jobs are large, and each copy more of them is garbage to collect. */
export function writeCommand(out: ByteWriter, command: Command): void {
  out.u8(commandKind[command.kind]);
  const lengthAt = out.length;
  out.u32(0);
  encodeBody(out, command);
  out.patchU32(lengthAt, out.length - lengthAt - 4);
}

function encodeBody(out: ByteWriter, command: Command): void {
  switch (command.kind) {
    case "bootstrap":
      out.string(command.clusterId);
      out.string(command.idSpace);
      out.u32(command.jobsMax);
      out.u32(command.liveMax);
      out.u8(command.shard);
      return;
    case "nodeUp":
      return encodeNodeUp(out, command);
    case "nodeLost":
      return out.u32(command.session);
    case "create":
      putKey(out, command.key);
      out.string(command.jobId);
      out.f64(command.nextDueMs);
      return putDefinition(out, command);
    case "createMany":
      putKey(out, command.key);
      return out.bytes(command.batch);
    case "update":
      putKey(out, command.key);
      putRef(out, command.ref);
      out.f64(command.nextDueMs);
      out.u8(command.reschedule ? 1 : 0);
      return putDefinition(out, command);
    case "clock":
    case "lowerClock":
      return out.f64(command.toMs);
    case "redue":
      return encodeRedue(out, command);
    case "plan":
    case "results":
      return out.raw(command.items);
    case "restored":
    case "raiseVersion":
    case "mark":
    case "dropHistory":
    case "forget":
      return encodeUpkeep(out, command);
    default:
      return encodeSmall(out, command);
  }
}

function encodeRedue(out: ByteWriter, { from, next, rows }: Extract<Command, { kind: "redue" }>): void {
  out.u32(from);
  out.u32(next);
  for (const row of rows) {
    putRef(out, row);
    out.f64(row.seenMs);
    out.f64(row.dueMs);
  }
}

type Upkeep = Extract<Command, { kind: "restored" | "raiseVersion" | "mark" | "dropHistory" | "forget" }>;

function encodeUpkeep(out: ByteWriter, command: Upkeep): void {
  if (command.kind === "raiseVersion") return out.u32(command.to);
  if (command.kind === "mark") return out.u48(command.number);
  if (command.kind === "dropHistory") return out.u32(command.beforeDay);
  if (command.kind === "forget") {
    out.u32(command.keys.length);
    for (const key of command.keys) out.string(key);
    return;
  }
  out.u8(command.reason === "forced" ? 1 : 0);
  out.string(command.clusterId);
  out.f64(command.atMs);
  out.u8(command.catchUp ? 1 : 0);
  out.f64(command.tokenFloor);
}

type Small = Extract<Command, { kind: "cancel" | "pause" | "resume" | "trigger" | "cancelExecution" }>;

function encodeSmall(out: ByteWriter, command: Small): void {
  putKey(out, command.key);
  if (command.kind === "cancelExecution") return out.u48(command.sequence);
  putRef(out, command.ref);
  if (command.kind === "cancel") {
    out.u8(command.cancelRunning ? 1 : 0);
    out.string(command.jobId);
  }
  if (command.kind === "resume") out.f64(command.nextDueMs);
  if (command.kind === "pause" || command.kind === "resume") out.bytes(command.specJson);
}

function encodeNodeUp(out: ByteWriter, command: Extract<Command, { kind: "nodeUp" }>): void {
  out.string(command.node);
  out.u48(command.incarnation);
  out.u32(command.slots);
  out.u16(command.tags.length);
  for (const tag of command.tags) out.string(tag);
  out.u32(command.held.length);
  for (const held of command.held) {
    out.u48(held.sequence);
    out.f64(held.token);
  }
}

function putKey(out: ByteWriter, key: KeyUse | undefined): void {
  out.u8(key ? 1 : 0);
  if (!key) return;
  out.string(key.scope);
  out.string(key.bodyHash);
}

function putRef(out: ByteWriter, ref: JobRef): void {
  out.u32(ref.job);
  out.u16(ref.generation);
  out.u32(ref.revision);
}

function putDefinition(out: ByteWriter, fields: DefinitionFields): void {
  out.bytes(fields.specJson);
  out.string(fields.scheduleText);
  out.string(fields.classText);
  out.u8((fields.oneShot ? 1 : 0) | (fields.paused ? 2 : 0));
}

export function readHeader(data: Uint8Array): EntryHeader {
  const input = new ByteReader(data);
  const version = input.u8();
  if (version !== VERSION) throw new PawlError("too_new", `log entry of format ${version}: written by a newer Pawl; upgrade this node`);
  return { clockMs: input.f64(), elapsedMs: input.u32() };
}

/** Walks over the commands of an entry: kind and body, bodies being views into `data`. */
export function* commandsOf(data: Uint8Array): Generator<{ kind: number; body: ByteReader; length: number }> {
  let at = HEADER_BYTES;
  while (at < data.length) {
    const head = new ByteReader(data, at);
    const kind = head.u8();
    const length = head.u32();
    const body = new ByteReader(data.subarray(at + 5, at + 5 + length));
    if (body.left !== length) throw new PawlError("quarantined", `log entry ends inside a command of kind ${kind}`);
    yield { kind, body, length };
    at += 5 + length;
  }
}

export function takeRestored(input: ByteReader): RestoredCommand {
  const reason = input.u8() === 1 ? "forced" : "restore";
  const clusterId = input.string();
  const atMs = input.f64();
  return { kind: "restored", reason, clusterId, atMs, catchUp: input.u8() === 1, tokenFloor: input.f64() };
}

export function takeKey(input: ByteReader): KeyUse | undefined {
  return input.u8() === 1 ? { scope: input.string(), bodyHash: input.string() } : undefined;
}

export function takeRef(input: ByteReader): JobRef {
  return { job: input.u32(), generation: input.u16(), revision: input.u32() };
}

export function takeDefinition(input: ByteReader): DefinitionFields {
  const specJson = input.bytes();
  const scheduleText = input.string();
  const classText = input.string();
  const bits = input.u8();
  return { specJson, scheduleText, classText, oneShot: (bits & 1) !== 0, paused: (bits & 2) !== 0 };
}
