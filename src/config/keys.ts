// Owns: the table of all settings: their path, kind, bounds and example. Flags and variables are derived from it, and
// cluster.example.toml is tested against it. Reading them is src/config.ts.
// (K1) A setting that is not in this table does not exist: an unknown key of the file is refused.

import { limits } from "../limits.ts";
import { isCidr, parseAddress } from "./address.ts";

export type KeyKind = "text" | "integer" | "boolean" | "list" | "members" | "plugins";

export type KeySpec = {
  readonly path: string;
  readonly kind: KeyKind;
  /** Completes "expected ...". */
  readonly expected: string;
  /** A good value as a flag or variable carries it, and as the file does. */
  readonly example: string;
  readonly toml: string;
  readonly describe: string;
  /** Whether a value of the right kind is acceptable; for lists, each element. */
  readonly accepts: (value: string | number | boolean) => boolean;
};

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
export const nameExpected = "1 to 63 letters, digits, '.', '_' or '-', starting with a letter or digit";
export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

export function isName(value: unknown): boolean {
  return typeof value === "string" && NAME.test(value);
}

const filled = (value: unknown): boolean => typeof value === "string" && value.trim() !== "" && !value.includes("\0");
const listens = (value: unknown): boolean => typeof value === "string" && parseAddress(value, 0) !== undefined;
const dials = (value: unknown): boolean => typeof value === "string" && parseAddress(value) !== undefined;
const between = (low: number, high: number) => (value: unknown): boolean =>
  typeof value === "number" && Number.isInteger(value) && value >= low && value <= high;

function key(path: string, kind: KeyKind, expected: string, example: string, describe: string, accepts: KeySpec["accepts"]): KeySpec {
  const list = example.split(",").map((part) => JSON.stringify(part)).join(", ");
  const toml = kind === "text" ? JSON.stringify(example) : kind === "list" ? `[${list}]` : example;
  return { path, kind, expected, example, toml, describe, accepts };
}

export const keys = {
  nodeId: key("node.id", "text", nameExpected, "node-a", "name of this node, one of the members", isName),
  dataDir: key("node.data_dir", "text", "a path", "./data/node-a", "folder of this node's data", filled),
  apiListen: key("api.listen", "text", "host:port", "127.0.0.1:7500", "address of the HTTP API", listens),
  peerListen: key("peer.listen", "text", "host:port", "127.0.0.1:7600", "address for the other nodes", dials),
  clusterName: key("cluster.name", "text", nameExpected, "production", "name of the cluster", isName),
  shards: key("cluster.shards", "integer", "1, more shards do not exist yet", "1", "number of shards, 1", between(1, 1)),
  members: key("cluster.members", "members", "id=peer/api,...", "a=10.0.0.1:7600/10.0.0.1:7500", "members, as id=peer/api,...", filled),
  join: key(
    "cluster.join", "boolean", "true or false", "false",
    "whether a new data directory joins a cluster that runs; members are then whom it asks", (value) => typeof value === "boolean",
  ),
  adminTokenFile: key("auth.admin_token_file", "text", "a path", "./admin.token", "file that holds the admin's bearer token", filled),
  slots: key(
    "worker.slots", "integer", `an integer from 1 to ${limits.slotsMax}`, "100", "executions at the same time",
    between(1, limits.slotsMax),
  ),
  tags: key("worker.tags", "list", nameExpected, "gpu,eu", "tags of this node, for placement", isName),
  allowAddresses: key(
    "http.allow_addresses", "list", "networks as CIDR", "10.0.0.0/8", "networks beyond public ones that http jobs may reach",
    (value) => typeof value === "string" && isCidr(value),
  ),
  shellEnabled: key(
    "shell.enabled", "boolean", "true or false", "false", "whether shell jobs may run here",
    (value) => typeof value === "boolean",
  ),
  retentionDays: key(
    "history.retention_days", "integer", `an integer from 1 to ${limits.historyRetentionMaxDays}`, "30",
    "days that ended executions, and jobs that have ended, are kept", between(1, limits.historyRetentionMaxDays),
  ),
  logKeepMib: key(
    "storage.log_keep_mib", "integer", `an integer from 1 to ${limits.logKeepMaxMib}`, "128",
    "log kept for members that were away, in MiB; who lacks more is sent the whole state", between(1, limits.logKeepMaxMib),
  ),
  logLevel: key(
    "log.level", "text", `one of ${logLevels.join(", ")}`, "info", "how much is logged",
    (value) => logLevels.some((level) => level === value),
  ),
  plugins: key("plugins", "plugins", "type=module,...", "report=./report.js", "plugins, as type=module,...", filled),
} as const satisfies Record<string, KeySpec>;

export const allKeys: readonly KeySpec[] = Object.values(keys);

/** Fields of the arrays of tables. */
export const memberFields = ["id", "peer", "api"] as const;
export const pluginFields = ["type", "module"] as const;

/** Keys of each table of the file, "" being its top: what may stand in it (K1). */
export function keysOfTable(table: string): string[] {
  if (table === keys.members.path) return [...memberFields];
  if (table === keys.plugins.path) return [...pluginFields];
  const inside = allKeys.map(({ path }) => path.split(".")).filter((parts) => table === "" || parts[0] === table);
  return [...new Set(inside.map((parts) => (table === "" ? parts[0] : parts[1]) as string))];
}
