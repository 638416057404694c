// Owns: what the HTTP face needs of the program behind it. The face declares it and is handed it, so that the same routes
// stand before a core in another thread, an embedded node and the fake of the tests.
// (A1) `change` settles once: with a reply when the change is durable on a majority, else with a PawlError whose outcome says
//      whether nothing happened ("rejected") or nobody can tell ("unknown").
// (A2) `oldest` of an events answer is the oldest event kept. When events after `after` were dropped, the answer holds no event
//      although `oldest` lies after `after`. Without `after` only `newest` of the answer is looked at.
// (A3) A filter speaks the public status words: "queued" also finds retrying executions, "running" also cancelling ones.

import type { RefusedJob } from "../jobs/reply.ts";
import type { Answered, Change, ChangeOrigin, ChangeReply, Consistency, MembershipRequest, Query } from "../jobs/views.ts";

export type OutputPart = {
  readonly attempt: number;
  readonly stream: "stdout" | "stderr" | "response" | "log";
  readonly text: string;
  /** True when the executor wrote more than was kept. */
  readonly truncated: boolean;
};

export type Health = { readonly live: boolean; readonly ready: boolean; readonly reason?: string | undefined };

export type Member = { readonly selfId: string; readonly clusterName: string; readonly version: string };

/** Jobs of a batch that were refused, each alone, by their place in it; the others were made by the entry at `index`. */
export type BulkReply = { readonly index: number; readonly refused: readonly RefusedJob[] };

export interface Backend {
  change(change: Change, origin: ChangeOrigin): Promise<ChangeReply>;
  /** New jobs in the form of src/jobs/bulk.ts, in a buffer that changes hands. Settles like `change`, all of them at once. */
  bulk(batch: Uint8Array<ArrayBuffer>, origin: ChangeOrigin): Promise<BulkReply>;
  query(query: Query, consistency: Consistency): Promise<Answered>;
  /** Both settle when it is done, or is on its way as the answer to the query "cluster" shows; else with a PawlError like `change`. */
  readonly cluster: {
    change(request: MembershipRequest): Promise<void>;
    /** To whoever is furthest when `to` is undefined. */
    transfer(to: string | undefined): Promise<void>;
  };
  /** The bytes of a backup of this node's state, made as they are read; rejects before the first when it cannot be made. */
  backup(): Promise<AsyncIterable<Uint8Array>>;
  /** Output of an execution; undefined when none is kept (never was, or aged out). */
  logs(executionId: string): Promise<readonly OutputPart[] | undefined>;
  /** Calls `wake` when there may be new events, at most once per log entry. Returns the way to end that. */
  subscribe(wake: () => void): () => void;
  health(): Health;
  /** Prometheus text, version 0.0.4. */
  metrics(): Promise<string>;
  jobTypes(): readonly string[];
  /** Throws a PawlError whose field starts with "payload". */
  validatePayload(jobType: string, payload: unknown): void;
  memberApi(): Member;
}
