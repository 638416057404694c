// Owns: the keys of cold rows: what is stored but not needed to fire a job. Reads and writes go through what changed since the last
// checkpoint (src/storage), so that an unflushed row is never missed (H10b).

/** Declared here, implemented by src/storage. All synchronous. */
export interface ColdRows {
  get(key: string): Uint8Array | undefined;
  put(key: string, value: Uint8Array): void;
  /** As put, for a key that has no row: there is nothing to be looked for in its place. */
  add(key: string, value: Uint8Array): void;
  del(key: string): void;
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

export const coldKeys = {
  definition: (job: number, revision: number): string => `def/${hex(job, 8)}/${hex(revision, 8)}`,
  /**
   * Sorts behind all others. A list that is loaded writes these in ascending order, and LevelDB moves a file of them that nothing lies
   * behind to the next level as it is; a file that it has to put before other keys it rewrites together with those.
   */
  definitionBlock: (block: number): string => `together/${hex(block, 8)}`,
  /** What became of a job that left the table, by its id and by its last status. */
  ended: (jobId: string): string => `ended/${jobId}`,
  endedBy: (status: string, jobId: string): string => `by/${status}/${jobId}`,
  /** Whose number it was up to this history ordinal: from old records back to ids. */
  lefts: "left/",
  left: (job: number, ordinal: number): string => `left/${hex(job, 8)}/${hex(ordinal, 12)}`,
  keys: "key/",
  idempotency: (scope: string): string => `key/${scope}`,
  generations: "gen/",
  generation: (generation: number, scope: string): string => `gen/${hex(generation, 8)}/${scope}`,
  /** Last error of an execution that is live. */
  note: (sequence: number): string => `note/${hex(sequence, 12)}`,
  schedules: "sch/",
  classes: "cls/",
} as const;
