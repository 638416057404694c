// Owns: what a fault is. Each class of faults has a file beside this one; index.ts lists them all.

import type { Stage } from "../stage.ts";

/** What a stage must have before a fault can be made on it. */
export type Need = "disk" | "clock" | "smalldisk";

export type Stroke = {
  /** To whom it was done. */
  readonly whom: string;
  /** Undoes it. Nodes that have ended are started again afterwards. */
  heal(): Promise<void>;
};

export type Fault = {
  readonly name: string;
  readonly needs?: Need;
  /** How long it lasts before it is undone. */
  readonly holdMs: number;
  /** Exit codes with which a node may answer it; any other end that nobody asked for is a violation. */
  readonly mayExit?: readonly number[];
  /** Does it. It stands when the promise resolves. */
  strike(stage: Stage): Promise<Stroke>;
};
