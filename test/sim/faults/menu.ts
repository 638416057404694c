// Owns: the list of all classes of faults. A new class is a file beside this one and a line here.

import { clockRates, clockSteps } from "./clocks.ts";
import { flapping, oneWayCuts, partitions, slowLinks } from "./cuts.ts";
import { damages } from "./damage.ts";
import { failingDisks, hungDisks, slowDisks, slowLoads } from "./disks.ts";
import { busyFaces, hungFaces } from "./faces.ts";
import type { FaultClass } from "./fault.ts";
import { handOvers, memberChurn } from "./members.ts";
import { longPauses, pauses, slowTurns } from "./pauses.ts";
import { aimedCrashes, crashes, crashLoops, fuses, lastWords, powerCuts } from "./power.ts";
import { snapshotCrashes } from "./snapshots.ts";
import { fullDisks } from "./space.ts";
import { weathers } from "./weather.ts";

export const menu: readonly FaultClass[] = [
  ...weathers,
  partitions,
  oneWayCuts,
  flapping,
  slowLinks,
  crashes,
  aimedCrashes,
  lastWords,
  fuses,
  crashLoops,
  powerCuts,
  pauses,
  longPauses,
  slowTurns,
  slowDisks,
  slowLoads,
  hungDisks,
  failingDisks,
  fullDisks,
  damages,
  snapshotCrashes,
  memberChurn,
  handOvers,
  clockRates,
  clockSteps,
  hungFaces,
  busyFaces,
];
