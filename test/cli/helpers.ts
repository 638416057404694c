// Shared by the tests of the command line: a run in this process with all sinks kept, and a server with canned answers.

import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { ProcessParts } from "../../src/cli/context.ts";
import { run } from "../../src/cli/program.ts";
import type { System } from "../../src/system.ts";

export const NOW_MS = Date.UTC(2026, 10, 21, 9, 30);

/** Time stands still, except that whoever waits is served at once, without waiting. */
export const stillSystem: System = {
  wallMs: () => NOW_MS,
  monotonicMs: () => 0,
  random: () => 0.5,
  after(_delayMs, run) {
    const handle = setImmediate(run);
    return { cancel: () => clearImmediate(handle) };
  },
  soon: (run) => void setImmediate(run),
};

export function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "pawl-cli-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };
export type RunOptions = {
  readonly env?: Readonly<Record<string, string>>;
  readonly isTTY?: boolean;
  readonly input?: string;
  readonly parts?: Partial<ProcessParts>;
};

/** Runs one command line in this process. Its home is an empty place, so that no running `pawl dev` is found. */
export async function ranWith(argv: readonly string[], { env = {}, isTTY = false, input = "", parts = {} }: RunOptions = {}): Promise<Ran> {
  const said = { stdout: "", stderr: "" };
  const io = {
    stdout: { isTTY, write: (text: string) => (said.stdout += text) },
    stderr: { isTTY, write: (text: string) => (said.stderr += text) },
    env: { HOME: "/nonexistent", ...env },
    system: stillSystem,
    input: async function* () {
      yield Buffer.from(input);
    },
  };
  const none = (): void => undefined;
  const code = await run(argv, io, { onSignal: none, onInputEnd: none, exitNow: none, ...parts });
  return { code, ...said };
}

export type Asked = { readonly method: string; readonly url: string; readonly token: string; readonly body: unknown };
export type Canned = { readonly status?: number; readonly body: unknown };
export type FakeServer = { readonly url: string; readonly env: Record<string, string>; readonly asked: Asked[] };

/** A server that answers by "METHOD /path" (without query) and keeps what it was asked. */
export async function fakeServer(t: TestContext, answers: Readonly<Record<string, Canned>>): Promise<FakeServer> {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const part of request) text += String(part);
    const { method = "", url = "", headers } = request;
    asked.push({ method, url, token: headers.authorization ?? "", body: text === "" ? undefined : JSON.parse(text) });
    const { status = 200, body } = answers[`${method} ${url.split("?")[0]}`] ?? { status: 404, body: { code: "not_found" } };
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  t.after(() => void server.close());
  const url = `http://127.0.0.1:${port}`;
  return { url, env: { PAWL_SERVER: url, PAWL_TOKEN: "a-token-for-tests" }, asked };
}
