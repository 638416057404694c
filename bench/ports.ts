// Owns: which ports the nodes of measurements and tests listen on. Not those that the system gives out by itself: until a node listens,
// any connection of any program may get such a port for its own end.

import { createServer } from "node:net";

const FIRST = 10_000;
const COUNT = 20_000;

let next = (process.pid * 97) % COUNT;

/** Ports on which nobody listens now, other ones each time and, mostly, in each process. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count; tries++) {
    if (tries === COUNT) throw new Error(`there are no ${count} free ports from ${FIRST} to ${FIRST + COUNT}; end what listens on them`);
    const port = FIRST + next;
    next = (next + 1) % COUNT;
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
