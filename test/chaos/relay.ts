// Owns: the network of a chaos run on loopback: one TCP relay for each ordered pair of nodes, through which the first dials the second.
// (R1) Bytes of a cut direction wait, as TCP would keep sending them, and arrive in order when the cut is healed; so does the end of a
//      connection: who is cut off is not told.
// (R2) A lost packet is what TCP makes of it: everything behind it comes a retransmission later.

import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import type { Random } from "../schedule/random.ts";
import type { Network, Place } from "./network.ts";
import { freePorts } from "../../bench/ports.ts";

const RETRANSMIT_MS = 200;
const SLOW_MS = 120;
const CHUNKS_WAITING_MAX = 64;
/** Below what systems give to outgoing connections, so that nobody takes a port while its node is down. */

/** What all links suffer at the moment. */
class Weather {
  readonly cuts = new Set<string>();
  readonly random: Random;
  lossPercent = 0;
  delayMs = 0;

  constructor(random: Random) {
    this.random = random;
  }

  isCut(from: string, to: string): boolean {
    return this.cuts.has(`${from}>${to}`);
  }

  delayOf(): number {
    return this.delayMs + (this.random(100) < this.lossPercent ? RETRANSMIT_MS : 0);
  }
}

/** One direction of one connection. */
class Pipe {
  private readonly waiting: { readonly bytes: Buffer | undefined; readonly dueMs: number }[] = [];
  private readonly isCut: () => boolean;
  private readonly source: Socket;
  private readonly sink: Socket;
  private readonly weather: Weather;
  private timer: NodeJS.Timeout | undefined;
  private lastDueMs = 0;
  private hasEnded = false;

  constructor(source: Socket, sink: Socket, weather: Weather, isCut: () => boolean) {
    this.source = source;
    this.sink = sink;
    this.weather = weather;
    this.isCut = isCut;
    source.on("data", (bytes) => this.take(bytes));
    source.on("close", () => this.take(undefined));
    // The end of the connection follows, and that is what passes on.
    source.on("error", () => undefined);
    sink.on("drain", () => this.pump());
  }

  private take(bytes: Buffer | undefined): void {
    if (this.hasEnded) return;
    this.hasEnded = bytes === undefined;
    this.lastDueMs = Math.max(this.lastDueMs, performance.now() + this.weather.delayOf());
    this.waiting.push({ bytes, dueMs: this.lastDueMs });
    if (this.waiting.length >= CHUNKS_WAITING_MAX) this.source.pause();
    this.pump();
  }

  /** Passes on what may go now. */
  pump(): void {
    clearTimeout(this.timer);
    while (this.waiting.length > 0 && !this.isCut()) {
      const [{ bytes, dueMs }] = this.waiting as [{ bytes: Buffer | undefined; dueMs: number }];
      const earlyMs = dueMs - performance.now();
      if (earlyMs > 0) {
        this.timer = setTimeout(() => this.pump(), earlyMs);
        return;
      }
      if (this.sink.writableNeedDrain && !this.sink.destroyed) return;
      this.waiting.shift();
      if (bytes === undefined) this.sink.destroySoon();
      else if (!this.sink.destroyed) this.sink.write(bytes);
    }
    if (this.waiting.length < CHUNKS_WAITING_MAX) this.source.resume();
  }

  close(): void {
    clearTimeout(this.timer);
    this.source.destroy();
    this.sink.destroy();
  }
}

export class RelayNetwork implements Network {
  readonly kind = "relay";
  readonly host = "127.0.0.1";
  readonly range = "127.0.0.0/8";
  readonly needsTls = false;
  private readonly weather: Weather;
  private readonly places = new Map<string, Place>();
  private readonly links = new Map<string, Server>();
  private readonly pipes = new Set<Pipe>();

  private constructor(random: Random) {
    this.weather = new Weather(random);
  }

  static async open(ids: readonly string[], random: Random): Promise<RelayNetwork> {
    const network = new RelayNetwork(random);
    const ports = await freePorts((ids.length + 1) * ids.length);
    for (const [at, id] of ids.entries()) {
      network.places.set(id, { peer: `127.0.0.1:${ports[2 * at]}`, api: `127.0.0.1:${ports[2 * at + 1]}`, launcher: [] });
    }
    const relayPorts = ports.slice(2 * ids.length);
    for (const from of ids) for (const to of ids) if (from !== to) await network.open(from, to, relayPorts.pop() ?? 0);
    return network;
  }

  private async open(from: string, to: string, listenPort: number): Promise<void> {
    const port = Number(this.place(to).peer.split(":")[1]);
    const server = createServer({ noDelay: true }, (near) => {
      const far = connect({ host: "127.0.0.1", port, noDelay: true });
      const ways = [
        new Pipe(near, far, this.weather, () => this.weather.isCut(from, to)),
        new Pipe(far, near, this.weather, () => this.weather.isCut(to, from)),
      ];
      for (const way of ways) this.pipes.add(way);
      const forget = (): void => {
        if (near.destroyed && far.destroyed) for (const way of ways) this.pipes.delete(way);
      };
      near.on("close", forget);
      far.on("close", forget);
    });
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(listenPort, "127.0.0.1", resolve));
    this.links.set(`${from}>${to}`, server);
  }

  place(id: string): Place {
    const found = this.places.get(id);
    if (found === undefined) throw new Error(`no node ${id}`);
    return found;
  }

  peerOf(from: string, to: string): string {
    const link = this.links.get(`${from}>${to}`);
    if (link === undefined) throw new Error(`no link from ${from} to ${to}`);
    return `127.0.0.1:${(link.address() as AddressInfo).port}`;
  }

  async cut(from: readonly string[], to: readonly string[]): Promise<void> {
    for (const a of from) for (const b of to) this.weather.cuts.add(`${a}>${b}`);
  }

  async lose(percent: number): Promise<void> {
    this.weather.lossPercent = percent;
  }

  async slow(): Promise<void> {
    this.weather.delayMs = SLOW_MS;
  }

  async heal(): Promise<void> {
    this.weather.cuts.clear();
    this.weather.lossPercent = 0;
    this.weather.delayMs = 0;
    for (const pipe of this.pipes) pipe.pump();
  }

  async close(): Promise<void> {
    for (const server of this.links.values()) server.close();
    for (const pipe of this.pipes) pipe.close();
  }
}
