// Owns: how long it takes from the kill of a leader until a job that became due after it starts: watched as a user could, in the stream of
// events of a node that lives on.

import type { BenchCluster, BenchNode } from "./cluster.ts";

const FIRST_DUE_MAX_MS = 60_000;

type Shown = { readonly type: string; readonly scheduled_at?: string };

/** Kills the leader; milliseconds from then to the news of the first start of what was due later. Jobs must become due all the time. */
export async function killToFirstDue(cluster: BenchCluster, leader: BenchNode, survivor: BenchNode): Promise<number> {
  const given = AbortSignal.timeout(FIRST_DUE_MAX_MS);
  const headers = { authorization: `Bearer ${cluster.token}` };
  const response = await fetch(`${survivor.api}/api/v1/events`, { headers, signal: given });
  if (!response.ok || response.body === null) throw new Error(`events were answered ${response.status}`);
  const sinceMs = performance.now();
  const killedAtMs = Date.now();
  await cluster.kill(leader);
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const { type, scheduled_at: dueAt = "" } = JSON.parse(line.slice(5)) as Shown;
      if (type === "execution.started" && Date.parse(dueAt) >= killedAtMs) return performance.now() - sinceMs;
    }
  }
  throw new Error("the events ended before a job started");
}
