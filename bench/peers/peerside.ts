// Owns: a peer as a side of the comparison: its store, who submits (this process), and the processes that handle.

import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Caller, Peer } from "./peer.ts";
import type { Place, Seen, Server, Side } from "./side.ts";
import { Store } from "./stores.ts";
import { type Noted, seenOf } from "./tally.ts";
import type { Order, Told } from "./worker.ts";

const POLL_MS = 20;

export function peerSide(peer: Peer): Side {
  return { facts: peer.facts, alwaysHandles: false, start: () => PeerServer.start(peer) };
}

class PeerServer implements Server {
  private readonly store: Store;
  private readonly caller: Caller;
  private readonly workers: readonly ChildProcess[];
  private noted: Noted[] = [];
  /** Since the start. */
  private handled = 0;

  private constructor(store: Store, caller: Caller, workers: readonly ChildProcess[]) {
    this.store = store;
    this.caller = caller;
    this.workers = workers;
  }

  /** The processes that handle are there and have loaded their code, but are not connected yet. */
  static async start(peer: Peer): Promise<PeerServer> {
    const store = await Store.start(peer.store);
    try {
      const caller = await peer.open(store.at);
      const workers = await Promise.all(Array.from({ length: peer.processes }, () => startWorker(peer.facts.name, store.at)));
      return new PeerServer(store, caller, workers);
    } catch (error) {
      await store.stop();
      throw error;
    }
  }

  submit(count: number, dueAtMs: (at: number) => number): Promise<void> {
    return this.caller.submit(count, dueAtMs);
  }

  async handle(): Promise<void> {
    await Promise.all(this.workers.map((worker) => answerOf(worker, "handle")));
  }

  tick(count: number): Promise<void> {
    return this.caller.tick(count);
  }

  async done(count: number): Promise<void> {
    while (this.handled < count) {
      this.noted.push(...(await this.takeNoted()));
      await wait(POLL_MS);
    }
    while ((await this.caller.remaining()) > 0) await wait(POLL_MS);
  }

  async seen(): Promise<Seen> {
    const noted = [...this.noted, ...(await this.takeNoted())];
    this.noted = [];
    return seenOf(noted);
  }

  place(): Place {
    return { pids: this.store.pids(), folders: [this.store.folder], replicas: 1 };
  }

  async stop(): Promise<void> {
    await Promise.all(this.workers.map(ended));
    await this.caller.close();
    await this.store.stop();
  }

  private async takeNoted(): Promise<Noted[]> {
    const told = await Promise.all(this.workers.map((worker) => answerOf(worker, "tell")));
    const noted = told.filter((each) => each.kind === "noted");
    for (const { latenessMs } of noted) this.handled += latenessMs.length;
    return noted;
  }
}

async function startWorker(peer: string, at: string): Promise<ChildProcess> {
  const worker = fork(fileURLToPath(new URL("worker.ts", import.meta.url)), [peer, at]);
  await answerOf(worker);
  return worker;
}

function answerOf(worker: ChildProcess, order?: Order): Promise<Told> {
  return new Promise((resolve, reject) => {
    const exit = (): void => reject(new Error("a process that handles jobs has ended"));
    worker.once("exit", exit);
    worker.once("message", (told: Told) => {
      worker.off("exit", exit);
      resolve(told);
    });
    if (order !== undefined) worker.send(order);
  });
}

async function ended(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null || worker.signalCode !== null) return;
  const gone = new Promise((resolve) => worker.once("exit", resolve));
  if (worker.connected) worker.disconnect();
  else worker.kill("SIGKILL");
  await gone;
}
