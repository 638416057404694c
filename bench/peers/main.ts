// Owns: `npm run bench:peers`: Pawl beside other schedulers on this machine, one after the other, with the same works for all.
//   node bin/run.mjs bench:peers [--install] [--json] [--smoke] [--record] [--only <work or side>]...

import { spawnSync } from "node:child_process";
import { availableParallelism, cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { Comparison, ownSides, sidesHere } from "./compare.ts";
import { COMPARISON, loadNow, stolenSince, ticksNow, writeRecord } from "../record.ts";
import { installPackages } from "./packages.ts";
import type { Side } from "./side.ts";
import { debianPackages } from "./stores.ts";
import { advantage, factsText, tableText } from "./table.ts";
import { type Figure, fullSizes, smokeSizes, works } from "./works.ts";

const { values } = parseArgs({
  options: {
    install: { type: "boolean" }, json: { type: "boolean" }, smoke: { type: "boolean" }, record: { type: "boolean" },
    only: { type: "string", multiple: true },
  },
});
const APT = ["install", "-y", "--no-install-recommends", ...Object.values(debianPackages)];

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

if (values.install) {
  const { status } = spawnSync("apt-get", APT, { stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) say("apt-get could not install them: see above; as another user than root, run it by hand.");
  const why = installPackages();
  if (why !== undefined) say(why);
}
const { sides: here, missing } = sidesHere();
for (const sentence of missing) say(sentence);
if (missing.length > 0) {
  say(`"npm run bench:peers -- --install" installs them: apt-get ${APT.join(" ")}, and the npm packages into .pawl/peers.`);
}

const own = ownSides.map(({ facts }) => facts.name);
const names = [...Object.keys(works), ...here.map(({ facts }) => facts.name)];
const unknown = values.only?.find((each) => !names.includes(each));
if (unknown !== undefined) {
  say(`there is no work and no side called "${unknown}" here; there are ${names.map((each) => `"${each}"`).join(", ")}`);
  process.exit(2);
}
const chosen = <T>(all: readonly T[], nameOf: (each: T) => string): readonly T[] => {
  const some = all.filter((each) => values.only?.includes(nameOf(each)));
  return some.length === 0 ? all : some;
};
const sides = chosen(here, ({ facts }) => facts.name);

const comparison = new Comparison(values.smoke ? smokeSizes : fullSizes);
let isInterrupted = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    isInterrupted = true;
    void comparison.stop().finally(() => process.exit(signal === "SIGINT" ? 130 : 143));
  });
}

/** A measurement whose server was taken away by a signal fails; then this waits for the end of the process, which is under way. */
async function measured(side: Side, work: string): Promise<Figure[]> {
  try {
    return await comparison.run(side, work);
  } catch (error) {
    if (!isInterrupted) throw error;
    return new Promise(() => undefined);
  }
}

const load = (): string => loadavg().map((each) => each.toFixed(2)).join(" ");
if (!values.json) {
  process.stdout.write(`${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}, load average ${load()}\n\n`);
  process.stdout.write(`${factsText(sides.map(({ facts }) => facts))}\n`);
}
const loadBefore = loadNow();
const ticks = ticksNow();
const sinceMs = performance.now();
const figures: Figure[] = [];
for (const work of chosen(Object.keys(works), (each) => each)) {
  for (const side of sides) {
    const fresh = await measured(side, work);
    for (const each of fresh) say(`... ${each.of}: ${each.figure}: ${Math.round(each.value)} ${each.unit}`);
    figures.push(...fresh);
  }
}
if (values.json) {
  for (const each of figures) {
    const mine = figures.filter(({ of, figure }) => own.includes(of) && figure === each.figure && !own.includes(each.of));
    const ahead = Object.fromEntries(mine.map((pawl) => [pawl.of, Number(advantage(pawl, each).toPrecision(3))]));
    process.stdout.write(`${JSON.stringify({ ...each, ahead })}\n`);
  }
} else {
  const sideNames = sides.map(({ facts }) => facts.name);
  process.stdout.write(`${tableText(figures, sideNames, own)}\n`);
  process.stdout.write("Below a peer's value: how many times Pawl is ahead of it, with one node and with three; less than x1 is behind.\n");
  process.stdout.write("Lateness is counted from the due time to the call of the handler. Everything shares the machine's cores.\n");
  process.stdout.write(`${Math.round((performance.now() - sinceMs) / 1000)} s, load average after it ${load()}\n`);
}
if (values.record) {
  const seconds = Math.round((performance.now() - sinceMs) / 1000);
  const scale = values.smoke ? "smoke" : "full";
  const about = { bench: COMPARISON, scale, options: {}, loadBefore, stolen: stolenSince(ticks), seconds } as const;
  say(`kept in ${writeRecord({ ...about, own, sides: sides.map(({ facts }) => facts), figures })}`);
}
