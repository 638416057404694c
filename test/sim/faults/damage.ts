// Faults of disks that do not hold what they were given (I5), done to a node between two lives: a bit turned over, a value under
// another key or of an earlier time, a batch lost from the middle as LevelDB loses it (CORRECTNESS.md, H8), the end of the log lost.
// At most a minority is damaged. What an open must see, it must see; what only a read can see goes unnoticed until the scrubber comes to
// it (cold rows, history; ending.ts). The cluster goes on without a node that was found damaged, until that one is repaired (operator.ts).

import { decodeHeader } from "../../../src/storage/checkpointformat.ts";
import type { SimStore } from "../../support/simdisk.ts";
import type { SimNode } from "../node.ts";
import type { World } from "../world.ts";
import { mayLose, recurring, target } from "./fault.ts";
import type { FaultClass, Field } from "./fault.ts";

type Damage = { readonly what: string; do(): void };

export const damages: FaultClass = {
  name: "damage",
  chance: 0.3,
  draw: (world) => {
    const gapMs = world.between(3000, 10_000);
    const rate = world.pick([0.1, 0.5]);
    return {
      begin: (field) => {
        field.onDown((node) => {
          if (!field.storming || !mayLose(field, node) || !world.chance(rate)) return;
          const what = damage(field, node);
          if (what !== undefined) field.note(what, node);
        });
        recurring(field, gapMs, () => field.crash(target(field)));
      },
    };
  },
};

/** Does one thing to a node's storage; undefined when nothing came of it. */
function damage({ world, nodes }: Field, node: SimNode): string | undefined {
  const { storage } = node;
  const names = [...storage.stores.keys()].filter((name) => storage.store(name).keys().length > 0);
  if (world.chance(0.15)) return historyByte(world, node);
  if (names.length === 0) return undefined;
  const name = world.pick(names);
  const store = storage.store(name);
  const isLog = name === "log";
  const kinds = [flippedBit, movedKey, lostBatch, ...(isLog ? [lostEnd, foreignWrite] : [staleValue])];
  const chosen = world.pick(kinds)(world, store, node, nodes);
  if (chosen === undefined) return undefined;
  const before = picture(store);
  chosen.do();
  const after = picture(store);
  const gone = [...before.keys()].filter((key) => before.get(key) !== after.get(key));
  if (gone.length === 0 && before.size === after.size) return undefined;
  node.damaged = true;
  const isSeen = isLog || gone.some((key) => !key.startsWith("x/"));
  node.mustBeFound = isLog ? "before it votes" : isSeen ? "before it opens" : "no";
  if (!isSeen) node.unread = { store: name, values: new Map(gone.map((key) => [key, after.get(key) ?? ""])) };
  return `${chosen.what} in ${isLog ? "the log" : isSeen ? "the state" : "a cold row"}`;
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

function picture(store: SimStore): Map<string, string> {
  return new Map(store.keys().map((key) => [key, textOf(store.get(key) as Uint8Array)]));
}

function flippedBit(world: World, store: SimStore): Damage {
  const key = world.pick(store.keys());
  const bit = Math.floor(world.random() * (store.get(key) as Uint8Array).length * 8);
  return { what: "a flipped bit", do: () => store.flipBit(key, bit) };
}

function movedKey(world: World, store: SimStore): Damage {
  const key = world.pick(store.keys());
  const at = Math.floor(world.random() * key.length);
  const moved = key.slice(0, at) + String.fromCharCode(key.charCodeAt(at) ^ 1) + key.slice(at + 1);
  return { what: "a moved key", do: () => store.moveKey(key, moved) };
}

/** LevelDB's hole: later batches survive. */
function lostBatch(world: World, store: SimStore): Damage | undefined {
  if (store.batches.length < 2) return undefined;
  const at = Math.floor(world.random() * (store.batches.length - 1));
  return { what: "a lost batch", do: () => store.dropBatch(at) };
}

/** A value as an earlier batch had it. */
function staleValue(world: World, store: SimStore): Damage | undefined {
  const batch = world.pick(store.batches);
  const puts = batch?.filter((op) => "put" in op) ?? [];
  const old = puts.length === 0 ? undefined : world.pick(puts);
  if (old === undefined || !("put" in old)) return undefined;
  return { what: "a stale value", do: () => store.overwrite(old.put, old.value) };
}

/** The log ends before what the newest checkpoint saw of it: further up nobody could tell it from a crash. */
function lostEnd(_world: World, log: SimStore, { storage }: SimNode): Damage | undefined {
  const name = [...storage.stores.keys()].find((each) => each.startsWith("state"));
  const state = name === undefined ? undefined : storage.store(name);
  const key = state?.keys().findLast((each) => each.startsWith("c/"));
  const newest = Number.parseInt(log.keys().at(-1) ?? "0", 16);
  if (state === undefined || key === undefined || newest === 0) return undefined;
  const { position } = decodeHeader(key, state.get(key) as Uint8Array, undefined);
  const count = newest - position.number + 1;
  if (position.number === 0 || count > log.batches.length) return undefined;
  return { what: "a lost end", do: () => log.dropNewest(count) };
}

/** A write of another node's log, of the same number and whole in itself: only the chain tells it from the own one. */
function foreignWrite(world: World, log: SimStore, node: SimNode, nodes: readonly SimNode[]): Damage | undefined {
  const other = world.pick(nodes.filter((each) => each !== node)).storage.stores.get("log");
  if (other === undefined) return undefined;
  const differs = (key: string | undefined): boolean => {
    const [own, foreign] = key === undefined ? [] : [log.get(key), other.get(key)];
    return own !== undefined && foreign !== undefined && Buffer.compare(own, foreign) !== 0;
  };
  const keys = log.keys();
  const able = keys.filter((key, at) => differs(key) && differs(keys[at - 1]));
  if (able.length === 0) return undefined;
  const key = world.pick(able);
  return { what: "another node's write", do: () => log.overwrite(key, other.get(key)) };
}

function historyByte(world: World, node: SimNode): string | undefined {
  const names = [...node.storage.files.keys()];
  const file = names.length === 0 ? undefined : node.storage.files.get(world.pick(names));
  if (file === undefined || file.length === 0) return undefined;
  const at = Math.floor(world.random() * file.length);
  file.data[at] = (file.data[at] as number) ^ (1 << Math.floor(world.between(0, 8)));
  node.damaged = true;
  const from = Math.max(0, at - 16);
  node.unreadBytes = { file, from, text: textOf(file.data.subarray(from, at + 1)) };
  return "a flipped bit in the history";
}
