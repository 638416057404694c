// Owns: addresses as settings write them: "host:port", and networks as CIDR. Listening and dialling are src/net and src/api.

import { isIP, isIPv4 } from "node:net";
import type { Address } from "../base/address.ts";

const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;

/** "127.0.0.1:7500", "[::1]:7500" or "a.example:7500"; undefined for anything else. Port 0 ("any free one") only where allowed. */
export function parseAddress(text: string, portMin: 0 | 1 = 1): Address | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const port = Number(match[3]);
  const host = (match[1] ?? match[2]) as string;
  const real = match[1] === undefined ? namesHost(host) : isIP(host) === 6;
  return real && port >= portMin && port <= 65_535 ? { host, port } : undefined;
}

/** Digits and dots alone are an IPv4 address or a mistake, never a name. */
function namesHost(host: string): boolean {
  return /^[\d.]+$/.test(host) ? isIPv4(host) : HOST_NAME.test(host);
}

/** "10.0.0.0/8" or "fd00::/8". */
export function isCidr(text: string): boolean {
  const match = /^([0-9A-Fa-f:.]+)\/(\d{1,3})$/.exec(text);
  const family = match ? isIP(match[1] as string) : 0;
  return family !== 0 && Number(match?.[2]) <= (family === 4 ? 32 : 128);
}
