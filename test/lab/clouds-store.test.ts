// What both clouds share: state that survives a restart, the journal of requests, ordered faults.

import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { expect, it } from "vitest";
import { createCloudflare, zoneIdOf } from "../../lab/clouds/cloudflare";
import { createHetznerCloud } from "../../lab/clouds/hetzner";
import { noInfrastructure } from "../../lab/clouds/infrastructure";
import { fileStore, memoryStore, type Store } from "../../lab/clouds/store";
import { clientOf, recorder, watched } from "./clouds-support";
import { cloudflareContract, hetznerContract } from "./contract";

const zones = [{ name: "example.test", id: zoneIdOf("example.test"), accountId: "a".repeat(32) }];
const records = `/zones/${zoneIdOf("example.test")}/dns_records`;

function clouds(store: Store, infrastructure = noInfrastructure) {
  const hetzner = createHetznerCloud({ infrastructure, store, actionMilliseconds: 1 });
  const cloudflare = createCloudflare({ infrastructure, store, zones });
  watched(hetzner, hetznerContract);
  watched(cloudflare, cloudflareContract);
  return {
    hetzner: clientOf(hetzner, "/v1"),
    cloudflare: clientOf(cloudflare, "/client/v4"),
    close: async () => {
      await hetzner.close();
      await cloudflare.close();
    },
  };
}

it("finds addresses and records again after a restart, and publishes them anew", async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "clouds-"));
  const file = path.join(folder, "state.json");
  const before = clouds(fileStore(file));
  await before.hetzner("POST", "/primary_ips", { name: "four", type: "ipv4", location: "nbg1" });
  const record = { name: "example.test", type: "A", content: "198.18.1.10", ttl: 300 };
  await before.cloudflare("POST", records, record);
  await before.close();

  const { effects, infrastructure } = recorder();
  const after = clouds(fileStore(file), infrastructure);
  const { body } = await after.hetzner("GET", "/primary_ips");
  expect(body.primary_ips[0].ip).toBe("198.18.1.10");
  expect((await after.cloudflare("GET", records)).body.result).toHaveLength(1);
  const rdata = { name: "example.test", ttlSeconds: 300, type: "A", rdata: "198.18.1.10" };
  expect(effects).toEqual([
    ["setPtr", "198.18.1.10", "static.10.1.18.198.clients.your-server.de"],
    ["publishZone", "example.test", [rdata], null],
  ]);
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  await after.close();
  fs.rmSync(folder, { recursive: true });
});

it("keeps a journal of each cloud without bodies", async () => {
  const store = memoryStore();
  const { hetzner, cloudflare, close } = clouds(store);
  await hetzner("GET", "/servers?name=mail");
  await cloudflare("GET", records);
  const { body } = await hetzner("GET", "/_lab/journal");
  expect(body).toEqual([
    {
      at: expect.any(String),
      cloud: "hetzner",
      method: "GET",
      path: "/v1/servers?name=mail",
      status: 200,
    },
  ]);
  expect(store.journal.map(({ cloud }) => cloud)).toEqual(["hetzner", "cloudflare"]);
  await close();
});

it("answers with an ordered fault as often as ordered", async () => {
  const { hetzner, close } = clouds(memoryStore());
  const error = { code: "unavailable", message: "ordered", details: null };
  const answer = { status: 503, body: { error } };
  await hetzner("POST", "/_lab/faults", { method: "GET", path: "^/v1/servers", times: 2, answer });
  const statuses = [];
  for (let count = 0; count < 3; count += 1) {
    statuses.push((await hetzner("GET", "/servers")).status);
  }
  expect(statuses).toEqual([503, 503, 200]);
  await close();
});

it("loses the answer to a call that took effect", async () => {
  const { cloudflare, close } = clouds(memoryStore());
  const errors = [{ code: 1000, message: "ordered" }];
  const answer = { status: 502, body: { result: null, success: false, errors, messages: [] } };
  await cloudflare("POST", "/_lab/faults", {
    method: "POST",
    path: "/dns_records",
    when: "after",
    answer,
  });
  const record = { name: "example.test", type: "A", content: "192.0.2.1", ttl: 300 };
  expect((await cloudflare("POST", records, record)).status).toBe(502);
  expect((await cloudflare("GET", records)).body.result).toHaveLength(1);
  await close();
});

it("lets a call take effect long before it is answered", async () => {
  const { cloudflare, close } = clouds(memoryStore());
  const fault = { method: "POST", path: "/dns_records", when: "after", delayMilliseconds: 400 };
  await cloudflare("POST", "/_lab/faults", fault);
  const record = { name: "example.test", type: "A", content: "192.0.2.1", ttl: 300 };
  let isAnswered = false;
  const call = cloudflare("POST", records, record).then(({ status }) => {
    isAnswered = true;
    return status;
  });
  await expect.poll(async () => (await cloudflare("GET", records)).body.result).toHaveLength(1);
  expect(isAnswered).toBe(false);
  expect(await call).toBe(200);
  await close();
});
