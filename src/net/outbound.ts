// Owns: the connection that this node opens to one peer for one lane, and the queue of frames on it. Frames of the peer come
// on its own connections (inbound.ts); what being up means for the node is links.ts.
//
//   waiting --timer--> dialing --200--> open        any failure leads back to waiting, for a longer, jittered while
//
// (O1) Frames are taken only while open and are lost with the connection: nothing is ever sent twice.
// (O2) At most limits.linkQueueMaxBytes wait to be sent; beyond, `send` refuses.
// (O3) A session is left for good at its first failure; whatever it still reports is ignored.

import { connect as connectSession } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from "node:http2";
import { connect as connectTcp } from "node:net";
import type { Socket } from "node:net";
import { TLSSocket, connect as connectTls } from "node:tls";
import { messageOf } from "../base/errors.ts";
import { limits } from "../limits.ts";
import type { System, Timer } from "../system.ts";
import { formatAddress } from "../base/address.ts";
import type { PeerAddress } from "./address.ts";
import type { TlsMaterial } from "./certificates.ts";
import { encodeFrame } from "./frame.ts";
import { certificateUri, helloHeaders, readIdentity, serverUri, whyRefuseAnswer } from "./identity.ts";
import type { Incarnations, Lane, LinkIdentity } from "./identity.ts";

/** Where notes for the operator go; a pino logger fits. */
export interface LinkLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

/** What all connections of a node share. */
export type LinkContext = {
  identity: LinkIdentity;
  readonly seen: Incarnations;
  readonly tls: TlsMaterial | undefined;
  readonly system: System;
  readonly log: LinkLog;
};

export type OutboundHooks = {
  opened(outbound: Outbound, identity: LinkIdentity): void;
  lost(outbound: Outbound): void;
  refused(outbound: Outbound, reason: string): void;
};

export type OutboundStats = {
  readonly peer: string;
  readonly lane: Lane;
  readonly state: "waiting" | "dialing" | "open" | "closed";
  readonly queuedBytes: number;
  /** Pings in a row without an answer. */
  readonly silentSweeps: number;
  readonly framesSent: number;
  readonly bytesSent: number;
  readonly framesDropped: number;
  readonly dials: number;
};

const SWEEPS_UNTIL_DEAD = 2;

export class Outbound {
  readonly peer: PeerAddress;
  readonly lane: Lane;
  /** Of the process at the other end; undefined unless open. */
  identity: LinkIdentity | undefined;
  private readonly context: LinkContext;
  private readonly hooks: OutboundHooks;
  private session: ClientHttp2Session | undefined;
  private stream: ClientHttp2Stream | undefined;
  private timer: Timer | undefined;
  private closed = false;
  private failures = 0;
  private lastFailure = ""; // each reason is logged once until it changes or the link opens
  private openedAtMs = 0;
  private silentSweeps = 0;
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
  }

  /** Dials now, if it is not connected and not at it. */
  dial(): void {
    if (this.closed || this.session !== undefined) return;
    this.timer?.cancel();
    this.timer = undefined;
    this.silentSweeps = 0;
    this.dials++;
    const { identity, tls } = this.context;
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
    const stream = session.request(helloHeaders({ identity, lane: this.lane, to: this.peer.id }), { endStream: false });
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
    const refusal = headers[":status"] === 200
      ? whyRefuseAnswer(this.context.identity, this.peer.id, answer, this.context.seen)
      : String(headers["pawl-reason"] ?? headers[":status"]);
    if (refusal !== undefined || answer === undefined) {
      const reason = refusal ?? "bad_request";
      this.fail(session, `refused: ${reason}`);
      this.hooks.refused(this, reason);
      return;
    }
    this.context.seen.set(this.peer.id, answer.incarnation);
    this.identity = answer;
    this.lastFailure = "";
    this.silentSweeps = 0;
    this.openedAtMs = this.context.system.monotonicMs();
    this.hooks.opened(this, answer);
  }

  /** Queues a message; false if not connected (O1) or full (O2). What is queued in one turn leaves as one write. */
  send(message: readonly unknown[]): boolean {
    const frame = this.identity === undefined ? undefined : encodeFrame(message);
    if (frame === undefined || this.queuedBytes + frame.length > limits.linkQueueMaxBytes) {
      this.framesDropped++;
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
    stream.write(pending.length === 1 ? pending[0] : Buffer.concat(pending));
  }

  get queuedBytes(): number {
    return this.pendingBytes + (this.stream?.writableLength ?? 0);
  }

  /** Called every limits.linkSilenceMaxMs / 3: pings, and gives up a connection (or an attempt at one) that stays silent. */
  sweep(): void {
    const session = this.session;
    if (session === undefined) return;
    if (this.silentSweeps >= SWEEPS_UNTIL_DEAD) return this.fail(session, "the peer is silent");
    this.silentSweeps++;
    if (this.identity === undefined) return;
    session.ping((error) => {
      if (error === null && this.session === session) this.silentSweeps = 0;
    });
  }

  /** The peer was met as `incarnation`: a connection to an older process is given up, and a wait is cut short. */
  meet(incarnation: number): void {
    if (this.identity !== undefined && this.identity.incarnation < incarnation) this.drop("the peer has restarted");
    this.dial();
  }

  /** Gives up the connection, if there is one; another one is dialled later. */
  drop(reason: string): void {
    if (this.session !== undefined) this.fail(this.session, reason);
  }

  private fail(session: ClientHttp2Session, reason: string): void {
    if (this.session !== session) return; // (O3)
    const { identity, context } = this;
    this.session = undefined;
    this.stream = undefined;
    this.identity = undefined;
    this.pending = [];
    this.pendingBytes = 0;
    session.destroy();
    if (identity !== undefined) {
      // A connection that breaks at once, again and again, must not be dialled at the shortest interval for ever.
      if (context.system.monotonicMs() - this.openedAtMs >= limits.linkReconnectMaxMs) this.failures = 0;
    }
    const what = identity === undefined ? "cannot link" : "link lost";
    if (reason !== this.lastFailure) context.log.info({ peer: this.peer.id, lane: this.lane, reason }, what);
    this.lastFailure = reason;
    this.redialLater();
    if (identity !== undefined) this.hooks.lost(this);
  }

  private redialLater(): void {
    if (this.closed) return;
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
    const state = this.closed ? "closed" : this.identity !== undefined ? "open" : this.session !== undefined ? "dialing" : "waiting";
    const { lane, queuedBytes, silentSweeps, framesSent, bytesSent, framesDropped, dials } = this;
    return { peer: this.peer.id, lane, state, queuedBytes, silentSweeps, framesSent, bytesSent, framesDropped, dials };
  }
}
