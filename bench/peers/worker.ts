// Owns: a process that handles jobs of one peer: told "handle" it begins, told "tell" it says what was noted since the last time.
//   node bench/peers/worker.ts <peer> <where its store is>

import { peers } from "./peers.ts";
import { Tally } from "./tally.ts";
import type { Noted } from "./tally.ts";

export type Order = "handle" | "tell";
export type Told = { readonly kind: "loaded" } | { readonly kind: "handling" } | ({ readonly kind: "noted" } & Noted);

const [name = "", at = ""] = process.argv.slice(2);
const peer = peers.find((each) => each().facts.name === name)?.();
if (peer === undefined) throw new Error(`no peer is called ${name}`);
const tally = new Tally();

function tell(told: Told): void {
  process.send?.(told);
}

process.on("message", (order: Order) => {
  if (order === "tell") tell({ kind: "noted", ...tally.take() });
  else void peer.handle(at, tally).then(() => tell({ kind: "handling" }));
});
// Whoever measures has ended, or has seen enough: nothing is left to be saved.
process.on("disconnect", () => process.exit());
process.on("SIGINT", () => undefined);
tell({ kind: "loaded" });
