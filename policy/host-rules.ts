// Rules of the machine and what it hangs on: which ports are open, what is protected, what carries its labels,
// and how much the machine may be told.

import {
  configured,
  elements,
  field,
  type PlannedResource,
  type Rule,
  Secret,
  stackOf,
  text,
  type Violation,
} from "./resource";

/** What the world may reach, and why, stands in `components/mail-host.ts`. */
const worldPorts = [25, 80, 443, 465, 587, 993];
const sshPort = 22;
const world = ["0.0.0.0/0", "::/0"];

/** A rule of a firewall, as far as it is known. */
interface Opening {
  readonly firewall: PlannedResource;
  readonly direction: string;
  readonly protocol: string;
  /** First and last port; every port where the protocol has none or any. */
  readonly ports: readonly [first: number, last: number];
  readonly sources: readonly (string | undefined)[];
}

function openingsOf(resources: readonly PlannedResource[]): Opening[] {
  return resources
    .filter(({ type }) => type === "hcloud:index/firewall:Firewall")
    .flatMap((firewall) =>
      elements(firewall.props.rules).map((rule) => ({
        firewall,
        direction: text(field(rule, "direction")) ?? "",
        protocol: text(field(rule, "protocol")) ?? "",
        ports: portRange(text(field(rule, "port"))),
        sources: elements(field(rule, "sourceIps")).map(text),
      })),
    );
}

function portRange(port: string | undefined): readonly [number, number] {
  const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(port ?? "") ?? [];
  return first === undefined ? [0, 65535] : [Number(first), Number(last ?? first)];
}

const covers = ({ ports: [first, last] }: Opening, port: number) => first <= port && port <= last;

const isExactly = ({ ports: [first, last] }: Opening, port: number) =>
  first === port && last === port;

const isSsh = (opening: Opening) => opening.protocol === "tcp" && isExactly(opening, sshPort);

const isOpenToTheWorld = ({ sources }: Opening) => world.every((all) => sources.includes(all));

export const openPorts: Rule = {
  name: "open-ports-as-intended",
  sentence:
    "The world reaches the ports 25, 80, 443, 465, 587 and 993 and ICMP, all of them and nothing else, and the host reaches the world.",
  check: (resources) => {
    const openings = openingsOf(resources);
    const unintended = openings.flatMap((opening) => {
      const { firewall, direction, protocol } = opening;
      if (direction === "out")
        return [{ resource: firewall.urn, message: "an outbound rule shuts every other way out" }];
      const isIntended =
        protocol === "icmp" ||
        isSsh(opening) ||
        (protocol === "tcp" && worldPorts.some((port) => isExactly(opening, port)));
      return isIntended ? [] : [{ resource: firewall.urn, message: `${shown(opening)} is open` }];
    });
    const servers = serversOf(resources);
    const closed = servers.slice(0, 1).flatMap(({ urn }) =>
      worldPorts
        .filter(
          (port) =>
            !openings.some(
              (opening) =>
                opening.protocol === "tcp" && isExactly(opening, port) && isOpenToTheWorld(opening),
            ),
        )
        .map((port) => ({
          resource: urn,
          message: `tcp ${port} is not open to all of the world`,
        })),
    );
    const open = servers
      .filter(({ props }) => !("firewallIds" in props) || isEmpty(props.firewallIds))
      .map(({ urn }) => ({ resource: urn, message: "the server stands behind no firewall" }));
    return [...unintended, ...closed, ...open];
  },
};

export const sshFromKnownNetworks: Rule = {
  name: "ssh-from-configured-networks",
  sentence:
    "SSH is open to the networks of `mail-host:host.adminCidrs` alone, and none of them is the world or a large part of it.",
  check: (resources) => {
    const host = configured(resources, "host");
    const named = host === undefined ? undefined : elements(field(JSON.parse(host), "adminCidrs"));
    return openingsOf(resources)
      .filter(({ direction }) => direction !== "out")
      .filter((opening) => opening.protocol === "tcp" && covers(opening, sshPort))
      .flatMap(({ firewall, sources }) => [
        ...(sources.length === 0
          ? [{ resource: firewall.urn, message: "SSH is open to no network" }]
          : []),
        ...sources
          .filter((source) => source !== undefined && isWide(source))
          .map((source) => ({ resource: firewall.urn, message: `SSH is open to ${source}` })),
        ...sources
          .filter((source) => source !== undefined && named?.includes(source) === false)
          .map((source) => ({
            resource: firewall.urn,
            message: `SSH is open to ${source}, which is not configured`,
          })),
      ]);
  },
};

/** Wider than any network of one operator: so are the two halves of the world. */
function isWide(network: string): boolean {
  const [address = "", prefix = ""] = network.split("/");
  return Number(prefix) < (address.includes(":") ? 16 : 8);
}

/** MariaDB's own port and that of its MySQL X twin. */
const databasePorts = [3306, 33060];

export const databaseNeverReachable: Rule = {
  name: "database-never-reachable",
  sentence: "No network reaches the database, not even the operators'.",
  check: (resources) => [
    ...openingsOf(resources)
      .filter(({ direction, protocol }) => direction !== "out" && protocol !== "icmp")
      .filter((opening) => databasePorts.some((port) => covers(opening, port)))
      .map((opening) => ({
        resource: opening.firewall.urn,
        message: `${shown(opening)} covers the database's port`,
      })),
    ...resources
      .filter(({ type }) => type === "hcloud:index/loadBalancerService:LoadBalancerService")
      .filter(({ props }) =>
        databasePorts.some((port) => [props.listenPort, props.destinationPort].includes(port)),
      )
      .map(({ urn }) => ({ resource: urn, message: "a load balancer leads to the database" })),
  ],
};

function shown({ protocol, ports: [first, last] }: Opening): string {
  return `${protocol} ${first === last ? first : `${first}-${last}`}`;
}

const lastingTypes = ["hcloud:index/primaryIp:PrimaryIp", "hcloud:index/volume:Volume"];

export const lastingIsProtected: Rule = {
  name: "address-and-volume-protected",
  sentence:
    "Addresses and volume are protected from deletion, by the engine and at Hetzner, unless they carry the label `lasting=false`.",
  check: (resources) => {
    const lasting = resources.filter(({ type }) => lastingTypes.includes(type));
    const isDisposable = ({ props }: PlannedResource) => field(props.labels, "lasting") === "false";
    const kept = lasting.filter((resource) => !isDisposable(resource));
    const setting = configured(resources, "lasting");
    const lasts = kept.length > 0 || (setting !== undefined && setting !== "false");
    const strayed = lasts ? lasting.filter(isDisposable) : [];
    return [
      ...kept
        .filter(({ protect }) => !protect)
        .map((resource) => unprotected(resource, "by the engine")),
      ...kept
        .filter(({ props }) => props.deleteProtection !== true)
        .map((resource) => unprotected(resource, "at Hetzner")),
      // Addresses live with a server by default, and go with it.
      ...kept
        .filter(({ type, props }) => type === lastingTypes[0] && props.autoDelete !== false)
        .map(({ urn, name }) => ({
          resource: urn,
          message: `${name} goes with the server it is given to`,
        })),
      ...strayed.map(({ urn, name }) => ({
        resource: urn,
        message: `${name} is labelled lasting=false in a stack that lasts`,
      })),
    ];
  },
};

function unprotected({ urn, name }: PlannedResource, where: string): Violation {
  return { resource: urn, message: `${name} is not protected ${where}` };
}

/** What Hetzner gives no labels. */
const unlabelled =
  /^hcloud:index\/(?:rdns|volumeAttachment|firewallAttachment|primaryIpAssignment|floatingIpAssignment|serverNetwork|networkSubnet|networkRoute|loadBalancerNetwork|loadBalancerService|loadBalancerTarget|zoneRecord):/;

export const everythingLabelled: Rule = {
  name: "labels-on-everything",
  sentence:
    "Whatever can carry labels at Hetzner says whose it is: `project=mail-host`, `stack` and `component`.",
  check: (resources) =>
    resources
      .filter(({ type }) => type.startsWith("hcloud:") && !unlabelled.test(type))
      .flatMap((resource) => {
        const { labels } = resource.props;
        const wanted = { project: "mail-host", stack: stackOf(resource) };
        const wrong = [
          ...Object.entries(wanted).flatMap(([key, value]) =>
            field(labels, key) === value ? [] : [`${key}=${value}`],
          ),
          ...(text(field(labels, "component")) ? [] : ["component"]),
        ];
        if (wrong.length === 0) return [];
        return [
          {
            resource: resource.urn,
            message: `${resource.name} has no label ${wrong.join(", ")}`,
          },
        ];
      }),
};

/** What Hetzner takes, in bytes as sent. */
const userDataLimitBytes = 32_768;

export const userDataFits: Rule = {
  name: "user-data-under-its-limit",
  sentence: "User data is at most 32,768 bytes as sent: Hetzner takes no more.",
  check: (resources) =>
    resources.flatMap(({ type, urn, name, props }) => {
      const value =
        type === "pulumi:index:Stash" ? field(known(props.input), "userData") : props.userData;
      const sent = text(known(value));
      const bytes = sent === undefined ? 0 : Buffer.byteLength(sent);
      return bytes <= userDataLimitBytes
        ? []
        : [{ resource: urn, message: `${name} has ${bytes} bytes of user data` }];
    }),
};

function serversOf(resources: readonly PlannedResource[]): PlannedResource[] {
  return resources.filter(({ type }) => type === "hcloud:index/server:Server");
}

const isEmpty = (value: unknown) => Array.isArray(value) && value.length === 0;

const known = (value: unknown) => (value instanceof Secret ? value.reveal() : value);
