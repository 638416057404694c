// Owns: state versions: which one a command, or an item inside it, needs. What apply does with a kind never changes, so a build either
// knows a kind or does not (H14).
// (V1) A kind is proposed only when the state has the version that it needs; the version is raised by an entry, once every member
//      runs a build that understands it.
// (V2) An entry that needs more than this build understands is never skipped nor applied in part: the node stops and says so.

import { PawlError } from "../base/errors.ts";
import { commandKind, commandsOf } from "./command.ts";
import { planType, planTypesIn, resultsAreWhole } from "./items.ts";

/** `max`: the highest state version that a build understands. Then which version each kind of command and of plan item needs. */
export type Versions = {
  readonly max: number;
  readonly commands: ReadonlyMap<number, number>;
  readonly items: ReadonlyMap<number, number>;
};

const first = (kinds: Readonly<Record<string, number>>): [number, number][] => Object.values(kinds).map((kind) => [kind, 1]);

/** What this build knows. A kind that is added later goes behind the others, with the version that it came with. */
export const ownVersions: Versions = {
  max: 1,
  commands: new Map(first(commandKind)),
  items: new Map(first(planType)),
};

/** For the handshake: a leader raises the state's version to the lowest of all members'. */
export const maxStateVersion = ownVersions.max;

/** The version that a command needs; Infinity when it holds what this build does not know. */
function versionOf(versions: Versions, kind: number, body: Uint8Array): number {
  const needed = versions.commands.get(kind) ?? Number.POSITIVE_INFINITY;
  if (kind === commandKind.plan) return Math.max(needed, versionOfItems(versions, body));
  return kind === commandKind.results && !resultsAreWhole(body) ? Number.POSITIVE_INFINITY : needed;
}

function versionOfItems(versions: Versions, items: Uint8Array): number {
  const types = planTypesIn(items);
  if (types === undefined) return Number.POSITIVE_INFINITY;
  let needed = 0;
  for (const [type, version] of versions.items) if ((types & (1 << type)) !== 0) needed = Math.max(needed, version);
  return needed;
}

/** Refuses to propose an encoded command that the state's version does not allow yet (V1). */
export function checkProposable(state: { readonly versions: Versions; readonly version: number }, command: Uint8Array): void {
  const kind = command[0] as number;
  const needed = versionOf(state.versions, kind, command.subarray(5));
  if (needed <= state.version) return;
  const have = `the cluster's state has version ${state.version}, this needs version ${needed}`;
  throw new PawlError("conflict", `${have}: run the same newer Pawl on every member, then ask again`);
}

/** Throws before anything of the entry is applied when this build does not understand all of it (V2). */
export function checkUnderstood(versions: Versions, index: number, data: Uint8Array): void {
  for (const { kind, body, length } of commandsOf(data)) {
    const from = body.at;
    const needed = versionOf(versions, kind, body.raw(length));
    if (needed > versions.max) throw tooNew(`log entry ${index} holds a command of kind ${kind}`);
    body.at = from;
    if (kind === commandKind.raiseVersion) checkVersion(versions, body.u32(), `log entry ${index}`);
  }
}

/** Throws when a state has, or is to have, a version that this build does not understand. */
export function checkVersion(versions: Versions, version: number, where: string): void {
  if (version > versions.max) throw tooNew(`${where}: the state has version ${version}, this build understands ${versions.max}`);
}

function tooNew(what: string): PawlError {
  return new PawlError("too_new", `${what}, which a newer Pawl wrote; upgrade Pawl on this node, its data is whole`);
}
