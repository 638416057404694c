// Owns: the settings of one node: what they are, what they must be together, and where they come from (flags, environment,
// file). Nothing is created or changed here: a refused setting leaves no trace.
// (F1) Every refusal is a PawlError("config") of one line that names the place and the fix (src/config/place.ts).
// (F2) A node that other machines can reach has TLS files and an admin token, or it is refused.
// (F3) A data directory that belongs to another cluster or node is refused.

import { existsSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { PawlError, messageOf } from "./base/errors.ts";
import { limits } from "./limits.ts";
import { formatAddress, isLoopback } from "./base/address.ts";
import type { Address } from "./base/address.ts";
import { parseAddress } from "./config/address.ts";
import { readAdminToken } from "./config/admin-token.ts";
import { checkIdentity, hasJoined } from "./config/identity.ts";
import { isName, keys, nameExpected } from "./config/keys.ts";
import type { KeySpec, LogLevel } from "./config/keys.ts";
import { refuse, shown, written } from "./config/place.ts";
import type { Place } from "./config/place.ts";
import { checkShape, memberRows, placeIn, pluginRows, requiredSetting, settingOf } from "./config/settings.ts";
import type { Row, Setting, Sources } from "./config/settings.ts";
import { readToml } from "./config/toml.ts";

export type { Address } from "./base/address.ts";

export type MemberConfig = {
  readonly id: string;
  readonly peer: Address;
  /** "host:port". */
  readonly api: string;
};

export type TlsFiles = { readonly ca: string; readonly certificate: string; readonly key: string };

export type Config = {
  /** dataDir is absolute, like every path here. */
  readonly node: { readonly id: string; readonly dataDir: string };
  /** Port 0 means any free one. */
  readonly api: Address;
  readonly peer: Address;
  /**
   * Members hold this node; a node without [[cluster.members]] is a cluster of itself. With `join` a new data directory joins a
   * cluster that runs, and members are whom it asks.
   */
  readonly cluster: {
    readonly name: string;
    readonly shards: number;
    readonly members: readonly MemberConfig[];
    readonly join: boolean;
  };
  /** The file exists and is sound; or it is absent, the API listens on loopback only, and `pawl start` makes it. */
  readonly auth: { readonly adminTokenFile: string };
  readonly worker: { readonly slots: number; readonly tags: readonly string[] };
  /** Networks (CIDR) that http jobs may reach beyond public addresses. */
  readonly http: { readonly allowAddresses: readonly string[] };
  readonly shell: { readonly enabled: boolean };
  /** How long ended executions and ended jobs are kept; that of the leader counts. */
  readonly history: { readonly retentionDays: number };
  /** How much of the log is kept behind a checkpoint, in MiB. */
  readonly storage: { readonly logKeepMib: number };
  readonly log: { readonly level: LogLevel };
  /** `module` is an absolute path or the name of a package. */
  readonly plugins: readonly { readonly type: string; readonly module: string }[];
  /** Present when the data directory has them; then API and links use TLS, on loopback too. */
  readonly tls?: TlsFiles | undefined;
};

export type ConfigSources = {
  /** Path of the TOML file; relative paths in it are relative to its folder. */
  readonly file?: string | undefined;
  /**
   * By flag name without dashes ("api-listen"); "data-dir" stands for "node-data-dir", "join" for "cluster-join". Relative paths start at
   * the working directory.
   */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
};

const API_DEFAULT: Address = { host: "127.0.0.1", port: 7500 };
const PEER_DEFAULT: Address = { host: "127.0.0.1", port: 7600 };
const SLOTS_DEFAULT = 100;
const builtInTypes = ["http", "shell", "noop"];

/** Name and members alone, for what is done once for all machines. Throws like loadConfig; at least one member is needed. */
export function clusterOf(given: ConfigSources): { readonly name: string; readonly members: readonly MemberConfig[] } {
  const sources = sourcesOf(given);
  const name = requiredSetting(sources, keys.clusterName).value;
  const members = checkedMembers(memberRows(sources, keys.members)).map(memberOf);
  const place = placeIn(sources.toml, keys.members.path);
  if (members.length === 0) refuse(place, keys.members, "missing", "write [[cluster.members]] with id, peer and api for each machine");
  return { name, members };
}

function sourcesOf({ file, flags, env }: ConfigSources): Sources {
  const toml = file === undefined ? undefined : readToml(file);
  if (toml) checkShape(toml);
  const long = { "node-data-dir": flags["node-data-dir"] ?? flags["data-dir"], "cluster-join": flags["cluster-join"] ?? flags["join"] };
  return { toml, env, flags: { ...flags, ...long } };
}

/** The settings of a node, complete and checked; throws PawlError("config") with one line (F1). Reads files, writes none. */
export function loadConfig(given: ConfigSources): Config {
  const sources = sourcesOf(given);
  const nodeId = requiredSetting(sources, keys.nodeId);
  const name = requiredSetting(sources, keys.clusterName).value;
  settingOf(sources, keys.shards);
  const dataDirSetting = requiredSetting(sources, keys.dataDir);
  const dataDir = pathOf(dataDirSetting);
  const rows = checkedMembers(memberRows(sources, keys.members));
  const join = joinOf(sources, rows, nodeId.value, dataDir);
  const own = join ? rows.find((row) => row.fields.id === nodeId.value) : ownRow(rows, nodeId);
  const api = listenOf(settingOf(sources, keys.apiListen), own, "api", sources, API_DEFAULT);
  const peer = listenOf(settingOf(sources, keys.peerListen), own, "peer", sources, PEER_DEFAULT);
  const tls = tlsOf(dataDir, nodeId.value, given.file, [[keys.apiListen, api], [keys.peerListen, peer]]);
  const auth = adminToken(sources, dataDir, api.value);
  const plugins = checkedPlugins(pluginRows(sources, keys.plugins));
  const members = rows.map(memberOf);
  if (!own) members.push({ id: nodeId.value, peer: peer.value, api: formatAddress(api.value) });
  const config: Config = {
    node: { id: nodeId.value, dataDir },
    api: api.value,
    peer: peer.value,
    cluster: { name, shards: 1, members, join },
    auth,
    worker: { slots: settingOf<number>(sources, keys.slots)?.value ?? SLOTS_DEFAULT, tags: tagsOf(sources) },
    http: { allowAddresses: settingOf<readonly string[]>(sources, keys.allowAddresses)?.value ?? [] },
    shell: { enabled: settingOf<boolean>(sources, keys.shellEnabled)?.value ?? false },
    history: { retentionDays: settingOf<number>(sources, keys.retentionDays)?.value ?? limits.historyRetentionDefaultDays },
    storage: { logKeepMib: settingOf<number>(sources, keys.logKeepMib)?.value ?? limits.logKeepDefaultMib },
    log: { level: settingOf<LogLevel>(sources, keys.logLevel)?.value ?? "info" },
    plugins,
    tls,
  };
  checkDataDir(dataDirSetting, config);
  return config;
}

function pathOf(setting: Setting<string>): string {
  return setting.place.kind === "file" ? resolve(dirname(setting.place.file), setting.value) : resolve(setting.value);
}

type MemberRow = Row<"id" | "peer" | "api">;

function checkedMembers(rows: readonly MemberRow[]): readonly MemberRow[] {
  const key = keys.members;
  const excess = rows[limits.nodesMax];
  if (excess) refuse(excess.placeOf("id"), key, `member number ${limits.nodesMax + 1}`, `keep at most ${limits.nodesMax}`);
  const seen = new Map<string, Place>();
  for (const row of rows) {
    if (!isName(row.fields.id)) {
      refuse(row.placeOf("id"), key, `expected ${nameExpected}, got ${shown(row.fields.id)}`, 'write id = "node-a"', "id");
    }
    for (const field of ["peer", "api"] as const) {
      if (!parseAddress(row.fields[field])) {
        const example = field === "peer" ? keys.peerListen.example : keys.apiListen.example;
        refuse(row.placeOf(field), key, `expected host:port, got ${shown(row.fields[field])}`, `write ${field} = "${example}"`, field);
      }
    }
    for (const field of ["id", "peer", "api"] as const) refuseTwice(seen, row, field);
  }
  return rows;
}

function refuseTwice(seen: Map<string, Place>, row: MemberRow, field: "id" | "peer" | "api"): void {
  const value = row.fields[field];
  const kind = field === "id" ? "id" : "address";
  const before = seen.get(`${kind} ${value}`);
  seen.set(`${kind} ${value}`, row.placeOf(field));
  if (!before) return;
  const where = before.kind === "file" ? ` on line ${before.line}` : "";
  refuse(row.placeOf(field), keys.members, `${shown(value)} is already used${where}`, `give each member its own ${field}`, field);
}

/** Whether the node joins, or has joined with this data directory. To join, somebody else must be there to ask. */
function joinOf(sources: Sources, rows: readonly MemberRow[], nodeId: string, dataDir: string): boolean {
  if (hasJoined(dataDir)) return true;
  if (settingOf<boolean>(sources, keys.join)?.value !== true) return false;
  if (rows.some((row) => row.fields.id !== nodeId)) return true;
  const place = placeIn(sources.toml, keys.members.path);
  refuse(place, keys.members, "joining needs a member to ask", "write [[cluster.members]] with id, peer and api of one that runs");
}

/** This node's entry; undefined when there are no members at all. */
function ownRow(rows: readonly MemberRow[], nodeId: Setting<string>): MemberRow | undefined {
  if (rows.length === 0) return undefined;
  const own = rows.find((row) => row.fields.id === nodeId.value);
  if (own) return own;
  const ids = rows.map((row) => row.fields.id).join(", ");
  const fix = "write one of them or add [[cluster.members]] with this id";
  refuse(nodeId.place, keys.nodeId, `${shown(nodeId.value)} is not one of the members ${ids}`, fix);
}

function listenOf(
  setting: Setting<string> | undefined, own: MemberRow | undefined, field: "api" | "peer", sources: Sources, otherwise: Address,
): Setting<Address> {
  if (setting) return { value: parseAddress(setting.value, 0) ?? otherwise, place: setting.place };
  if (own) return { value: parseAddress(own.fields[field]) ?? otherwise, place: own.placeOf(field) };
  return { value: otherwise, place: placeIn(sources.toml, `${field}.listen`) };
}

function memberOf({ fields }: MemberRow): MemberConfig {
  return { id: fields.id, peer: parseAddress(fields.peer) ?? PEER_DEFAULT, api: fields.api };
}

/** The TLS files of the data directory: all or none, and all of them beyond loopback (F2). */
function tlsOf(
  dataDir: string, nodeId: string, file: string | undefined, listens: readonly (readonly [KeySpec, Setting<Address>])[],
): TlsFiles | undefined {
  const folder = join(dataDir, "tls");
  const tls = { ca: join(folder, "ca.pem"), certificate: join(folder, "node.pem"), key: join(folder, "node-key.pem") };
  const missing = Object.values(tls).find((path) => !existsSync(path));
  if (missing === undefined) return tls;
  const make = `run pawl cluster certs --config ${file ?? "FILE"} --out DIR and copy DIR/${nodeId}/ to ${folder}/`;
  for (const [key, { value, place }] of listens) {
    if (isLoopback(value.host)) continue;
    const problem = `${formatAddress(value)} is beyond loopback, which needs TLS, and ${missing} does not exist`;
    refuse(place, key, problem, `${make}, or ${written(place, key)}`);
  }
  if (Object.values(tls).some((path) => existsSync(path))) {
    throw new PawlError("config", `${missing}: missing beside the other TLS files; ${make}, or remove ${folder}`);
  }
  return undefined;
}

function adminToken(sources: Sources, dataDir: string, api: Address): Config["auth"] {
  const setting = settingOf<string>(sources, keys.adminTokenFile);
  const adminTokenFile = setting ? pathOf(setting) : join(dataDir, "admin.token");
  const place = setting?.place ?? placeIn(sources.toml, keys.adminTokenFile.path);
  const make = `make one with: openssl rand -hex 32 > ${adminTokenFile}`;
  if (!existsSync(adminTokenFile)) {
    if (setting) refuse(place, keys.adminTokenFile, `${adminTokenFile} does not exist`, make);
    if (isLoopback(api.host)) return { adminTokenFile };
    const fix = `${written(place, keys.adminTokenFile)} and ${make.replace(adminTokenFile, "admin.token")}`;
    refuse(place, keys.adminTokenFile, `missing, and the API on ${formatAddress(api)} is beyond loopback, which needs a token`, fix);
  }
  try {
    readAdminToken(adminTokenFile);
  } catch (error) {
    refuse(place, keys.adminTokenFile, messageOf(error), make);
  }
  return { adminTokenFile };
}

function tagsOf(sources: Sources): readonly string[] {
  const setting = settingOf<readonly string[]>(sources, keys.tags);
  const tags = [...new Set(setting?.value ?? [])];
  if (setting && tags.length > limits.tagsMax) refuse(setting.place, keys.tags, `${tags.length} tags`, `keep at most ${limits.tagsMax}`);
  return tags;
}

function checkedPlugins(rows: readonly Row<"type" | "module">[]): Config["plugins"] {
  const key = keys.plugins;
  const types = new Set(builtInTypes);
  return rows.map((row) => {
    const { type, module } = row.fields;
    if (!isName(type)) refuse(row.placeOf("type"), key, `expected ${nameExpected}, got ${shown(type)}`, 'write type = "report"', "type");
    if (types.has(type)) refuse(row.placeOf("type"), key, `${shown(type)} is already a job type`, "give each plugin its own type", "type");
    types.add(type);
    if (!isAbsolute(module) && !/^\.\.?\//.test(module)) return { type, module };
    const path = pathOf({ value: module, place: row.placeOf("module") });
    if (!isFile(path)) refuse(row.placeOf("module"), key, `${path} is not a file`, "name an existing JavaScript module", "module");
    return { type, module: path };
  });
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function checkDataDir(setting: Setting<string>, { node, cluster }: Config): void {
  try {
    checkIdentity(node.dataDir, cluster.name, node.id);
  } catch (error) {
    if (!(error instanceof PawlError)) throw error;
    refuse(setting.place, keys.dataDir, error.message, "write another data_dir, or start it as what it is");
  }
}
