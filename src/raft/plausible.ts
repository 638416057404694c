// Owns: the check of a message against itself and against what the core knows: numbers in range, entries that follow on each other,
// answers about things that were sent. The shape on the wire is wire.ts's.

import { PawlError } from "../base/errors.ts";
import type { Core } from "./core.ts";
import { decodeMembership } from "./membership.ts";
import type { Message } from "./types.ts";

type Append = Extract<Message, { kind: "append" }>;

/** Terms, indexes and counters stay below this, so that adding to them is exact and 48 bits hold them. */
const NUMBER_END = 2 ** 48;

function natural(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value < NUMBER_END;
}

/** False when the message claims what cannot be. */
export function isPlausible(core: Core, message: Message): boolean {
  // Only a refused pre-vote may come from a node that never was in a term.
  if (!natural(message.term) || (message.term === 0 && message.kind !== "pre_vote_reply")) return false;
  switch (message.kind) {
    case "pre_vote":
    case "vote":
      return natural(message.lastIndex) && natural(message.lastTerm) && message.lastTerm < message.term;
    case "append":
      return isPlausibleAppend(message);
    case "append_reply":
      if (!natural(message.match) || !natural(message.hintIndex) || !natural(message.hintTerm)) return false;
      return core.role !== "leader" || message.term !== core.term || message.match <= core.log.lastIndex;
    case "heartbeat":
      return natural(message.commit) && natural(message.round) && natural(message.leaderCommit);
    case "heartbeat_reply":
      if (!natural(message.round) || !natural(message.lastIndex) || !natural(message.commit)) return false;
      if (core.role !== "leader" || message.term !== core.term) return true;
      return message.round <= core.round && message.commit <= core.log.lastIndex;
    case "pre_vote_reply":
      return natural(message.round);
    case "read_index":
      return natural(message.context);
    case "read_index_reply":
      return natural(message.context) && natural(message.index);
    case "vote_reply":
    case "timeout_now":
      return true;
  }
}

function isMembership(data: Uint8Array): boolean {
  try {
    decodeMembership(data);
    return true;
  } catch (error) {
    if (error instanceof PawlError) return false;
    throw error;
  }
}

function isPlausibleAppend(message: Append): boolean {
  if (!natural(message.prevIndex) || !natural(message.prevTerm) || !natural(message.commit)) return false;
  if ((message.prevIndex === 0) !== (message.prevTerm === 0)) return false;
  let term = Math.max(1, message.prevTerm);
  let index = message.prevIndex;
  for (const entry of message.entries) {
    index++;
    if (entry.index !== index || !natural(entry.term) || entry.term < term) return false;
    if (entry.kind === "membership" && !isMembership(entry.data)) return false;
    term = entry.term;
  }
  return term <= message.term;
}
