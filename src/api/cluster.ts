// Owns: the routes about the program itself: nodes, the cluster and its members, health, metrics and the OpenAPI document.
// (M1) Changes of the members need no Idempotency-Key: asking twice for the same is the same as asking once. The answer is the cluster
//      as this node sees it: with 200 when that shows what was asked for, with 202 while it is on its way.

import { Readable } from "node:stream";
import * as answers from "./answers.ts";
import type { Backend } from "./backend.ts";
import { changed } from "./jobs.ts";
import { presentCluster, presentNode } from "./present.ts";
import { HttpRefusal } from "./problem.ts";
import { PREFIX, route } from "./registry.ts";
import type { Result, Route } from "./registry.ts";
import { read } from "./reading.ts";
import { newMember, noQuery, readQuery, removeQuery, transfer } from "./schemas.ts";
import type { ClusterView, MemberView } from "../jobs/views.ts";
import Type from "typebox";

const BACKUP_TYPE = "application/octet-stream";
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
      method: "POST", path: `${PREFIX}/cluster/clock/lower`, permission: "cluster:admin", change: true,
      summary: "Sets the cluster's clock back to the wall clocks, after a wrong one had moved it ahead",
      query: noQuery, answers: { 200: answers.lowered },
      handle: async ({ origin }) => changed(backend, { kind: "lower_clock" }, origin),
    }),
    ...memberRoutes(backend),
    route({
      method: "GET", path: `${PREFIX}/cluster/backup`, permission: "cluster:admin", change: false,
      summary: "A backup of the state that the node which is asked has applied, without history",
      query: noQuery, answers: { 200: Type.String({ description: "The file of the backup" }) }, contentType: BACKUP_TYPE,
      handle: async () => ({ body: Readable.from(await backend.backup(), { objectMode: false }), contentType: BACKUP_TYPE }),
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

function memberRoutes(backend: Backend): readonly Route[] {
  const members = `${PREFIX}/cluster/members`;
  const one = `${members}/{member_id}`;
  const admin = { permission: "cluster:admin", change: true, answers: { 200: answers.cluster, 202: answers.cluster } } as const;
  return [
    route({
      ...admin, method: "POST", path: members, summary: "Adds a member, at first as a learner", body: newMember, query: noQuery,
      handle: async ({ body: { id, peer, api, role = "voter" } }) => {
        await backend.cluster.change({ kind: "add", member: { id, peer, api: hostPort(api) }, as: role });
        return seen(backend, (cluster) => (role === "voter" ? votes(cluster, id) : memberOf(cluster, id) !== undefined));
      },
    }),
    route({
      ...admin, method: "DELETE", path: one, summary: "Removes a member", query: removeQuery,
      handle: async ({ param, query }) => {
        const id = param("member_id");
        await backend.cluster.change({ kind: "remove", id, force: query.force ?? false });
        return seen(backend, (cluster) => memberOf(cluster, id) === undefined);
      },
    }),
    route({
      ...admin, method: "POST", path: `${one}/promote`, summary: "Makes a learner that has caught up a voter", query: noQuery,
      handle: async ({ param }) => {
        const id = param("member_id");
        await backend.cluster.change({ kind: "promote", id });
        return seen(backend, (cluster) => votes(cluster, id));
      },
    }),
    route({
      ...admin, method: "POST", path: `${one}/demote`, query: removeQuery,
      summary: "Makes a voter a learner that is promoted again when it has caught up",
      handle: async ({ param, query }) => {
        const id = param("member_id");
        await backend.cluster.change({ kind: "demote", id, force: query.force ?? false });
        return seen(backend, (cluster) => !votes(cluster, id));
      },
    }),
    route({
      ...admin, method: "POST", path: `${PREFIX}/cluster/transfer`, body: transfer, query: noQuery,
      summary: "Hands leadership to a member, or to the voter that is furthest",
      handle: async ({ body: { to } }) => {
        await backend.cluster.transfer(to);
        return seen(backend, (cluster) => cluster.leaderId !== undefined && (to === undefined || cluster.leaderId === to));
      },
    }),
  ];
}

/** (M1) */
async function seen(backend: Backend, done: (cluster: ClusterView) => boolean): Promise<Result> {
  const { answer, headers } = await read(backend, { kind: "cluster" }, "stale");
  return { status: done(answer.cluster) ? 200 : 202, body: presentCluster(answer.cluster), headers };
}

function memberOf(cluster: ClusterView, id: string): MemberView | undefined {
  return cluster.members.find((member) => member.id === id);
}

function votes(cluster: ClusterView, id: string): boolean {
  const role = memberOf(cluster, id)?.role;
  return role === "voter" || role === "leader";
}

/** Members are kept as the settings write them. */
function hostPort(url: string): string {
  return url.replace(/^https?:\/\//, "").replace(/\/$/, "");
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
