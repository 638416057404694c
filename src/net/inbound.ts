// Owns: the listening socket and the connections that peers open to this node: it decides whom to believe (with identity.ts)
// and cuts what they send into messages. It sends nothing but the answer to the handshake.
// (A1) Nothing of a connection reaches the node before its handshake is accepted; a refused one changes no state.
// (A2) One connection per node and lane: a newer one of the same or a higher incarnation replaces it, and a higher incarnation ends
//      all lanes of the older process.
// (A3) Whatever a connection does, at worst it is closed: every emitter has an error handler, and a bad frame ends only its own connection.
// (A4) Connections that stay silent or never finish their handshake are closed by the sweep.

import { constants, createSecureServer, createServer } from "node:http2";
import type { Http2SecureServer, Http2Server, Http2Session, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { PawlError, messageOf } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { formatAddress } from "../base/address.ts";
import type { Address } from "../base/address.ts";
import { FrameReader } from "./frame.ts";
import { certificateUri, identityHeaders, readHello, refusals, whyRefuseHello } from "./identity.ts";
import type { Hello, Lane, LinkIdentity, RefusalReason } from "./identity.ts";
import type { LinkContext } from "./outbound.ts";

export type InboundHooks = {
  accepted(hello: Hello): void;
  /** May throw a PawlError when the message makes no sense: the connection is then closed. */
  frame(from: string, lane: Lane, message: readonly unknown[]): void;
};

export type InboundStats = {
  readonly connections: number;
  readonly accepted: number;
  readonly framesReceived: number;
  readonly bytesReceived: number;
  readonly badFrames: number;
  readonly refusals: number;
};

type Connection = { readonly session: Http2Session; hello: Hello | undefined; silentSweeps: number };

const SWEEPS_UNTIL_DEAD = 2;

export class Acceptor {
  private readonly context: LinkContext;
  private readonly hooks: InboundHooks;
  private readonly server: Http2Server | Http2SecureServer;
  private readonly sockets = new Set<Socket>();
  private readonly connections = new Map<Http2Session, Connection>();
  private framesReceived = 0;
  private bytesReceived = 0;
  private badFrames = 0;
  private refusals = 0;
  /** The reason that the operator was last told of a node, so that one that knocks on and on does not fill the log. */
  private readonly told = new Map<string, RefusalReason>();

  constructor(context: LinkContext, hooks: InboundHooks) {
    this.context = context;
    this.hooks = hooks;
    this.server = createLinkServer(context);
    // The server's types know these events only under the name of one of its two kinds.
    const server = this.server as Http2Server;
    server.maxConnections = limits.linkConnectionsMax;
    server.on("error", (error) => context.log.warn({ reason: messageOf(error) }, "link server error"));
    server.on("connection", (socket: Socket) => this.watchSocket(socket));
    server.on("secureConnection", (socket: Socket) => this.watchSocket(socket));
    server.on("tlsClientError", (error: Error) => {
      this.refusals++;
      context.log.warn({ reason: messageOf(error) }, "refused a connection without a valid certificate");
    });
    server.on("unknownProtocol", (socket: Socket) => socket.destroy());
    server.on("sessionError", () => undefined); // the session's own handler has it
    server.on("session", (session) => this.open(session));
    server.on("stream", (stream, headers) => this.ask(stream, headers));
  }

  /** Rejects with PawlError("config") when the address cannot be used. */
  listen(address: Address): Promise<void> {
    return new Promise((resolve, reject) => {
      const refuse = (error: NodeJS.ErrnoException): void => reject(cannotListen(address, error));
      this.server.once("error", refuse);
      this.server.listen({ host: address.host, port: address.port }, () => {
        this.server.removeListener("error", refuse);
        resolve();
      });
    });
  }

  private watchSocket(socket: Socket): void {
    this.sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.sockets.delete(socket));
  }

  private open(session: Http2Session): void {
    const connection: Connection = { session, hello: undefined, silentSweeps: 0 };
    this.connections.set(session, connection);
    session.setLocalWindowSize(limits.linkWindowBytes);
    session.on("error", () => session.destroy());
    session.on("close", () => this.connections.delete(session));
    session.on("ping", () => {
      if (connection.hello !== undefined) connection.silentSweeps = 0; // a ping does not excuse a missing handshake (A4)
    });
  }

  private ask(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const session = stream.session;
    stream.on("error", () => session?.destroy());
    const connection = session === undefined ? undefined : this.connections.get(session);
    if (session === undefined || connection === undefined) return;
    // One stream per connection, for its whole life.
    if (connection.hello !== undefined) return session.destroy(undefined, constants.NGHTTP2_PROTOCOL_ERROR);
    const { identity, known } = this.context;
    const hello = readHello(headers);
    const refusal = whyRefuseHello(identity, hello, known, uriOf(session));
    if (refusal !== undefined || hello === undefined) this.refuse(stream, session, hello, refusal ?? "bad_request");
    else this.accept(stream, connection, hello);
  }

  private refuse(stream: ServerHttp2Stream, session: Http2Session, hello: Hello | undefined, reason: RefusalReason): void {
    this.refusals++;
    this.noteRefusal(hello?.identity.node ?? "", session.socket.remoteAddress, reason);
    stream.respond({ ":status": refusals[reason].status, "pawl-reason": reason }, { endStream: true });
    stream.resume();
    session.close(); // whoever does not hang up then is cut off by the sweep (A4)
  }

  private noteRefusal(node: string, from: string | undefined, reason: RefusalReason): void {
    if (this.told.get(node) === reason) return;
    if (this.told.size >= limits.linkConnectionsMax) this.told.clear();
    this.told.set(node, reason);
    this.context.log.warn({ node, from, reason }, "refused a link");
  }

  private accept(stream: ServerHttp2Stream, connection: Connection, hello: Hello): void {
    const { node, incarnation } = hello.identity;
    this.told.delete(node);
    for (const other of this.connections.values()) {
      const known = other.hello;
      if (known?.identity.node !== node) continue;
      if (known.lane === hello.lane || known.identity.incarnation < incarnation) other.session.destroy(); // (A2)
    }
    connection.hello = hello;
    connection.silentSweeps = 0;
    const reader = new FrameReader();
    const deliver = (message: readonly unknown[]): void => {
      if (connection.session.destroyed) return; // replaced by what an earlier message of this chunk has set off
      this.framesReceived++;
      this.hooks.frame(node, hello.lane, message);
    };
    stream.on("data", (chunk: Buffer) => {
      if (connection.session.destroyed) return;
      connection.silentSweeps = 0;
      this.bytesReceived += chunk.length;
      this.read(connection, reader, chunk, deliver);
    });
    stream.on("end", () => {
      if (!stream.destroyed) stream.end();
    });
    stream.on("close", () => connection.session.close());
    stream.respond({ ":status": 200, ...identityHeaders(this.context.identity) });
    this.hooks.accepted(hello);
  }

  private read(connection: Connection, reader: FrameReader, chunk: Buffer, deliver: (message: readonly unknown[]) => void): void {
    try {
      reader.push(chunk, deliver);
    } catch (error) {
      if (!(error instanceof PawlError)) throw error; // a bug ends the process
      this.badFrames++;
      const { hello } = connection;
      this.context.log.warn({ node: hello?.identity.node, lane: hello?.lane, reason: error.message }, "closed a link after a bad frame");
      connection.session.destroy(undefined, constants.NGHTTP2_PROTOCOL_ERROR); // (A3)
    }
  }

  /** What a node said of itself whose connection stands. */
  connected(node: string): LinkIdentity | undefined {
    for (const { hello, session } of this.connections.values()) {
      if (hello?.identity.node === node && !session.destroyed) return hello.identity;
    }
    return undefined;
  }

  /** Called every limits.linkSilenceMaxMs / 3. */
  sweep(): void {
    for (const connection of this.connections.values()) {
      if (connection.silentSweeps >= SWEEPS_UNTIL_DEAD) connection.session.destroy();
      connection.silentSweeps++;
    }
  }

  /** Closes the connections of peers that `why` gives a reason against. */
  drop(why: (identity: LinkIdentity) => string | undefined): void {
    for (const { hello, session } of this.connections.values()) {
      if (hello !== undefined && why(hello.identity) !== undefined) session.destroy();
    }
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      for (const { session } of this.connections.values()) session.destroy();
      for (const socket of this.sockets) socket.destroy();
    });
  }

  stats(): InboundStats {
    const { framesReceived, bytesReceived, badFrames, refusals } = this;
    const accepted = [...this.connections.values()].filter(({ hello }) => hello !== undefined).length;
    return { connections: this.connections.size, accepted, framesReceived, bytesReceived, badFrames, refusals };
  }
}

function createLinkServer(context: LinkContext): Http2Server | Http2SecureServer {
  const common = {
    settings: { initialWindowSize: limits.linkWindowBytes, maxConcurrentStreams: 1, maxHeaderListSize: 16_384 },
    maxHeaderListPairs: 64,
    maxSettings: 16,
    maxSessionMemory: 4,
    // A peer has one stream per connection and never resets it, so these leave room for nothing but floods to be cut off.
    streamResetBurst: 10,
    streamResetRate: 1,
  };
  if (context.tls === undefined) return createServer(common);
  return createSecureServer({
    ...common,
    ...context.tls,
    minVersion: "TLSv1.2",
    ALPNProtocols: ["h2"],
    allowHTTP1: false,
    requestCert: true,
    rejectUnauthorized: true,
    handshakeTimeout: limits.linkSilenceMaxMs,
  });
}

function uriOf(session: Http2Session): string | undefined | "no_tls" {
  const socket = session.socket;
  return socket instanceof TLSSocket ? certificateUri(socket.getPeerCertificate().subjectaltname) : "no_tls";
}

function cannotListen(address: Address, error: NodeJS.ErrnoException): PawlError {
  const next =
    error.code === "EADDRINUSE"
      ? "another process has this port: end it or choose another port"
      : error.code === "EADDRNOTAVAIL"
        ? "no interface of this machine has this address: correct it"
        : error.code === "EACCES"
          ? "ports below 1024 need a privilege: choose a higher one"
          : "check the address of this node in the configuration";
  const reason = error.code ?? error.message;
  return new PawlError("config", `cannot listen for links on ${formatAddress(address)}: ${reason}; ${next}`, { cause: error });
}
