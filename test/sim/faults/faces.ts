// Faults of what runs the work: a face that answers late or hangs, and work that is slow or fails.

import type { FaultClass } from "./fault.ts";

export const hungFaces: FaultClass = {
  name: "hung face",
  chance: 0.4,
  draw: () => ({
    begin: (field) => {
      field.face.hangMs = 20_000;
      field.note("hung face");
    },
  }),
};

/** Most executions take seconds, so that slots run out and executions queue. */
export const busyFaces: FaultClass = {
  name: "busy",
  chance: 0.3,
  draw: () => ({
    begin: (field) => {
      field.face.slowRate = 0.8;
      field.note("busy");
    },
  }),
};
