// Owns: the entry of the program: hands the process to src/cli/program.ts and ends with its exit code.

import { limits } from "../limits.ts";
import { exitCodes } from "./exitcodes.ts";
import type { ExitCode } from "./exitcodes.ts";
import { realSystem } from "../system.ts";
import { run } from "./program.ts";

// A reader that has seen enough (`pawl job ls | head`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

/**
 * Ends the process at once. Where a call to a disk hangs, process.exit would wait for the thread that makes it, for ever: another program
 * takes the place of this one, which the kernel does without asking its threads.
 */
function end(code: ExitCode): never {
  process.execve?.(process.execPath, [process.execPath, "--eval", `process.exit(${code})`], {});
  process.exit(code);
}

const io = { stdout: process.stdout, stderr: process.stderr, env: process.env, system: realSystem, input: () => process.stdin };
const code = await run(process.argv.slice(2), io, {
  onSignal: (signals, then) => {
    let heardAtMs = Number.NEGATIVE_INFINITY;
    const once = (): void => {
      const nowMs = realSystem.monotonicMs();
      if (nowMs - heardAtMs >= limits.signalRepeatMs) then();
      heardAtMs = nowMs;
    };
    for (const signal of signals) process.on(signal, once);
  },
  onInputEnd: (then) => void process.stdin.once("close", then).resume(),
  exitNow: end,
});
if (code === exitCodes.disk) end(code);
process.exit(code);
