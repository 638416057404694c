// Owns: where a node of the cluster is reached, and how it says so itself. How settings write addresses is src/config/address.ts.

import type { Address } from "../base/address.ts";

/** Where the links of a node of the cluster are reached. */
export type PeerAddress = Address & { readonly id: string };

/** What `formatAddress` wrote: "host:port" or "[v6]:port"; undefined for anything else. */
export function readAddress(text: unknown): Address | undefined {
  const match = typeof text === "string" ? /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9.-]{1,253})):(\d{1,5})$/.exec(text) : null;
  const port = Number(match?.[3]);
  if (!match || port < 1 || port > 65_535) return undefined;
  return { host: (match[1] ?? match[2]) as string, port };
}
