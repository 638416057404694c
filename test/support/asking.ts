// Requests to one node of a cluster, tried once: what the client library would try again elsewhere is what these tests look at.

import type { RealNode } from "./processes.ts";
import { TOKEN, until } from "./processes.ts";

export type Answer = {
  readonly status: number;
  readonly code: string | undefined;
  readonly outcome: string | undefined;
  /** From the request to the whole answer. */
  readonly tookMs: number;
};

/** Undefined when the connection broke without an answer. */
export async function ask(node: RealNode, method: "GET" | "POST" | "DELETE", path: string, body?: object): Promise<Answer | undefined> {
  const headers = { authorization: `Bearer ${TOKEN}`, ...(body && { "content-type": "application/json" }) };
  const beganMs = performance.now();
  try {
    const response = await fetch(`${node.api}/api/v1${path}`, { method, headers, body: body ? JSON.stringify(body) : null });
    const said = (await response.json()) as { code?: string; outcome?: string };
    return { status: response.status, code: said.code, outcome: said.outcome, tookMs: performance.now() - beganMs };
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** A job that is not due while a test runs. */
export function yearly(id: string): object {
  return { job_id: id, job_type: "noop", schedule: { cron: "0 0 1 1 *" } };
}

export async function leadsByItself(node: RealNode): Promise<boolean> {
  const response = await fetch(`${node.api}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
  return /^pawl_leader 1$/m.test(await response.text());
}

export async function leaderAmong(nodes: readonly RealNode[]): Promise<RealNode> {
  return until("one of them leads", 20_000, async () => {
    for (const node of nodes) if (await leadsByItself(node)) return node;
    return undefined;
  });
}
