// Owns: which cluster a command speaks to, and with which token. The client itself is src/client.
// (N1) The token of `pawl dev` goes to the servers of `pawl dev` only, never to a server that was named otherwise.

import { readFileSync } from "node:fs";
import { PawlError, messageOf } from "../base/errors.ts";
import { readDevNote } from "./devfile.ts";

export type ConnectionOptions = {
  readonly server?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly caFile?: string | undefined;
};

/** `ca`: PEM text of the authority to trust instead of the system's. */
export type Connection = { readonly servers: readonly string[]; readonly token: string; readonly ca?: string | undefined };

/** Servers from --server, PAWL_SERVER or a running `pawl dev`; the token from --token-file, PAWL_TOKEN, PAWL_TOKEN_FILE or that. */
export function findConnection(options: ConnectionOptions, env: Readonly<Record<string, string | undefined>>): Connection {
  const note = readDevNote(env);
  const named = options.server ?? (env["PAWL_SERVER"] || undefined);
  const servers = named === undefined ? note?.servers : named.split(",").map((text) => serverUrl(text.trim()));
  if (servers === undefined) {
    throw new PawlError("config", "no server: give --server or PAWL_SERVER (like http://127.0.0.1:7500), or start `pawl dev`");
  }
  const ofDev = note !== undefined && servers.every((server) => note.servers.includes(server));
  const token = givenToken(options, env) ?? (ofDev ? tokenOf(note.tokenFile) : noToken());
  const caFile = options.caFile ?? (env["PAWL_CA_FILE"] || undefined);
  return { servers, token, ca: caFile === undefined ? undefined : textOf(caFile) };
}

function givenToken(options: ConnectionOptions, env: Readonly<Record<string, string | undefined>>): string | undefined {
  if (options.tokenFile !== undefined) return tokenOf(options.tokenFile);
  if (env["PAWL_TOKEN"]) return env["PAWL_TOKEN"];
  return env["PAWL_TOKEN_FILE"] ? tokenOf(env["PAWL_TOKEN_FILE"]) : undefined;
}

function noToken(): never {
  throw new PawlError("config", "no token: give --token-file, PAWL_TOKEN or PAWL_TOKEN_FILE");
}

function tokenOf(file: string): string {
  const token = textOf(file).trim();
  if (token === "") throw new PawlError("config", `${file}: empty; it must hold the token`);
  return token;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const why = messageOf(error).split(":", 1)[0];
    throw new PawlError("config", `${file}: cannot be read (${why}); name a readable file`, { cause: error });
  }
}

/** "127.0.0.1:7500" means http on loopback; anything else says which of http and https it is. */
function serverUrl(text: string): string {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`);
  const usable = url !== null && (url.protocol === "http:" || url.protocol === "https:") && url.hostname !== "" && url.pathname === "/";
  if (!usable) throw new PawlError("config", `--server: expected http(s)://host:port, got ${JSON.stringify(text)}`);
  return url.origin;
}
