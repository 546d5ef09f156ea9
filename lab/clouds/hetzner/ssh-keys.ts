// SSH keys of the project.

import * as crypto from "node:crypto";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { invalidInput, notUnique, readBody } from "./errors";
import { labelsBody } from "./labels";
import { listPage, queryValues } from "./lists";
import { byId, drop, type Project, requireUniqueName, takeId } from "./project";
import type { SshKey } from "./state";

function sshKeyJson(key: SshKey): unknown {
  const { publicKey, ...rest } = key;
  return { ...rest, public_key: publicKey };
}

const publicKeyPattern =
  /^(ssh-(?:rsa|ed25519)|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) +([A-Za-z0-9+/]+=*)(?: .*)?$/;

/** MD5 in colon hex, as the API shows it. */
function fingerprintOf(publicKey: string): string {
  const [, type = "", encoded = ""] = publicKeyPattern.exec(publicKey) ?? [];
  const blob = Buffer.from(encoded, "base64");
  const length = blob.length >= 4 ? blob.readUInt32BE(0) : 0;
  if (type === "" || blob.subarray(4, 4 + length).toString() !== type) {
    throw invalidInput("public_key", "public_key is not a valid SSH public key");
  }
  const digest = crypto.createHash("md5").update(blob).digest("hex");
  return digest.replace(/..(?!$)/g, "$&:");
}

const createBody = z.object({
  name: z.string().min(1),
  public_key: z.string().min(1),
  labels: labelsBody.default({}),
});

type ById = { Params: { id: string } };

/** Routes under `/v1/ssh_keys`. */
export function addSshKeys(app: FastifyInstance, project: Project): void {
  const { state, store } = project;
  const find = (id: string) => byId(state.sshKeys, id, "ssh key");

  app.get("/ssh_keys", async (request) => {
    const fingerprints = queryValues(request, "fingerprint");
    const found = state.sshKeys.filter(
      ({ fingerprint }) => fingerprints.length === 0 || fingerprints.includes(fingerprint),
    );
    return listPage(request, "ssh_keys", found, sshKeyJson);
  });

  app.post("/ssh_keys", async (request, reply) => {
    const wanted = readBody(createBody, request.body);
    const publicKey = wanted.public_key.trim();
    const fingerprint = fingerprintOf(publicKey);
    requireUniqueName(state.sshKeys, wanted.name);
    if (state.sshKeys.some((key) => key.fingerprint === fingerprint)) {
      throw notUnique("public_key", "SSH key with the same fingerprint already exists");
    }
    const key: SshKey = {
      id: takeId(project),
      name: wanted.name,
      labels: wanted.labels,
      created: new Date().toISOString(),
      publicKey,
      fingerprint,
    };
    state.sshKeys.push(key);
    store.save();
    return reply.code(201).send({ ssh_key: sshKeyJson(key) });
  });

  app.get<ById>("/ssh_keys/:id", async (request) => ({
    ssh_key: sshKeyJson(find(request.params.id)),
  }));

  app.put<ById>("/ssh_keys/:id", async (request) => {
    const key = find(request.params.id);
    const body = z.object({ name: z.string().min(1).optional(), labels: labelsBody.optional() });
    const wanted = readBody(body, request.body);
    requireUniqueName(state.sshKeys, wanted.name ?? key.name, key.id);
    key.name = wanted.name ?? key.name;
    key.labels = wanted.labels ?? key.labels;
    store.save();
    return { ssh_key: sshKeyJson(key) };
  });

  app.delete<ById>("/ssh_keys/:id", async (request, reply) => {
    drop(state.sshKeys, find(request.params.id).id);
    store.save();
    return reply.code(204).send();
  });
}
