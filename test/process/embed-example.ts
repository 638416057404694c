// A program that embeds Pawl, as the README shows it: one job, one handler, no socket. The data directory is its argument.

import { createNode } from "pawl";

const dataDir = process.argv[2] ?? "./pawl-data";

const node = await createNode({
  dataDir,
  handlers: {
    greet: async ({ payload, token, attempt, logger }) => {
      logger.info(`hello ${JSON.stringify(payload)}`);
      console.log(JSON.stringify({ greeted: payload, token, attempt }));
    },
  },
});

process.once("SIGTERM", () => void node.stop());

const known: string[] = [];
for await (const job of node.client.jobs.list()) known.push(job.job_id);
console.log(JSON.stringify({ known }));

if (!known.includes("greet-every-second")) {
  await node.client.jobs.submit({
    job_id: "greet-every-second",
    job_type: "greet",
    schedule: { every: "PT1S" },
    payload: { name: "world" },
  });
}
