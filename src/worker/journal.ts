// Owns: the memory of process groups that can outlive this process. One small file per group, named by its number, in the data
// folder; written before the group runs a command, removed after its end. Starting and ending groups is the business of shell.ts.
// (J1) A record is written before the command may run. It needs no sync: it must survive the end of this process, not of the
//      machine, with which the groups end too; a record of an earlier boot is recognised by the boot id.
// (J2) A group is killed only when it is surely ours: its leader has the recorded start time, or, the leader gone, a member carries the
//      recorded execution id in its environment. A number that was given to strangers meanwhile is left alone.

import fs from "node:fs";
import path from "node:path";
import { spawnSync } from "node:child_process";

export type GroupRecord = {
  /** Number of the process group, which is the process number of its leader. */
  readonly group: number;
  readonly executionId: string;
  /** When the leader started, as the system tells it (ticks after boot on Linux); "" when it could not be told. */
  readonly startedAt: string;
  readonly bootId: string;
};

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

export class Journal {
  private readonly folder: string;
  private readonly bootId = textOf(BOOT_ID).trim();

  /** `folder` is made when it is missing and belongs to this node alone. */
  constructor(folder: string) {
    this.folder = folder;
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** Notes a group whose leader has been started (J1). Throws when the disk refuses: the command must then not run. */
  add(group: number, executionId: string): void {
    const record: GroupRecord = { group, executionId, startedAt: startOf(group), bootId: this.bootId };
    fs.writeFileSync(path.join(this.folder, String(group)), JSON.stringify(record), { mode: 0o600 });
  }

  remove(group: number): void {
    fs.rmSync(path.join(this.folder, String(group)), { force: true });
  }

  /** Kills the groups that an earlier process of this node left behind and forgets them. Returns the execution ids of those killed. */
  killLeftovers(): string[] {
    const killed: string[] = [];
    for (const name of fs.readdirSync(this.folder)) {
      const record = parseRecord(textOf(path.join(this.folder, name)));
      if (record && record.bootId === this.bootId && isOurs(record) && killGroup(record.group, "SIGKILL")) killed.push(record.executionId);
      fs.rmSync(path.join(this.folder, name), { force: true });
    }
    return killed;
  }
}

/** Signals a whole process group. False when nothing is left of it. */
export function killGroup(group: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(-group, signal);
  } catch {
    // ESRCH: it has ended. EPERM: what is left of it has taken another user's rights and cannot be reached from here.
    return false;
  }
}

function isOurs(record: GroupRecord): boolean {
  const startedAt = startOf(record.group);
  if (startedAt !== "") return startedAt === record.startedAt;
  const own = `PAWL_EXECUTION_ID=${record.executionId}`;
  return membersOf(record.group).some((member) => textOf(`/proc/${member}/environ`).split("\0").includes(own));
}

/** Fields of /proc/<pid>/stat after the name, which is in parentheses and may hold anything: state, parent, group, ... */
function statOf(pid: number | string): string[] {
  const stat = textOf(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

const GROUP_FIELD = 2;
const START_FIELD = 19;

/** Start time of a process; "" when there is none. Without /proc, `ps` is asked. */
function startOf(pid: number): string {
  if (process.platform === "linux") return statOf(pid)[START_FIELD] ?? "";
  const { stdout } = spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" });
  return (stdout ?? "").trim();
}

function membersOf(group: number): string[] {
  if (process.platform !== "linux") return [];
  return fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name) && statOf(name)[GROUP_FIELD] === String(group));
}

/** The text of a file, "" when it cannot be read: processes end while they are looked at. */
function textOf(file: string): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function parseRecord(text: string): GroupRecord | undefined {
  try {
    const { group, executionId, startedAt, bootId } = JSON.parse(text) as Partial<GroupRecord>;
    if (!Number.isSafeInteger(group) || group === undefined || group <= 1) return undefined;
    if (executionId === undefined || startedAt === undefined || bootId === undefined) return undefined;
    return { group, executionId, startedAt, bootId };
  } catch {
    // Cut short by the end of the process that wrote it: its command never ran (J1).
    return undefined;
  }
}
