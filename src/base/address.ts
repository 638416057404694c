// Owns: a host and a port as text, and which hosts no other machine can reach. How settings write addresses is src/config's business.

import { BlockList, isIPv4, isIPv6 } from "node:net";

export type Address = { readonly host: string; readonly port: number };

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** True for addresses of this machine only: 127.0.0.0/8, ::1 and the name localhost. A name that merely resolves to them is not. */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return loopback.check(host, "ipv4");
  if (isIPv6(host)) return loopback.check(host, "ipv6");
  return host.toLowerCase() === "localhost";
}

/** "127.0.0.1:7400" or "[::1]:7400". */
export function formatAddress(address: Address): string {
  return isIPv6(address.host) ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
