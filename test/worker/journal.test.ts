// Checks: what an earlier process left behind is killed, and nothing else is (H6h, J1, J2). The earlier process is a real one, killed
// with SIGKILL.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { Journal, killGroup } from "../../src/worker/journal.ts";
import { isAlive } from "./fixtures.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "pawl-journal-"));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

/** A node's process in small: runs one shell job, with the gate held shut when `hold` says so. */
const NODE = (journal: string, command: string): string => `
  import { Journal } from ${JSON.stringify(path.resolve("src/worker/journal.ts"))};
  import { shellExecutor } from ${JSON.stringify(path.resolve("src/worker/shell.ts"))};
  import { realSystem } from ${JSON.stringify(path.resolve("src/system.ts"))};
  const output = { write: (stream, data) => process.stdout.write(data) };
  await shellExecutor({ system: realSystem, journal: new Journal(${JSON.stringify(journal)}) }).run({
    executionId: "space-9", jobId: "j", attempt: 1, token: "64", tokenCounter: 1, scheduledAtMs: 0,
    payload: { command: ${JSON.stringify(command)} },
    signal: new AbortController().signal, timeoutMs: 1e6, deliverOnce: false, output, logger: console,
  });
`;

/** Runs a command under such a process, kills that with SIGKILL, and returns what the command wrote and its open end of output. */
async function orphaned(name: string, command: string) {
  const journal = path.join(folder, name);
  const node = spawn(process.execPath, ["--input-type=module", "-e", NODE(journal, command)], { stdio: ["ignore", "pipe", "inherit"] });
  const [first] = (await once(node.stdout, "data")) as [Buffer];
  node.kill("SIGKILL");
  await once(node, "exit");
  const pids = first.toString().trim().split(/\s+/).map(Number);
  // Where the journal does not, so that a failing test leaves nothing behind.
  after(() => killGroup(pids[0] as number, "SIGKILL"));
  return { journal, pids };
}

/** A process that is being killed is looked at until the kernel is done with it: SIGKILL cannot be refused. */
async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await fs.promises.stat("/proc");
}

test("a group whose process died is killed at the next start, once", async () => {
  const { journal, pids } = await orphaned("left", "trap '' TERM HUP PIPE; sleep 600 & echo $$ $!; wait");
  assert.deepEqual([pids.length, pids.every(isAlive)], [2, true]);
  const next = new Journal(journal);
  assert.deepEqual(next.killLeftovers(), ["space-9"]);
  for (const pid of pids) await gone(pid);
  assert.deepEqual([next.killLeftovers(), fs.readdirSync(journal)], [[], []]);
});

test("a group whose leader has ended is known by its members' environment", async () => {
  const { journal, pids } = await orphaned("leaderless", "trap '' HUP PIPE; (trap '' HUP PIPE TERM; sleep 600) & echo $$ $!; wait");
  const [leader = 0, member = 0] = pids;
  process.kill(leader, "SIGKILL");
  await gone(leader);
  // In a container without an init the dead leader stays a zombie; its start time is still told, and is still its own.
  assert.ok(isAlive(member));
  assert.deepEqual(new Journal(journal).killLeftovers(), ["space-9"]);
  await gone(member);
});

test("a number that belongs to strangers meanwhile is left alone (J2)", async () => {
  const stranger = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
  const pid = stranger.pid ?? assert.fail("not started");
  after(() => killGroup(pid, "SIGKILL"));
  const journal = path.join(folder, "strangers");
  const own = new Journal(journal);
  own.add(pid, "space-7");
  const file = path.join(journal, String(pid));
  const record = JSON.parse(fs.readFileSync(file, "utf8")) as { startedAt: string };
  assert.match(record.startedAt, /^\d+$/);
  const changes = [{ startedAt: "1" }, { bootId: "another" }, { group: 1 }, { group: -1 }, { executionId: undefined }];
  for (const other of changes.map((change) => ({ ...record, ...change }))) {
    fs.writeFileSync(file, JSON.stringify(other));
    assert.deepEqual(new Journal(journal).killLeftovers(), [], JSON.stringify(other));
    assert.ok(isAlive(pid));
    assert.deepEqual(fs.readdirSync(journal), []);
  }
  fs.writeFileSync(file, JSON.stringify(record).slice(0, 20));
  assert.deepEqual(new Journal(journal).killLeftovers(), []);
  const exit = once(stranger, "exit");
  own.add(pid, "space-7");
  assert.deepEqual(new Journal(journal).killLeftovers(), ["space-7"]);
  assert.deepEqual(await exit, [null, "SIGKILL"]);
});

test("members of a group whose leader is gone are killed only when they carry the execution id (J2)", async () => {
  for (const carried of ["space-8", "space-88", undefined]) {
    const env = { PATH: process.env["PATH"] ?? "", ...(carried === undefined ? {} : { PAWL_EXECUTION_ID: carried }) };
    const leader = spawn("sh", ["-c", "sleep 600 & echo $!"], { detached: true, stdio: ["ignore", "pipe", "ignore"], env });
    const group = leader.pid ?? assert.fail("not started");
    after(() => killGroup(group, "SIGKILL"));
    const exit = once(leader, "exit");
    const [line] = (await once(leader.stdout, "data")) as [Buffer];
    const member = Number(line.toString());
    await exit;
    const own = new Journal(path.join(folder, "leaderless-strangers"));
    own.add(group, "space-8");
    assert.deepEqual(own.killLeftovers(), carried === "space-8" ? ["space-8"] : []);
    if (carried === "space-8") await gone(member);
    assert.equal(isAlive(member), carried !== "space-8");
    if (isAlive(member)) process.kill(member, "SIGKILL");
  }
});

test("the command does not run when the process dies before the journal has its group (S2)", async () => {
  const marker = path.join(folder, "ran");
  const script = `
    import { spawn } from "node:child_process";
    import fs from "node:fs";
    import { Journal } from ${JSON.stringify(path.resolve("src/worker/journal.ts"))};
    import { shellExecutor } from ${JSON.stringify(path.resolve("src/worker/shell.ts"))};
    import { realSystem } from ${JSON.stringify(path.resolve("src/system.ts"))};
    const journal = new Journal(${JSON.stringify(path.join(folder, "early"))});
    journal.add = (group) => { fs.writeSync(1, String(group)); process.kill(process.pid, "SIGKILL"); };
    shellExecutor({ system: realSystem, journal }).run({
      executionId: "space-9", jobId: "j", attempt: 1, token: "64", tokenCounter: 1, scheduledAtMs: 0,
      payload: { argv: ["touch", ${JSON.stringify(marker)}] },
      signal: new AbortController().signal, timeoutMs: 1e6, deliverOnce: false, output: { write() {} }, logger: console,
    });
  `;
  const node = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(node.stdout, "data")) as [Buffer];
  await gone(Number(line.toString()));
  assert.equal(fs.existsSync(marker), false);
});
