// Makes a clone ready to run: installs the locked packages and compiles src, each only when it is out of date.
// Runs on any Node from 18 on, before anything is installed; bin/run.mjs and bin/pawl then use the pinned Node.
import { createHash } from "node:crypto";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, dirname } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const at = (...parts) => join(root, ...parts);

function hashOf(paths) {
  const hash = createHash("sha256");
  for (const path of paths) hash.update(path.slice(root.length)).update("\0").update(readFileSync(path)).update("\0");
  return hash.digest("hex");
}

function filesUnder(dir) {
  return readdirSync(dir, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? filesUnder(join(dir, entry.name)) : [join(dir, entry.name)]))
    .sort();
}

function stampIs(file, value) {
  return existsSync(file) && readFileSync(file, "utf8") === value;
}

function run(command, args, what) {
  const done = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (done.error || done.status !== 0) {
    process.stderr.write(`pawl: ${what} failed${done.error ? `: ${done.error.message}` : ""}\n`);
    process.exit(done.status || 1);
  }
}

function install() {
  const stamp = at("node_modules", ".pawl-installed");
  const wanted = hashOf([at("package-lock.json")]);
  if (stampIs(stamp, wanted)) return;
  process.stderr.write("pawl: installing packages (once)\n");
  run("npm", ["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"], "npm ci");
  writeFileSync(stamp, wanted);
}

// Compiled beside the old output and swapped in, so that a running process never loads half a build.
function build() {
  const stamp = at("dist", ".built");
  const wanted = hashOf([...filesUnder(at("src")), at("tsconfig.json"), at("package-lock.json")]);
  if (stampIs(stamp, wanted)) return;
  process.stderr.write("pawl: compiling\n");
  const fresh = at(`dist.${process.pid}`);
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh);
  run(at("node_modules", ".bin", "tsc"), ["-p", at("tsconfig.json"), "--outDir", fresh], "the compiler");
  writeFileSync(join(fresh, ".built"), wanted);
  rmSync(at("dist"), { recursive: true, force: true });
  renameSync(fresh, at("dist"));
}

install();
build();
