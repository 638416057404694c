// Owns: the connection that this node opens to one peer for one lane, and the queue of frames on it. Frames of the peer come
// on its own connections (inbound.ts); what being up means for the node is links.ts.
//
//   waiting --timer--> dialing --200--> open        any failure leads back to waiting, for a longer, jittered while
//
// The lane for snapshots is idle instead of waiting while nobody wants it: a refused `send` makes it dial, disuse makes it close.
//
// (O1) Frames are taken only while open and are lost with the connection: nothing is ever sent twice.
// (O2) At most `queueMaxBytes` of the lane wait to be sent; beyond, `send` refuses.
// (O3) A session is left for good at its first failure; whatever it still reports is ignored.
// (O4) After a `send` that was refused, `drained` is told once when there is room again, over any number of failures in between.

import { connect as connectSession } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from "node:http2";
import { connect as connectTcp } from "node:net";
import type { Socket } from "node:net";
import { TLSSocket, connect as connectTls } from "node:tls";
import { messageOf } from "../base/errors.ts";
import { limits } from "../limits.ts";
import type { System, Timer } from "../system.ts";
import { formatAddress } from "../base/address.ts";
import type { Address } from "../base/address.ts";
import type { PeerAddress } from "./address.ts";
import type { TlsMaterial } from "./certificates.ts";
import { encodeFrame } from "./frame.ts";
import { certificateUri, helloHeaders, readIdentity, refusals, serverUri, whyRefuseAnswer } from "./identity.ts";
import type { Acquaintances, Lane, LinkIdentity, RefusalReason } from "./identity.ts";

/** Where notes for the operator go; a pino logger fits. */
export interface LinkLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

/** What all connections of a node share. */
export type LinkContext = {
  identity: LinkIdentity;
  /** Where this node is reached itself. */
  readonly address: Address;
  readonly known: Acquaintances;
  readonly tls: TlsMaterial | undefined;
  readonly system: System;
  readonly log: LinkLog;
};

export type OutboundHooks = {
  opened(outbound: Outbound, identity: LinkIdentity): void;
  lost(outbound: Outbound): void;
  refused(outbound: Outbound, reason: string): void;
  drained(outbound: Outbound): void;
};

export type OutboundStats = {
  readonly peer: string;
  readonly lane: Lane;
  readonly state: "idle" | "waiting" | "dialing" | "open" | "closed";
  readonly queuedBytes: number;
  /** Pings in a row without an answer. */
  readonly silentSweeps: number;
  readonly framesSent: number;
  readonly bytesSent: number;
  readonly framesDropped: number;
  readonly dials: number;
};

const SWEEPS_UNTIL_DEAD = 2;
/** From this size on a frame is written as it is, instead of being copied together with its neighbours. */
const APART_MIN_BYTES = 16 * 1024;

export class Outbound {
  readonly peer: PeerAddress;
  readonly lane: Lane;
  /** Of the process at the other end; undefined unless open. */
  identity: LinkIdentity | undefined;
  private readonly context: LinkContext;
  private readonly hooks: OutboundHooks;
  private readonly onDemand: boolean;
  private readonly queueMaxBytes: number;
  private session: ClientHttp2Session | undefined;
  private stream: ClientHttp2Stream | undefined;
  private timer: Timer | undefined;
  private closed = false;
  private failures = 0;
  private lastFailure = ""; // each reason is logged once until it changes or the link opens
  private openedAtMs = 0;
  private silentSweeps = 0;
  /** A `send` was refused and nobody was told yet that there is room (O4). */
  private starved = false;
  private usedAtMs = 0;
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  private framesSent = 0;
  private bytesSent = 0;
  private framesDropped = 0;
  private dials = 0;

  constructor(context: LinkContext, peer: PeerAddress, lane: Lane, hooks: OutboundHooks) {
    this.context = context;
    this.peer = peer;
    this.lane = lane;
    this.hooks = hooks;
    this.onDemand = lane === "snapshot";
    this.queueMaxBytes = this.onDemand ? limits.snapshotQueueMaxBytes : limits.linkQueueMaxBytes;
  }

  /** Opens the connection if it is one that always stands. */
  start(): void {
    if (!this.onDemand) this.dial();
  }

  /** Dials now, if it is not connected and not at it. */
  dial(): void {
    if (this.closed || this.session !== undefined) return;
    this.timer?.cancel();
    this.timer = undefined;
    this.silentSweeps = 0;
    this.dials++;
    const { identity, tls, address } = this.context;
    const session = connectSession(`${tls ? "https" : "http"}://${formatAddress(this.peer)}`, {
      createConnection: () => this.connectSocket((reason) => this.fail(session, reason)),
      settings: { enablePush: false, maxHeaderListSize: 16_384 },
      maxHeaderListPairs: 64,
      maxSessionMemory: 2 * Math.ceil(limits.linkQueueMaxBytes / 1e6), // queued data count towards it, and pings fail beyond it
    });
    this.session = session;
    session.on("error", (error) => this.fail(session, messageOf(error)));
    session.on("goaway", (code) => this.fail(session, `the peer is leaving (GOAWAY ${code})`));
    session.on("close", () => this.fail(session, "connection closed"));
    session.on("connect", (_, socket) => {
      if (socket instanceof TLSSocket && socket.alpnProtocol !== "h2") this.fail(session, "the peer does not speak HTTP/2");
    });
    const stream = session.request(helloHeaders({ identity, lane: this.lane, to: this.peer.id, address }), { endStream: false });
    this.stream = stream;
    stream.on("error", (error) => this.fail(session, messageOf(error)));
    stream.on("close", () => this.fail(session, "stream closed"));
    stream.on("response", (headers) => this.answered(session, headers));
    stream.resume();
  }

  private connectSocket(failed: (reason: string) => void): Socket {
    const { tls, identity } = this.context;
    const { host, port, id } = this.peer;
    const expected = serverUri(identity.cluster, id);
    const socket = tls
      ? connectTls({
          ...tls,
          host,
          port,
          minVersion: "TLSv1.2",
          ALPNProtocols: ["h2"],
          rejectUnauthorized: true,
          // The chain was verified against the cluster's CA before; the URI says which node it is, wherever it is reached.
          checkServerIdentity(_, certificate) {
            const names = certificateUri(certificate.subjectaltname);
            return names === expected ? undefined : new Error(`the peer's certificate is not for ${expected}`);
          },
        })
      : connectTcp({ host, port });
    socket.on("error", (error) => failed(messageOf(error)));
    return socket;
  }

  private answered(session: ClientHttp2Session, headers: IncomingHttpHeaders & IncomingHttpStatusHeader): void {
    if (this.session !== session) return;
    const answer = readIdentity(headers);
    const isTaken = headers[":status"] === 200;
    const refusal = isTaken
      ? whyRefuseAnswer(this.context.identity, this.peer.id, answer, this.context.known)
      : String(headers["pawl-reason"] ?? headers[":status"]);
    if (refusal !== undefined || answer === undefined) {
      const reason = refusal ?? "bad_request";
      this.fail(session, `refused: ${reason}`, isTaken ? `${this.peer.id} is not believed: ${reason}` : this.refusalBy(reason));
      this.hooks.refused(this, reason);
      return;
    }
    this.identity = answer;
    this.lastFailure = "";
    this.silentSweeps = 0;
    this.openedAtMs = this.context.system.monotonicMs();
    this.hooks.opened(this, answer);
    this.tellDrained();
  }

  private refusalBy(reason: string): string {
    const known = reason in refusals ? refusals[reason as RefusalReason] : undefined;
    return `${this.peer.id} refuses this node: ${known === undefined ? reason : `it says that ${known.says}; ${known.next}`}`;
  }

  /** Queues a message; false if not connected (O1) or full (O2). What is queued in one turn leaves together. */
  send(message: readonly unknown[]): boolean {
    this.usedAtMs = this.context.system.monotonicMs();
    const frame = this.identity === undefined ? undefined : encodeFrame(message);
    if (frame === undefined || this.queuedBytes + frame.length > this.queueMaxBytes) {
      this.framesDropped++;
      this.starved = true;
      if (this.onDemand && this.timer === undefined) this.dial();
      return false;
    }
    this.framesSent++;
    this.bytesSent += frame.length;
    this.pendingBytes += frame.length;
    if (this.pending.push(frame) === 1) queueMicrotask(() => this.flush());
    return true;
  }

  private flush(): void {
    const { pending, stream } = this;
    this.pending = [];
    this.pendingBytes = 0;
    if (stream === undefined || pending.length === 0) return;
    stream.cork();
    for (const part of joined(pending)) stream.write(part, () => this.stream === stream && this.tellDrained());
    stream.uncork();
  }

  private tellDrained(): void {
    if (!this.starved || this.identity === undefined || this.queuedBytes > this.queueMaxBytes / 2) return;
    this.starved = false;
    this.hooks.drained(this);
  }

  get queuedBytes(): number {
    return this.pendingBytes + (this.stream?.writableLength ?? 0);
  }

  /** Called every limits.linkSilenceMaxMs / 3: pings, and gives up a connection that stays silent (an attempt at one too) or unused. */
  sweep(): void {
    const session = this.session;
    if (session === undefined) return;
    if (this.silentSweeps >= SWEEPS_UNTIL_DEAD) return this.fail(session, "the peer is silent");
    this.silentSweeps++;
    if (this.identity === undefined) return;
    const unusedMs = this.context.system.monotonicMs() - this.usedAtMs;
    if (this.onDemand && this.queuedBytes === 0 && unusedMs >= limits.linkIdleMaxMs) return this.rest();
    session.ping((error) => {
      if (error === null && this.session === session) this.silentSweeps = 0;
    });
  }

  /** Closes a connection that nobody uses. What hangs in it then is cut off by the other side's sweep. */
  private rest(): void {
    const { session, stream } = this;
    this.forget();
    stream?.end();
    session?.close();
  }

  /** The peer was met as `incarnation`: a connection to an older process is given up, and a wait is cut short. */
  meet(incarnation: number): void {
    if (this.identity !== undefined && this.identity.incarnation < incarnation) this.drop("the peer has restarted");
    if (!this.onDemand || this.starved) this.dial();
  }

  /** Gives up the connection, if there is one; another one is dialled later. */
  drop(reason: string): void {
    if (this.session !== undefined) this.fail(this.session, reason);
  }

  /** Leaves the session (O3). The operator is told each reason once, as `refusal` where there is one. */
  private fail(session: ClientHttp2Session, reason: string, refusal?: string): void {
    if (this.session !== session) return;
    const { identity, context } = this;
    this.forget();
    session.destroy();
    if (identity !== undefined) {
      // A connection that breaks at once, again and again, must not be dialled at the shortest interval for ever.
      if (context.system.monotonicMs() - this.openedAtMs >= limits.linkReconnectMaxMs) this.failures = 0;
    }
    if (reason !== this.lastFailure) this.note(reason, refusal, identity === undefined ? "cannot link" : "link lost");
    this.lastFailure = reason;
    this.redialLater();
    if (identity !== undefined) this.hooks.lost(this);
  }

  private note(reason: string, refusal: string | undefined, what: string): void {
    const { log } = this.context;
    const details = { peer: this.peer.id, lane: this.lane, reason };
    if (refusal === undefined) log.info(details, what);
    else if (this.lane === "control") log.warn(details, refusal); // the other lanes are refused for the same reason
  }

  private forget(): void {
    this.session = undefined;
    this.stream = undefined;
    this.identity = undefined;
    this.silentSweeps = 0;
    this.pending = [];
    this.pendingBytes = 0;
  }

  private redialLater(): void {
    if (this.closed || (this.onDemand && !this.starved)) return;
    this.failures++;
    const { linkReconnectMinMs: shortestMs, linkReconnectMaxMs } = limits;
    const longestMs = Math.min(linkReconnectMaxMs, shortestMs * 2 ** Math.min(this.failures, 30));
    const delayMs = shortestMs + (longestMs - shortestMs) * this.context.system.random();
    this.timer = this.context.system.after(delayMs, () => this.dial());
  }

  /** Sends what is queued, then closes; cut off after limits.linkCloseMaxMs. */
  close(): Promise<void> {
    const { session, stream } = this;
    this.closed = true;
    this.timer?.cancel();
    if (session === undefined || stream === undefined || this.identity === undefined) {
      this.drop("closing");
      return Promise.resolve();
    }
    this.flush();
    return new Promise((resolve) => {
      const cut = this.context.system.after(limits.linkCloseMaxMs, () => session.destroy());
      session.once("close", () => {
        cut.cancel();
        resolve();
      });
      stream.end();
      session.close();
    });
  }

  stats(): OutboundStats {
    const { lane, queuedBytes, silentSweeps, framesSent, bytesSent, framesDropped, dials } = this;
    return { peer: this.peer.id, lane, state: this.state, queuedBytes, silentSweeps, framesSent, bytesSent, framesDropped, dials };
  }

  private get state(): OutboundStats["state"] {
    if (this.closed) return "closed";
    if (this.identity !== undefined) return "open";
    if (this.session !== undefined) return "dialing";
    return this.timer === undefined ? "idle" : "waiting";
  }
}

/** Small neighbours as one buffer: many small writes cost more than their copies, and a large copy more than a write. */
function joined(frames: readonly Buffer[]): Buffer[] {
  const parts: Buffer[] = [];
  let small: Buffer[] = [];
  const close = (): void => {
    if (small.length > 0) parts.push(small.length === 1 ? (small[0] as Buffer) : Buffer.concat(small));
    small = [];
  };
  for (const frame of frames) {
    if (frame.length < APART_MIN_BYTES) {
      small.push(frame);
      continue;
    }
    close();
    parts.push(frame);
  }
  close();
  return parts;
}
