// Owns: the cluster that goes on from the state of another one, with one node as its only voter: restored from a backup (H15), or made by
// force from what is left. What becomes of the state is decided by its entry (src/jobs/applyrestored.ts), what is written where by
// offlinerestore.ts and remains.ts.
// (K1) Membership and `restored` are one synced write of the log, committed by it: before it the disk holds what it held, after it the
//      ordinary start goes on.
// (K2) A clock behind the newest time in the state is refused: tokens would not be above those of an earlier life (H5b).

import { ByteWriter } from "../base/bytes.ts";
import { PawlError } from "../base/errors.ts";
import { TOKEN_FLOOR_END, tokenFloorAt } from "../base/token.ts";
import { beginEntry, encodeCommand } from "../jobs/command.ts";
import type { RestoredCommand } from "../jobs/command.ts";
import type { Capacity } from "../jobs/state.ts";
import type { MemberAddresses } from "../jobs/views.ts";
import { encodeMembership } from "../raft/membership.ts";
import type { Entry } from "../raft/types.ts";
import type { Disk, Soon } from "../storage/disk.ts";
import { encodePlace } from "./members.ts";

/** The cluster that begins. */
export type Heir = {
  readonly self: MemberAddresses;
  readonly clusterId: string;
  readonly atMs: number;
  /** Tokens are above this counter besides; 0 for none. */
  readonly tokenFloor: number;
  readonly catchUp: boolean;
};

/** A disk that no node uses. */
export type DiskUse = { readonly disk: Disk; readonly soon: Soon; readonly capacity: Capacity };

/** Two entries, at `index` and the next one, after which the cluster is another one and this node its only voter. */
export function beginning(heir: Heir, reason: RestoredCommand["reason"], index: number, term: number): Entry[] {
  const { self, clusterId, atMs, catchUp } = heir;
  const places = new Map([[self.id, encodePlace({ peer: self.peer, api: self.api })]]);
  const membership = encodeMembership({ voters: [[self.id]], learners: [], places });
  const tokenFloor = Math.max(tokenFloorAt(atMs), heir.tokenFloor);
  const next = "correct --token-floor, or set this machine's clock right";
  if (tokenFloor >= TOKEN_FLOOR_END) throw new PawlError("invalid", `the token floor is beyond what tokens can be; ${next}`);
  const out = new ByteWriter();
  beginEntry(out, { clockMs: atMs, elapsedMs: 0 });
  out.raw(encodeCommand({ kind: "restored", reason, clusterId, atMs, catchUp, tokenFloor }));
  return [
    { index, term, kind: "membership", data: membership },
    { index: index + 1, term, kind: "command", data: out.take() },
  ];
}

/** (K2) */
export function checkClock(atMs: number, newestMs: number): void {
  if (atMs >= newestMs) return;
  const times = `it shows ${new Date(atMs).toISOString()}, the newest time in the state is ${new Date(newestMs).toISOString()}`;
  throw new PawlError("conflict", `this machine's clock is behind: ${times}; set it right, so that tokens do not repeat`);
}
