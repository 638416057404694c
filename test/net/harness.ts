// Owns: nodes on loopback for the tests of links: real sockets, timers that only the test moves, and waiting for events
// instead of sleeping.

import assert from "node:assert/strict";
import type { TlsMaterial } from "../../src/net/certificates.ts";
import type { PeerAddress } from "../../src/net/address.ts";
import type { Lane, LinkIdentity } from "../../src/net/identity.ts";
import { Links } from "../../src/net/links.ts";
import { realSystem } from "../../src/system.ts";
import type { System } from "../../src/system.ts";
import { freePorts as somePorts } from "../../bench/ports.ts";

/** A System whose time and timers move only by `advance`. */
export class FakeSystem implements System {
  nowMs = 1_000_000;
  draw = 0.5;
  readonly timers = new Set<{ atMs: number; delayMs: number; run: () => void }>();

  wallMs = (): number => this.nowMs;
  monotonicMs = (): number => this.nowMs;
  random = (): number => this.draw;
  soon = (run: () => void): void => queueMicrotask(run);

  after(delayMs: number, run: () => void): { cancel(): void } {
    const timer = { atMs: this.nowMs + delayMs, delayMs, run };
    this.timers.add(timer);
    return { cancel: () => void this.timers.delete(timer) };
  }

  advance(byMs: number): void {
    const untilMs = this.nowMs + byMs;
    for (;;) {
      const due = [...this.timers].filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.timers.delete(due);
      this.nowMs = Math.max(this.nowMs, due.atMs);
      due.run();
    }
    this.nowMs = untilMs;
  }
}

export type Seen =
  | { kind: "up"; peer: string; identity: LinkIdentity }
  | { kind: "down"; peer: string }
  | { kind: "refused"; peer: string; reason: string }
  | { kind: "drained"; peer: string; lane: Lane }
  | { kind: "frame"; from: string; lane: Lane; message: readonly unknown[] }
  | { kind: "log"; message: string; details: Record<string, unknown> };

/** Everything a node was told, in order, and a way to wait for what comes. */
export class Watch {
  readonly seen: Seen[] = [];
  private readonly waiting = new Set<() => void>();

  add(event: Seen): void {
    this.seen.push(event);
    for (const wake of [...this.waiting]) wake();
  }

  of<K extends Seen["kind"]>(kind: K): Extract<Seen, { kind: K }>[] {
    return this.seen.filter((event): event is Extract<Seen, { kind: K }> => event.kind === kind);
  }

  /** Resolves as soon as `holds`; it is asked again after each event. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        if (!holds()) return;
        this.waiting.delete(wake);
        resolve();
      };
      this.waiting.add(wake);
      wake();
    });
  }
}

export type TestNode = {
  id: string;
  port: number;
  links: Links;
  watch: Watch;
  system: FakeSystem;
  onFrame: ((message: readonly unknown[]) => void) | undefined;
};

export type NodeOverrides = {
  cluster?: string;
  clusterId?: string;
  incarnation?: number;
  birth?: string;
  tls?: TlsMaterial | undefined;
  peers?: PeerAddress[];
  membership?: number;
  /** Incarnations that outlived a restart. */
  known?: Record<string, number>;
};

export const someone: LinkIdentity = {
  cluster: "test", clusterId: "c1", node: "a", incarnation: 1, birth: "00000000000000a1", version: "0.1.0",
  capabilities: { stateVersion: 1, entryKinds: 2 }, membership: 0,
};

export function makeNode(id: string, ports: Record<string, number>, overrides: NodeOverrides = {}): TestNode {
  const watch = new Watch();
  const system = new FakeSystem();
  const { cluster = "test", clusterId = "c1", incarnation = 1, birth = someone.birth, tls } = overrides;
  const peers = overrides.peers ?? Object.entries(ports).map(([peer, port]) => ({ id: peer, host: "127.0.0.1", port }));
  const note = (details: object, message: string): void => watch.add({ kind: "log", message, details: { ...details } });
  const port = ports[id] as number;
  const node: TestNode = { id, port, watch, system, onFrame: undefined, links: undefined as never };
  node.links = new Links({
    identity: { ...someone, cluster, clusterId, node: id, incarnation, birth, membership: overrides.membership ?? 0 },
    peers,
    knownIncarnation: (node) => overrides.known?.[node],
    listen: { host: "127.0.0.1", port },
    tls,
    system,
    events: {
      frame(from, lane, message) {
        node.onFrame?.(message);
        watch.add({ kind: "frame", from, lane, message });
      },
      up: (peer, identity) => watch.add({ kind: "up", peer, identity }),
      down: (peer) => watch.add({ kind: "down", peer }),
      refused: (peer, reason) => watch.add({ kind: "refused", peer, reason }),
      drained: (peer, lane) => watch.add({ kind: "drained", peer, lane }),
    },
    log: { info: note, warn: note },
  });
  return node;
}

/** Ports that nobody listens on, all distinct. */
export async function freePorts(...ids: string[]): Promise<Record<string, number>> {
  const ports = await somePorts(ids.length);
  return Object.fromEntries(ids.map((id, at) => [id, ports[at] as number]));
}

export function upCount(node: TestNode, peer: string): number {
  return node.watch.of("up").filter((event) => event.peer === peer).length;
}

/** Two nodes, started and up in both directions. */
export async function makePair(a: NodeOverrides = {}, b: NodeOverrides = {}): Promise<[TestNode, TestNode]> {
  const ports = await freePorts("a", "b");
  const left = makeNode("a", ports, a);
  const right = makeNode("b", ports, b);
  await left.links.start();
  await right.links.start();
  await Promise.all([left.watch.until(() => upCount(left, "b") === 1), right.watch.until(() => upCount(right, "a") === 1)]);
  return [left, right];
}

export async function closeAll(...nodes: TestNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.links.close()));
}

export function frames(node: TestNode, lane: Lane): (readonly unknown[])[] {
  return node.watch.of("frame").filter((event) => event.lane === lane).map((event) => event.message);
}

export function outbound(node: TestNode, peer: string, lane: Lane) {
  const found = node.links.stats().outbound.find((stats) => stats.peer === peer && stats.lane === lane);
  assert(found);
  return found;
}

/** For what no event tells: looks again in each turn of the loop. */
export function eventually(holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => (holds() ? resolve() : realSystem.soon(look));
    look();
  });
}
