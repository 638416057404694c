// Owns: what a peer is: a package that keeps jobs in a store, once as who submits and once as who handles, each in a process of its own.

import type { Facts } from "./side.ts";
import type { StoreKind } from "./stores.ts";
import type { Tally } from "./tally.ts";

export interface Caller {
  submit(count: number, dueAtMs: (at: number) => number): Promise<void>;
  tick(count: number): Promise<void>;
  /** Jobs that are not done. */
  remaining(): Promise<number>;
  close(): Promise<void>;
}

export type Peer = {
  readonly facts: Facts;
  readonly store: StoreKind;
  /** How many processes handle jobs. */
  readonly processes: number;
  /** Makes what the peer needs in an empty store, and connects. */
  open(at: string): Promise<Caller>;
  /** Handles jobs in this process until the function that it returns is called. */
  handle(at: string, tally: Tally): Promise<() => Promise<void>>;
};
