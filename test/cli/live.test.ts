// The live view of `pawl dev` against a made-up cluster, and its processes when they cannot start.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { createClient } from "../../src/client/index.ts";
import type { Client, Transport, TransportResponse } from "../../src/client/index.ts";
import type { Context } from "../../src/cli/context.ts";
import { allReady, startNodes, stopNodes } from "../../src/cli/dev/nodes.ts";
import type { RunningDevNode } from "../../src/cli/dev/nodes.ts";
import { show } from "../../src/cli/dev/show.ts";
import { output } from "../../src/cli/output.ts";
import { folder, stillSystem } from "./helpers.ts";

type Script = { leaders: (string | null | "silence")[]; readonly events: readonly object[] };

/**
 * Answers GET /cluster with one leader after the other, the last one again and again, or never; and GET /events with one short stream.
 */
function scripted(script: Script): Client {
  let streams = 0;
  const answer = (body: AsyncIterable<Uint8Array>): TransportResponse => ({ status: 200, header: () => undefined, body });
  const transport: Transport = {
    close: async () => undefined,
    async send({ path, signal }) {
      if (!path.startsWith("/api/v1/events")) {
        const leader_id = script.leaders.length > 1 ? script.leaders.shift() : script.leaders[0];
        if (leader_id === "silence") return new Promise(() => undefined);
        return answer(bytes(JSON.stringify({ leader_id, members: [] })));
      }
      streams++;
      const texts = script.events.map((event, at) => `id: 1.${at}\ndata: ${JSON.stringify({ id: `1.${at}`, ...event })}\n\n`);
      return answer(streams === 1 ? bytes(...texts) : endless(signal));
    },
  };
  return createClient({ server: "http://127.0.0.1:1", token: "x", transport, system: stillSystem });
}

async function* bytes(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text);
}

async function* endless(signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  await new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(new Error("aborted"))));
  yield new Uint8Array();
}

function nodeLine(id: string, ended?: string): RunningDevNode {
  const unused = (): never => assert.fail("the view does not touch processes");
  const files = { configFile: "", logFile: "" };
  return { id, api: `http://${id}`, ...files, pid: id === "node-a" ? 11 : 12, ended, gone: Promise.resolve(), kill: unused };
}

/** What show() writes until `isEnough`. */
async function shownUntil(
  script: Script, isTTY: boolean, nodes: readonly RunningDevNode[], isEnough: (text: string) => boolean,
): Promise<string> {
  const ending = new AbortController();
  let text = "";
  const write = (part: string): void => {
    text += part;
    if (isEnough(text)) ending.abort();
  };
  const io = { stdout: { write, isTTY, rows: 20 }, stderr: { write }, env: {}, system: stillSystem, input: async function* () {} };
  const none = (): void => undefined;
  const context: Context = {
    io, out: output(io), exit: none, complain: none, onSignal: none, onInputEnd: none, exitNow: none,
    connect: () => assert.fail("it has a client"),
  };
  const plan = { folder: "/tmp/x", isTemporary: true, tokenFile: "/tmp/x/t", token: "t", nodes };
  await show({ plan, nodes, client: scripted(script), context, signal: ending.signal });
  return text;
}

const started = {
  type: "execution.started", at: "2026-11-21T09:30:00.004Z", job_id: "tick", execution_id: "c1-a", node_id: "node-a", attempt: 1,
  fencing_token: "64", lateness_ms: 4,
};
const completed = { type: "execution.completed", at: "2026-11-21T09:30:00.005Z", job_id: "tick", execution_id: "c1-a" };

test("without a terminal: attempts as lines, and a line when the leader changes or a node ends", async () => {
  const nodes = [nodeLine("node-a"), nodeLine("node-b", "killed by SIGKILL")];
  const script = { leaders: ["node-a", "node-a", null, "node-a"], events: [started, completed] };
  const enough = (text: string): boolean => text.split("leader: node-a").length > 2 && text.includes("completed");
  const lines = (await shownUntil(script, false, nodes, enough)).split("\n");
  assert.deepEqual(lines.filter((line) => line.includes("tick")), [
    "2026-11-21T09:30:00.004Z tick running node=node-a token=64 attempt=1 late=4ms",
    "2026-11-21T09:30:00.004Z tick completed node=node-a token=64 attempt=1 late=4ms",
  ]);
  const leaders = lines.filter((line) => line.startsWith("leader: ")).map((line) => line.split(";")[0]);
  assert.deepEqual(leaders, ["leader: node-a", "leader: none", "leader: node-a"]);
  assert.ok(lines.includes("leader: node-a; node-b is down (killed by SIGKILL)") && lines.includes("Kill the leader: kill -9 11"));
});

test("on a terminal: the screen is drawn in place and given back at the end (X1)", async () => {
  const script = { leaders: ["node-a"], events: [started, completed] };
  const text = await shownUntil(script, true, [nodeLine("node-a")], (said) => said.includes("completed") && said.includes("kill -9 11"));
  assert.ok(text.startsWith("\u001b[?1049h") && text.endsWith("\u001b[?1049l"));
  assert.match(text.split("\u001b[H").at(-1) ?? "", /node-a.*leader[^]*tick {2}node-a {2}64/);
});

test("the end is not delayed by a server that does not answer", async () => {
  const script = { leaders: ["silence"], events: [started, completed] };
  assert.match(await shownUntil(script, false, [nodeLine("node-a")], (said) => said.includes("completed")), /tick completed/);
});

test("a node that cannot start is told with its last words, and nothing is left running", async (t) => {
  const dir = folder(t);
  const node = { id: "node-a", api: "http://127.0.0.1:1", configFile: join(dir, "none.toml"), logFile: join(dir, "node-a.log") };
  const plan = { folder: dir, isTemporary: true, tokenFile: join(dir, "t"), token: "t", nodes: [node] };
  const nodes = startNodes(plan, process.env);
  const said = /^PawlError: node-a ended with 2: pawl: .*none\.toml: cannot be read \(ENOENT\)/;
  await assert.rejects(allReady(nodes, stillSystem, () => false), said);
  await stopNodes(nodes, stillSystem);
  assert.equal(nodes[0]?.ended, "ended with 2");
});
