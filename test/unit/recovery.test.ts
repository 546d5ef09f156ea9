// Which resource a thing found in a cloud is, how it is imported, and what is said of it. Does not prove
// that the engine and the clouds speak so.

import { describe, expect, it } from "vitest";
import { apis } from "../../scripts/clouds/api";
import {
  attachmentType,
  complaints,
  exported,
  type Found,
  importFile,
  place,
  planned,
  type Resource,
  serverType,
} from "../../scripts/recovery/placement";
import { importedAs, leftAlone, recoveryText } from "../../scripts/recovery/report";

const stackUrn = "urn:pulumi:dev::mail-host::pulumi:pulumi:Stack::mail-host-dev";
const hostUrn = "urn:pulumi:dev::mail-host::mailhost:index:MailHost::mail-host";
const volumeType = "hcloud:index/volume:Volume";
const recordType = "cloudflare:index/dnsRecord:DnsRecord";

const hostComponent: Resource = {
  urn: hostUrn,
  type: "mailhost:index:MailHost",
  parent: stackUrn,
  inputs: {},
};
const resource = (type: string, name: string, inputs: Record<string, unknown>): Resource => ({
  urn: `urn:pulumi:dev::mail-host::mailhost:index:MailHost$${type}::${name}`,
  type,
  parent: hostUrn,
  provider: "urn:pulumi:dev::mail-host::pulumi:providers:hcloud::default_1_41_0::some-id",
  inputs,
});
const thing = (values: Partial<Found>): Found => ({
  what: 'volume "dev-mail" (7)',
  type: volumeType,
  id: "7",
  identity: { name: "dev-mail" },
  likeness: {},
  removal: "curl -X DELETE …/volumes/7",
  ...values,
});
const volume = resource(volumeType, "mail-host-volume", { name: "dev-mail", size: 20 });

describe("something that carries the stack's marks", () => {
  it("is the resource of its type whose identity it has", () => {
    const other = resource("hcloud:index/firewall:Firewall", "firewall", { name: "dev-mail" });
    const found = thing({});
    expect(place([found], { wanted: [other, volume], held: [] })).toEqual({
      placed: [{ found, resource: volume }],
      unplaced: [],
    });
  });

  it("is nobody's when the program wants none of its name", () => {
    const found = thing({ identity: { name: "dev-old" } });
    expect(place([found], { wanted: [volume], held: [] })).toEqual({
      placed: [],
      unplaced: [found],
    });
  });

  it("is not looked at when the state holds it, records by the last part of their import id", () => {
    const record = thing({ type: recordType, id: "zone/abc", identity: { name: "a.test" } });
    const held = [
      { ...volume, id: "7" },
      { ...resource(recordType, "x-mx", {}), id: "abc" },
    ];
    expect(place([thing({}), record], { wanted: [volume], held })).toEqual({
      placed: [],
      unplaced: [],
    });
  });

  it("is placed once; its twin is left over", () => {
    const twin = thing({ id: "8" });
    const { placed, unplaced } = place([thing({}), twin], { wanted: [volume], held: [] });
    expect(placed.map(({ found }) => found.id)).toEqual(["7"]);
    expect(unplaced).toEqual([twin]);
  });

  it("goes to the likest of several records of one name and type, whatever their order", () => {
    const text = (name: string, content: string, comment: string) =>
      resource(recordType, name, { zoneId: "z", name: "a.test", type: "TXT", content, comment });
    const wanted = [
      text("spf", "v=spf1", "mail-host/dev: spf"),
      text("rpt", "unknown", "mail-host/dev: rpt"),
    ];
    const record = (id: string, content: string, comment: string) =>
      thing({
        type: recordType,
        id: `z/${id}`,
        identity: { zoneId: "z", name: "a.test", type: "TXT" },
        likeness: { content, comment },
      });
    const found = [
      record("1", "v=TLSRPTv1", "mail-host/dev: rpt"),
      record("2", "v=spf1", "mail-host/dev: spf"),
    ];
    for (const order of [found, [...found].reverse()]) {
      const { placed } = place(order, { wanted, held: [] });
      expect(
        Object.fromEntries(placed.map((one) => [one.found.id, one.resource.inputs.comment])),
      ).toEqual({ "z/1": "mail-host/dev: rpt", "z/2": "mail-host/dev: spf" });
    }
  });

  it("stays outside while an obstacle stands", () => {
    const server = resource(serverType, "mail-host", { name: "mail.a.test" });
    const found = thing({
      type: serverType,
      identity: { name: "mail.a.test" },
      obstacle: { reason: "it runs", cure: "stop it" },
    });
    expect(place([found], { wanted: [server], held: [] }).unplaced).toEqual([found]);
  });

  it("is not missed when it is the attachment of a volume that the program attaches later", () => {
    const found = thing({ type: attachmentType, identity: { volumeId: 7, serverId: 9 } });
    const wanted = [resource(attachmentType, "attachment", { volumeId: 7, serverId: "unknown" })];
    expect(place([found], { wanted, held: [] })).toEqual({ placed: [], unplaced: [] });
  });
});

describe("the import file", () => {
  const placed = [{ found: thing({}), resource: volume }];
  const entry = {
    type: volumeType,
    name: volume.urn,
    logicalName: "mail-host-volume",
    parent: hostUrn,
    id: "7",
    version: "1.41.0",
  };

  it("names parents that the state holds by their URN", () => {
    expect(importFile(placed, { wanted: [volume], held: [hostComponent] })).toEqual({
      nameTable: { [hostUrn]: hostUrn },
      resources: [entry],
    });
  });

  it("brings parents along that the state does not hold", () => {
    expect(importFile(placed, { wanted: [hostComponent, volume], held: [] })).toEqual({
      nameTable: {},
      resources: [
        {
          type: "mailhost:index:MailHost",
          name: hostUrn,
          logicalName: "mail-host",
          component: true,
        },
        entry,
      ],
    });
  });
});

describe("the engine's words", () => {
  it("of a preview are what it would create, not what is there", () => {
    const steps = [
      { op: "create", newState: volume },
      { op: "same", newState: hostComponent },
      { op: "delete", oldState: hostComponent },
    ];
    expect(planned(JSON.stringify({ steps }))).toEqual([volume]);
  });

  it("of a preview that failed are its errors alone", () => {
    const diagnostics = [
      { severity: "warning", message: "never mind\n" },
      { severity: "error", message: "3 mistakes\n" },
    ];
    expect(complaints(JSON.stringify({ diagnostics }))).toBe("3 mistakes");
  });

  it("of an empty state are nothing", () => {
    expect(exported('{"deployment":{"manifest":{}}}')).toEqual({ resources: [], interrupted: [] });
  });
});

describe("the clouds' APIs", () => {
  const environment = {
    HCLOUD_TOKEN: "from the environment",
    CLOUDFLARE_API_TOKEN: "also",
    CLOUDFLARE_BASE_URL: "http://127.0.0.1:1/client/v4/",
  };

  it("are the real ones unless something else is said, and the stack's configuration comes first", () => {
    const configuration = { "hcloud:token": { value: "from the stack", secret: true } };
    const { hetzner, cloudflare } = apis(JSON.stringify(configuration), environment);
    expect([hetzner.token, hetzner.endpoint]).toEqual([
      "from the stack",
      "https://api.hetzner.cloud/v1",
    ]);
    expect([cloudflare.token, cloudflare.endpoint]).toEqual([
      "also",
      "http://127.0.0.1:1/client/v4",
    ]);
  });

  it("need tokens: the missing one is named with the command that sets it", () => {
    expect(() => apis("{}", { HCLOUD_TOKEN: "x" })).toThrow(
      "cloudflare:apiToken: not set, nor is CLOUDFLARE_API_TOKEN. Set it with: pulumi config set --secret cloudflare:apiToken <token>",
    );
  });
});

describe("the report", () => {
  it("says in a few lines what was found and done, and what mends the rest", () => {
    const server = thing({ what: 'server "mail.a.test" (9)', type: serverType });
    const text = recoveryText({
      mended: [{ file: ".pulumi/stacks/mail-host/dev.json.attrs", how: "removed" }],
      wasLocked: true,
      interrupted: [{ operation: "creating", urn: volume.urn }],
      imported: [
        importedAs({ found: thing({}), resource: volume }),
        importedAs({ found: server, resource: resource(serverType, "mail-host", {}) }),
      ],
      leftAlone: [leftAlone(thing({ what: 'volume "dev-old" (5)' }))],
    });
    expect(text).toBe(
      `state        .pulumi/stacks/mail-host/dev.json.attrs could not be read: removed
lock         cleared
interrupted  creating mail-host-volume; taken out of the state
imported     volume "dev-mail" (7) as mail-host-volume
imported     server "mail.a.test" (9) as mail-host
             what it was born with cannot be read back: \`pulumi up\` replaces it
left alone   volume "dev-old" (5): the program has no place for it; if nothing needs it, delete it
             curl -X DELETE …/volumes/7

Go on with: pulumi up`,
    );
  });
});
