// Owns: the list of all faults. A new class is a file beside this one and a line here.

import { clocks } from "./clock.ts";
import { disks } from "./disk.ts";
import type { Fault } from "./fault.ts";
import { kills } from "./kill.ts";
import { badLinks } from "./links.ts";
import { partitions } from "./partition.ts";
import { pauses } from "./pause.ts";

export const faults: readonly Fault[] = [...kills, ...pauses, ...partitions, ...badLinks, ...disks, ...clocks];

export function faultOf(name: string): Fault {
  const found = faults.find((fault) => fault.name === name);
  if (found === undefined) throw new Error(`no fault ${name}; there are ${faults.map((fault) => fault.name).join(", ")}`);
  return found;
}
