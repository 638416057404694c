// Owns: certificates of a cluster: one authority, and one certificate per node that names it by a URI (identity.ts I1). Made
// once by an operator's command; read from files at start.

import { existsSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { PawlError, messageOf } from "../base/errors.ts";
import { isLinkName, serverUri } from "./identity.ts";

/** PEM texts: the authority that signs every node, and this node's certificate and key. */
export type TlsMaterial = { readonly ca: string; readonly cert: string; readonly key: string };

export type Certificate = { readonly cert: string; readonly key: string };

/** `hosts`: IP addresses or names under which a node is reached. */
export type CertificateMember = { readonly id: string; readonly hosts: readonly string[] };

export type CertificateOptions = { readonly days: number; readonly nowMs: number };

const DAY_MS = 86_400_000;
const BACKDATED_MS = 3_600_000; // a node whose clock is behind the maker's takes them at once

/**
 * An authority and one certificate per member (elliptic curve P-256), valid for `days`. Throws PawlError("invalid") for names
 * that do not fit into a certificate.
 */
export async function makeCertificates(
  clusterName: string,
  members: readonly CertificateMember[],
  options: CertificateOptions,
): Promise<{ ca: Certificate; nodes: Record<string, Certificate> }> {
  checkNames(clusterName, members);
  const { generate } = await import("selfsigned"); // loaded only here: no node needs it to run
  const common = {
    keyType: "ec" as const,
    curve: "P-256" as const,
    algorithm: "sha256",
    notBeforeDate: new Date(options.nowMs - BACKDATED_MS),
    notAfterDate: new Date(options.nowMs + options.days * DAY_MS),
  };
  const authority = await generate([{ name: "commonName", value: `${clusterName} authority` }], {
    ...common,
    extensions: [
      { name: "basicConstraints", cA: true, pathLenConstraint: 0, critical: true },
      { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const ca = { cert: authority.cert, key: authority.private };
  const nodes: Record<string, Certificate> = {};
  for (const { id, hosts } of members) {
    const node = await generate([{ name: "commonName", value: id }], {
      ...common,
      ca,
      extensions: [
        { name: "basicConstraints", cA: false, critical: true },
        { name: "keyUsage", digitalSignature: true, critical: true },
        { name: "extKeyUsage", serverAuth: true, clientAuth: true },
        { name: "subjectAltName", altNames: alternativeNames(serverUri(clusterName, id), hosts) },
      ],
    });
    nodes[id] = { cert: node.cert, key: node.private };
  }
  return { ca, nodes };
}

type AlternativeName = { type: 2 | 6; value: string } | { type: 7; ip: string };

function alternativeNames(uri: string, hosts: readonly string[]): AlternativeName[] {
  const distinct = [...new Set([...hosts, "localhost", "127.0.0.1"])];
  const names = distinct.map((host): AlternativeName => (isIP(host) ? { type: 7, ip: host } : { type: 2, value: host }));
  return [{ type: 6, value: uri }, ...names];
}

function checkNames(clusterName: string, members: readonly CertificateMember[]): void {
  for (const name of [clusterName, ...members.map(({ id }) => id)]) {
    if (isLinkName(name)) continue;
    throw new PawlError("invalid", `${JSON.stringify(name)} cannot be in a certificate: use letters, digits, dot, dash and underscore`);
  }
  for (const host of members.flatMap(({ hosts }) => hosts)) {
    if (isIP(host) !== 0 || /^[A-Za-z0-9.-]{1,253}$/.test(host)) continue;
    throw new PawlError("invalid", `${JSON.stringify(host)} is neither an IP address nor a host name: correct it`);
  }
}

/**
 * Reads ca.pem, node.pem and node-key.pem of `directory`; undefined if there is none of them. Throws PawlError("config") if only
 * some are there or one cannot be read: a node never falls back to an open port because a file is missing.
 */
export function loadTls(directory: string): TlsMaterial | undefined {
  const files = ["ca.pem", "node.pem", "node-key.pem"].map((name) => join(directory, name));
  const missing = files.filter((file) => !existsSync(file));
  if (missing.length === files.length) return undefined;
  if (missing.length > 0) {
    const gap = `${missing.join(" and ")} ${missing.length === 1 ? "is" : "are"} missing`;
    throw new PawlError("config", `TLS needs ca.pem, node.pem and node-key.pem together: ${gap}; add what is missing or remove the rest`);
  }
  const [ca, cert, key] = files.map(readPem) as [string, string, string];
  return { ca, cert, key };
}

function readPem(file: string): string {
  try {
    const text = readFileSync(file, "utf8");
    if (text.includes("-----BEGIN ")) return text;
  } catch (error) {
    throw new PawlError("config", `cannot read ${file}: ${messageOf(error)}; make it readable for this user`, { cause: error });
  }
  throw new PawlError("config", `${file} holds no PEM text; replace it`);
}
