// The process that is the lab: it lives in the routers' namespace, holds clouds, metadata and world,
// and keeps name server, resolver, agent and machines running. It listens for control last of all,
// so that an answer means a complete lab.

import { appendFile, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Fastify, { type FastifyInstance } from "fastify";
import { startAgent } from "./agent";
import { noInfrastructure } from "./clouds/infrastructure";
import type { LabStatus } from "./control";
import { serveClouds } from "./control-plane";
import { ensureImage } from "./machines/image";
import { LabInfrastructure } from "./machines/infrastructure";
import { serveMetadata } from "./machines/metadata";
import { mountVolumeStore } from "./machines/volumes";
import { apis, elsewhere, packages, packagesPort, rootServers, router } from "./network/addresses";
import { publicIpv6 } from "./network/namespaces";
import { relayToSocket, serveTunnels } from "./network/tunnels";
import { type LabPaths, labPaths } from "./paths";
import { AcmeServer, acmeDirectory, acmeOrderSchema } from "./world/acme";
import { Authority } from "./world/authority";
import { openCredentials } from "./world/credentials";
import { elsewhereDomain } from "./world/domains";
import { Inbox } from "./world/inbox";
import { outgoingMailSchema } from "./world/mail";
import { Nameserver } from "./world/nameserver";
import { servePolicies } from "./world/policies";
import { foreignZones } from "./world/publications";
import { serveMailHosts } from "./world/receive";
import { registration } from "./world/registrar";
import { startResolver } from "./world/resolver";
import { deliver } from "./world/send";
import { serveSmarthost } from "./world/smarthost";
import { writeTrustAnchor } from "./world/zone-keys";

interface Running {
  status(): LabStatus;
  addRoutes(app: FastifyInstance): void;
  stop(): Promise<void>;
}

async function withMachines(
  paths: LabPaths,
  blockOutgoingMail: boolean,
  report: (line: string) => void,
): Promise<Running> {
  await relayToSocket(packages.ipv4, packagesPort, paths.packages);
  const image = await ensureImage(paths, report);
  report("starting name server, resolver, clouds, certificate authority and foreign mail domains");
  writeTrustAnchor(paths);
  const authority = await Authority.open(paths);
  const credentials = await openCredentials(paths, authority);
  const nameserver = new Nameserver(paths, foreignZones(credentials));
  const infrastructure = new LabInfrastructure(paths, image, nameserver, blockOutgoingMail);
  await mountVolumeStore(paths);
  const resolver = await startResolver(paths);
  await infrastructure.restore();
  const acme = new AcmeServer(paths, authority);
  await acme.start();
  await serveMetadata(() => infrastructure.machines);
  await serveMailHosts(credentials, new Inbox(paths.received));
  await servePolicies(credentials);
  await serveSmarthost(paths, authority);
  const agent = await startAgent(paths);
  const addresses = await serveClouds(paths, infrastructure, apis.ipv4);
  const named = (name: string) =>
    infrastructure.machines.find(({ spec }) => spec.name === name || String(spec.id) === name);
  await rm(paths.tunnel, { force: true });
  await serveTunnels(
    paths.tunnel,
    router.ipv4,
    (name) => named(name)?.spec.addresses.ipv4 ?? undefined,
  );
  return {
    status: () => ({
      name: paths.name,
      machinesPossible: true,
      machines: infrastructure.machines.map(({ spec, running }) => ({
        name: spec.name,
        id: spec.id,
        state: running ? "running" : "off",
        ipv4: spec.addresses.ipv4,
        ipv6: publicIpv6(spec.addresses),
      })),
      nameserver: { ipv4: rootServers[0]?.[1] ?? "" },
      elsewhere: { domain: elsewhereDomain, ...elsewhere, inbox: paths.received },
      acme: { directory: acmeDirectory, caFile: paths.caFile },
      apis: addresses,
    }),
    addRoutes(app) {
      app.get<{ Params: { name: string } }>("/machines/:name/leader", async ({ params }) => {
        const pid = await named(params.name)?.leader();
        if (pid === undefined)
          throw new Error(`machine "${params.name}": is not running in this lab`);
        return { pid };
      });
      app.put<{ Params: { domain: string } }>("/registrar/:domain", async ({ params, body }) => {
        const told = registration.parse(body);
        await infrastructure.register(params.domain, told.ds);
        return told;
      });
      app.post("/acme", async ({ body }) => {
        const { running, ...options } = acmeOrderSchema.parse(body);
        await (running ? acme.start(options) : acme.stop());
        return {};
      });
      app.post("/send", async ({ body }) =>
        deliver(outgoingMailSchema.parse(body), { credentials, caFile: paths.caFile }),
      );
    },
    async stop() {
      await Promise.all(infrastructure.machines.map((machine) => machine.powerOff()));
      await Promise.all([nameserver, resolver, agent, acme].map((daemon) => daemon.stop()));
    },
  };
}

async function withoutMachines(paths: LabPaths): Promise<Running> {
  const addresses = await serveClouds(paths, noInfrastructure, undefined);
  return {
    status: () => ({
      name: paths.name,
      machinesPossible: false,
      machines: [],
      nameserver: null,
      elsewhere: null,
      acme: null,
      apis: addresses,
    }),
    addRoutes() {},
    async stop() {},
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      name: { type: "string" },
      "no-machines": { type: "boolean", default: false },
      "block-outgoing-mail": { type: "boolean", default: false },
    },
  });
  const paths = labPaths(values.name);
  await mkdir(paths.log, { recursive: true });
  const report = (line: string): void => {
    appendFile(join(paths.state, "progress"), `${line}\n`).catch(() => {});
  };
  const running = values["no-machines"]
    ? await withoutMachines(paths)
    : await withMachines(paths, values["block-outgoing-mail"], report);
  const app = Fastify();
  app.get("/status", async () => running.status());
  running.addRoutes(app);
  let stopping = false;
  process.on("SIGTERM", () => {
    if (stopping) return;
    stopping = true;
    running.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
  await rm(paths.control, { force: true });
  await app.listen({ path: paths.control });
}

main().catch((error: unknown) => {
  process.stderr.write(`supervisor: ${error instanceof Error ? error.stack : error}\n`);
  process.exit(1);
});
