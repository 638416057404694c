// Owns: which addresses an HTTP job may reach, and the connections that it uses. The judgement is made on addresses, never on
// the spelling of a name: before dialling on every address that the resolver gave, and again on the address that the socket is
// really connected to, before a byte is written (so that neither an odd spelling nor a name that changes its answer gets through).
// (G1) No packet leaves for an address that the resolver gave or the URL spells and that is refused.
// (G2) No byte is written, TLS included, to a socket whose remote address is refused.
// Ranges: IANA special-purpose address registries for IPv4 and IPv6. Of IPv6 only global unicast (2000::/3) may be reached.

import net from "node:net";
import dns from "node:dns";
import { buildConnector } from "undici";
import type { System } from "../system.ts";
import { PawlError } from "../base/errors.ts";
import { limits } from "../limits.ts";

const REFUSED_V4 = [
  "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
  "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
];
const REFUSED_V6 = [
  "::/3", "4000::/2", "8000::/1", // All but 2000::/3: loopback, NAT64, unique local, link local, multicast, unassigned.
  "2001::/23", // Teredo, benchmarking, ORCHID and other protocol assignments.
  "2001:db8::/32", "2002::/16", "3fff::/20",
];

/** Addresses of one family each: a mapped address must meet the list of IPv4, not that of IPv6. */
class AddressSet {
  private readonly v4 = new net.BlockList();
  private readonly v6 = new net.BlockList();

  constructor(ranges: readonly string[], field: string) {
    for (const range of ranges) this.add(range, field);
  }

  private add(range: string, field: string): void {
    const [address = "", bits, ...rest] = range.split("/");
    const family = net.isIP(address);
    const most = family === 4 ? 32 : 128;
    const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
    if (family === 0 || rest.length > 0 || prefix < 0 || prefix > most) {
      const expected = 'expected a range like "10.0.0.0/8" or an address like "::1"';
      throw new PawlError("config", `${field}: ${expected}, got ${JSON.stringify(range)}`, { field });
    }
    if (family === 4) this.v4.addSubnet(address, prefix, "ipv4");
    else this.v6.addSubnet(address, prefix, "ipv6");
  }

  has(address: string): boolean {
    const bare = address.replace(/%.*$/, "");
    if (net.isIPv4(bare)) return this.v4.check(bare, "ipv4");
    // BlockList compares a mapped address (::ffff:a.b.c.d) with ranges of IPv4 by itself.
    return isMapped(bare) ? this.v4.check(bare, "ipv6") : this.v6.check(bare, "ipv6");
  }
}

const mapped = new net.BlockList();
mapped.addSubnet("::ffff:0:0", 96, "ipv6");

function isMapped(address: string): boolean {
  return mapped.check(address, "ipv6");
}

type Resolved = (error: NodeJS.ErrnoException | null, found: dns.LookupAddress[]) => void;

export type Resolver = (hostname: string, options: dns.LookupAllOptions, done: Resolved) => void;

export type GuardOptions = {
  readonly system: System;
  /** Ranges that are opened although they are private: "10.0.0.0/8", "::1". */
  readonly allowAddresses: readonly string[];
  /** Certificates (PEM) to trust instead of the system's. */
  readonly ca?: string | undefined;
  readonly resolve?: Resolver | undefined;
  readonly dial?: ((options: net.TcpNetConnectOpts) => net.Socket) | undefined;
};

export class Guard {
  private readonly options: GuardOptions;
  private readonly allowed: AddressSet;
  /** Speaks TLS over a socket that was checked. */
  private readonly encrypt: buildConnector.connector;
  private readonly refused = new AddressSet([...REFUSED_V4, ...REFUSED_V6], "built-in ranges");

  constructor(options: GuardOptions) {
    this.options = options;
    this.allowed = new AddressSet(options.allowAddresses, "http.allow_addresses");
    this.encrypt = buildConnector({ allowH2: false, timeout: 0, ...(options.ca === undefined ? {} : { ca: options.ca }) });
  }

  allows(address: string): boolean {
    return net.isIP(address.replace(/%.*$/, "")) !== 0 && (this.allowed.has(address) || !this.refused.has(address));
  }

  /** A connector for undici: dials, checks, and only then speaks TLS or hands the socket over. */
  readonly connect = (target: buildConnector.Options, callback: buildConnector.Callback): void => {
    const { system, dial = net.connect } = this.options;
    let pending = true;
    let socket: net.Socket | undefined;
    const end = (error: Error | null): void => {
      if (!pending) return;
      pending = false;
      timer.cancel();
      if (error === null && socket !== undefined) return callback(null, socket);
      socket?.destroy();
      callback(error ?? new Error("no connection"), null);
    };
    const timer = system.after(limits.connectTimeoutMs, () => {
      end(new Error(`no connection to ${target.hostname} within ${limits.connectTimeoutMs} ms`));
    });
    const secure = target.protocol === "https:";
    if (net.isIP(target.hostname) !== 0 && !this.allows(target.hostname)) {
      // undici takes an answer within the call for a bug of the connector.
      queueMicrotask(() => end(refusal(target.hostname, target.hostname)));
      return;
    }
    const raw = dial({
      host: target.hostname,
      port: Number(target.port || (secure ? 443 : 80)),
      lookup: this.lookup,
      autoSelectFamily: true,
      noDelay: true,
      keepAlive: true,
    });
    socket = raw;
    raw.on("error", end);
    raw.once("close", () => end(new Error("the connection was closed before it was ready")));
    raw.once("connect", () => {
      const address = raw.remoteAddress ?? "unknown";
      if (!this.allows(address)) return end(refusal(target.hostname, address)); // (G2)
      if (!secure) return end(null);
      this.encrypt({ ...target, httpSocket: raw }, (error, encrypted) => {
        socket = encrypted ?? raw;
        end(error);
      });
    });
  };

  /** Resolves and keeps only what may be reached (G1). */
  private readonly lookup: net.LookupFunction = (hostname, options, done) => {
    const resolve: Resolver = this.options.resolve ?? dns.lookup;
    resolve(hostname, { family: options.family ?? 0, hints: options.hints ?? 0, all: true }, (error, found) => {
      if (error) return done(error, []);
      const open = found.filter(({ address }) => this.allows(address));
      const first = open[0];
      const all = found.map(({ address }) => address).join(", ");
      if (first === undefined) return done(refusal(hostname, all === "" ? "no address" : all), []);
      if (options.all === true) done(null, open);
      else done(null, first.address, first.family);
    });
  };
}

function refusal(hostname: string, address: string): Error {
  const text = `${hostname} is at ${address}, which HTTP jobs may not reach: add its range to http.allow_addresses to open it`;
  return new PawlError("forbidden", text);
}
