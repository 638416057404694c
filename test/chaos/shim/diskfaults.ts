// Owns: the failing disk for tests on real processes: builds diskfaults.c once for all tests of this machine, and turns its rules on and
// off while a node runs. What the rules mean is said in diskfaults.c.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("diskfaults.c", import.meta.url));

/** One line of the control file; the first whose call and path fit is obeyed. */
export type DiskFault =
  | { readonly call: "sync" | "write" | "create"; readonly fail: "EIO" | "ENOSPC" | "EDQUOT" | "EROFS"; readonly path: string }
  | { readonly call: "sync" | "write" | "create"; readonly delayMs: number; readonly path: string }
  | { readonly call: "sync" | "write" | "create"; readonly hang: true; readonly path: string }
  | { readonly call: "free"; readonly bytes: number; readonly path: string };

/** The library, built when its source is new; or why there is none here. */
function library(): { readonly path: string } | { readonly absent: string } {
  if (process.platform !== "linux") return { absent: "the failing disk needs Linux" };
  const digest = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 16);
  const folder = join(tmpdir(), `pawl-diskfaults-${userInfo().uid}`);
  const path = join(folder, `${digest}.so`);
  if (existsSync(path)) return { path };
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const fresh = `${path}.${process.pid}`;
  const built = spawnSync("cc", ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", fresh, source, "-ldl", "-lpthread"]);
  if (built.error) return { absent: `the failing disk needs a C compiler: ${built.error.message}` };
  if (built.status !== 0) throw new Error(`diskfaults.c: ${built.stderr.toString()}`);
  renameSync(fresh, path);
  return { path };
}

/** Why no test here can make a disk fail; undefined when it can. For `{ skip }` of a test. */
export function noDiskFaults(): string | undefined {
  const found = library();
  return "absent" in found ? found.absent : undefined;
}

/** The faults of one process, or of several that share a control file. */
export class DiskFaults {
  private readonly control: string;

  /** `control` is a path that nothing else uses. */
  constructor(control: string) {
    this.control = control;
    this.set([]);
  }

  /** For the environment of the process. */
  get env(): Readonly<Record<string, string>> {
    const found = library();
    if ("absent" in found) throw new Error(found.absent);
    return { LD_PRELOAD: found.path, DISKFAULTS_CONTROL: this.control };
  }

  /** From the next call on exactly these hold. */
  set(faults: readonly DiskFault[]): void {
    const fresh = `${this.control}.new`;
    writeFileSync(fresh, faults.map(lineOf).join(""));
    renameSync(fresh, this.control);
  }
}

function lineOf(fault: DiskFault): string {
  if ("bytes" in fault) return `free set ${fault.bytes} ${fault.path}\n`;
  if ("fail" in fault) return `${fault.call} fail ${fault.fail} ${fault.path}\n`;
  if ("delayMs" in fault) return `${fault.call} delay ${fault.delayMs} ${fault.path}\n`;
  return `${fault.call} hang 0 ${fault.path}\n`;
}
