// Runs one of the project's own tasks under the pinned Node: `node bin/run.mjs test|check|sim|mutants|chaos|bench|bench:docs|bench:peers [arguments]`.
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join, dirname } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const local = join(root, "node_modules", "node", "bin", "node");
const node = existsSync(local) ? local : process.execPath;
const [task, ...rest] = process.argv.slice(2);

function testFiles(dir) {
  return readdirSync(dir, { withFileTypes: true })
    .flatMap((entry) =>
      entry.isDirectory() ? testFiles(join(dir, entry.name)) : entry.name.endsWith(".test.ts") ? [join(dir, entry.name)] : [],
    )
    .sort();
}

const tsc = join(root, "node_modules", ".bin", "tsc");
const tasks = {
  test: () => [node, ["--test", "--test-concurrency=2", "--test-timeout=300000", ...(rest.length ? rest : testFiles(join(root, "test")))]],
  check: () => [node, [tsc, "-p", join(root, "test", "tsconfig.json"), ...rest]],
  sim: () => [node, [join(root, "test", "sim", "main.ts"), ...rest]],
  mutants: () => [node, [join(root, "test", "mutants", "main.ts"), ...rest]],
  chaos: () => [node, [join(root, "test", "chaos", "main.ts"), ...rest]],
  bench: () => [node, [join(root, "bench", "main.ts"), ...rest]],
  "bench:docs": () => [node, [join(root, "bench", "docs.ts")]],
  "bench:peers": () => [node, [join(root, "bench", "peers", "main.ts"), ...rest]],
};

if (!Object.hasOwn(tasks, task ?? "")) {
  process.stderr.write(`usage: node bin/run.mjs ${Object.keys(tasks).join("|")}\n`);
  process.exit(2);
}
const [command, args] = tasks[task]();
const child = spawn(command, args, { cwd: root, stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("error", (error) => {
  process.stderr.write(`pawl: ${error.message}\n`);
  process.exit(1);
});
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
