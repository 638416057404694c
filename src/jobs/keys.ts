// Owns: Idempotency-Keys in the replicated state. A key is looked up before any other check of its command (H11a), kept for 24 hourly
// generations of leaders' monotonic time, and refused when a generation is full: never evicted (H11b, c).

import { ByteReader, ByteWriter } from "../base/bytes.ts";
import type { ErrorCode } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { coldKeys } from "./cold.ts";
import type { KeyUse } from "./command.ts";
import type { RefusedJob, Reply } from "./reply.ts";
import { doneWords } from "./reply.ts";
import type { State } from "./state.ts";

const scratch = new ByteWriter(256);
const GENERATION_MS = 3_600_000;

/** Moves to the generation that the elapsed time says. */
export function turnKeys(state: State): void {
  const generation = Math.floor(state.elapsedMs / GENERATION_MS);
  if (generation === state.keyGeneration) return;
  state.keyGeneration = generation;
  state.keysInGeneration = 0;
}

/** The reply that this key was given before, a refusal if its body was another one, or undefined when it is new. */
export function seenKey(state: State, key: KeyUse): Reply | undefined {
  const stored = state.cold.get(coldKeys.idempotency(key.scope));
  if (!stored) return undefined;
  const input = new ByteReader(stored);
  input.u8();
  if (input.u32() + limits.keyGenerations <= state.keyGeneration) return undefined;
  if (input.string() !== key.bodyHash) {
    return { kind: "refused", code: "key_reused", message: "this Idempotency-Key was used with another body; use a new key" };
  }
  const status = doneWords[input.u8()] as (typeof doneWords)[number];
  const jobId = input.string();
  const reply = { kind: "done", status, jobId: jobId === "" ? undefined : jobId, sequence: input.u48() || undefined } as const;
  const index = input.u48();
  const refused = takeRefused(input);
  return { ...reply, index, ...(refused && { refused }) };
}

export function keysAreFull(state: State): boolean {
  return state.keysInGeneration >= limits.keysPerGenerationMax;
}

export function rememberKey(state: State, key: KeyUse, reply: Extract<Reply, { kind: "done" }>): void {
  const out = scratch;
  out.u8(1);
  out.u32(state.keyGeneration);
  out.string(key.bodyHash);
  out.u8(doneWords.indexOf(reply.status));
  out.string(reply.jobId ?? "");
  out.u48(reply.sequence ?? 0);
  out.u48(reply.index);
  putRefused(out, reply.refused);
  state.cold.put(coldKeys.idempotency(key.scope), out.copy());
  state.cold.put(coldKeys.generation(state.keyGeneration, key.scope), new Uint8Array(0));
  state.keysInGeneration++;
}

/** Which jobs of a batch were refused; nothing for any other command. */
function putRefused(out: ByteWriter, refused: readonly RefusedJob[] | undefined): void {
  out.u8(refused ? 1 : 0);
  if (!refused) return;
  out.u32(refused.length);
  for (const { at, code, message } of refused) {
    out.u32(at);
    out.string(code);
    out.string(message);
  }
}

function takeRefused(input: ByteReader): readonly RefusedJob[] | undefined {
  if (input.u8() === 0) return undefined;
  return Array.from({ length: input.u32() }, () => ({ at: input.u32(), code: input.string() as ErrorCode, message: input.string() }));
}
