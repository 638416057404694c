// Owns: the routes about the program itself: nodes, the cluster, health, metrics and the OpenAPI document.

import * as answers from "./answers.ts";
import type { Backend } from "./backend.ts";
import { changed } from "./jobs.ts";
import { presentCluster, presentNode } from "./present.ts";
import { HttpRefusal } from "./problem.ts";
import { PREFIX, route } from "./registry.ts";
import type { Result, Route } from "./registry.ts";
import { read } from "./reading.ts";
import { noQuery, readQuery } from "./schemas.ts";
import Type from "typebox";

const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export function clusterRoutes(backend: Backend, openApi: () => unknown): readonly Route[] {
  return [
    route({
      method: "GET", path: `${PREFIX}/nodes`, permission: "cluster:read", change: false, summary: "Nodes that run executions",
      query: readQuery, answers: { 200: answers.nodes },
      handle: async ({ query }) => {
        const { answer, headers } = await read(backend, { kind: "nodes" }, query.consistency);
        return { body: answer.nodes.map(presentNode), headers };
      },
    }),
    route({
      method: "GET", path: `${PREFIX}/cluster`, permission: "cluster:read", change: false,
      summary: "Members, leader and log of the cluster",
      query: readQuery, answers: { 200: answers.cluster },
      handle: async ({ query }) => {
        const { answer, headers } = await read(backend, { kind: "cluster" }, query.consistency);
        return { body: presentCluster(answer.cluster), headers };
      },
    }),
    route({
      method: "POST", path: `${PREFIX}/cluster/clock/confirm`, permission: "cluster:admin", change: true,
      summary: "Says that the leader's clock is right, after a gap so long that it waits for that",
      query: noQuery, answers: { 200: answers.confirmed },
      handle: async ({ origin }) => changed(backend, { kind: "confirm_clock" }, origin),
    }),
    route({
      method: "GET", path: `${PREFIX}/openapi.json`, permission: "api:read", change: false, summary: "This document",
      query: noQuery, answers: { 200: Type.Object({}) },
      handle: () => ({ body: openApi() }),
    }),
    route({
      method: "GET", path: "/metrics", permission: "metrics:read", change: false, summary: "Metrics for Prometheus",
      query: noQuery, answers: { 200: Type.String() }, contentType: "text/plain",
      handle: async () => ({ body: await backend.metrics(), contentType: METRICS_TYPE }),
    }),
    ...healthRoutes(backend),
  ];
}

function healthRoutes(backend: Backend): readonly Route[] {
  return [
    route({
      method: "GET", path: "/livez", permission: "public", change: false, summary: "Whether this process should be left running",
      query: noQuery, answers: { 200: answers.health },
      handle: () => healthResult(backend.health().live, "This node is not alive", backend.health().reason),
    }),
    route({
      method: "GET", path: "/readyz", permission: "public", change: false, summary: "Whether this node should be sent requests",
      query: noQuery, answers: { 200: answers.health },
      handle: () => healthResult(backend.health().ready, "This node is not ready", backend.health().reason),
    }),
  ];
}

function healthResult(good: boolean, title: string, reason: string | undefined): Result {
  if (!good) throw new HttpRefusal(503, "unavailable", title, reason ?? "starting or stopping");
  return { body: { status: "ok" } };
}
