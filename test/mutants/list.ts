// Owns: all mutants, room by room.

import { bulk } from "./bulk.ts";
import { elections } from "./elections.ts";
import { hashes } from "./hashes.ts";
import { jobs } from "./jobs.ts";
import { leading } from "./leading.ts";
import { replication } from "./replication.ts";
import { restoring } from "./restoring.ts";
import { storage } from "./storage.ts";
import { working } from "./working.ts";
import type { Mutant } from "./mutant.ts";

export const mutants: readonly Mutant[] = [
  ...elections,
  ...replication,
  ...storage,
  ...hashes,
  ...jobs,
  ...restoring,
  ...leading,
  ...working,
  ...bulk,
];
