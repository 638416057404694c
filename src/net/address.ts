// Owns: how a host and a port are written, and which hosts cannot be reached from another machine. Whether an address may be
// used without TLS is decided by the configuration, with `isLoopback`.

import { BlockList, isIPv4, isIPv6 } from "node:net";
import { PawlError } from "../base/errors.ts";

export type Address = { readonly host: string; readonly port: number };

/** Where the links of a node of the cluster are reached. */
export type PeerAddress = Address & { readonly id: string };

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;

/** True for addresses of this machine only: 127.0.0.0/8, ::1 and the name localhost. A name that merely resolves to them is not. */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return loopback.check(host, "ipv4");
  if (isIPv6(host)) return loopback.check(host, "ipv6");
  return host.toLowerCase() === "localhost";
}

/** Reads "127.0.0.1:7400", "[::1]:7400" or "name:7400"; port 1 to 65535. Throws PawlError("config") that names `field`. */
export function parseAddress(value: string, field: string): Address {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(value);
  const bracketed = match?.[1];
  const host = bracketed ?? match?.[2] ?? "";
  const port = Number(match?.[3] ?? 0);
  // A name whose last label is a number would be read as an odd spelling of an IPv4 address (127.1) by some resolvers.
  const known = bracketed === undefined ? isIPv4(host) || (HOST_NAME.test(host) && !/(^|\.)\d+$/.test(host)) : isIPv6(host);
  if (!known || port < 1 || port > 65535) {
    const got = JSON.stringify(value);
    throw new PawlError("config", `${field}: expected host:port like 127.0.0.1:7400 or [::1]:7400, got ${got}`, { field });
  }
  return { host, port };
}

/** The inverse of `parseAddress`. */
export function formatAddress(address: Address): string {
  return isIPv6(address.host) ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
