// What the emulated Hetzner sells: locations, server types with prices, system images. The numbers are
// those of autumn 2026 and only plausible; programs must read them, never repeat them.

/** A place where resources can be. */
export interface Location {
  readonly id: number;
  readonly name: string;
  readonly description: string;
  readonly country: string;
  readonly city: string;
  readonly latitude: number;
  readonly longitude: number;
  readonly network_zone: string;
}

/** All locations. */
export const locations: readonly Location[] = [
  [1, "fsn1", "Falkenstein DC Park 1", "DE", "Falkenstein", 50.47612, 12.370071, "eu-central"],
  [2, "nbg1", "Nuremberg DC Park 1", "DE", "Nuremberg", 49.452102, 11.076665, "eu-central"],
  [3, "hel1", "Helsinki DC Park 1", "FI", "Helsinki", 60.169855, 24.938379, "eu-central"],
  [4, "ash", "Ashburn, VA", "US", "Ashburn, VA", 39.045821, -77.487073, "us-east"],
  [5, "hil", "Hillsboro, OR", "US", "Hillsboro, OR", 45.54222, -122.951924, "us-west"],
  [6, "sin", "Singapore", "SG", "Singapore", 1.283333, 103.833333, "ap-southeast"],
].map(([id, name, description, country, city, latitude, longitude, zone]) => ({
  id: Number(id),
  name: String(name),
  description: String(description),
  country: String(country),
  city: String(city),
  latitude: Number(latitude),
  longitude: Number(longitude),
  network_zone: String(zone),
}));

/** `x86` or `arm`. */
export type Architecture = "x86" | "arm";

/** A size of server. */
export interface ServerType {
  readonly id: number;
  readonly name: string;
  readonly architecture: Architecture;
  readonly cpuType: "shared" | "dedicated";
  readonly cores: number;
  readonly memoryGib: number;
  readonly diskGib: number;
  /** Net price per month in the EU. */
  readonly euroPerMonth: number;
  /** Where it is sold, and whether there is any left. */
  readonly offers: readonly { readonly location: string; readonly available: boolean }[];
  readonly deprecation: { readonly announced: string; readonly unavailable_after: string } | null;
}

const europe = ["fsn1", "nbg1", "hel1"];
const everywhere = [...europe, "ash", "hil", "sin"];

function offers(places: readonly string[], soldOut: readonly string[] = []) {
  return places.map((location) => ({ location, available: !soldOut.includes(location) }));
}

function serverType(
  id: number,
  name: string,
  architecture: Architecture,
  [cores, memoryGib, diskGib, euroPerMonth]: readonly [number, number, number, number],
  places: ServerType["offers"],
): ServerType {
  const cpuType = name.startsWith("ccx") ? "dedicated" : "shared";
  const size = { cores, memoryGib, diskGib, euroPerMonth };
  return { id, name, architecture, cpuType, ...size, offers: places, deprecation: null };
}

/** All server types. `cax11` is sold out in hel1, `cx22` and its kind are no longer sold anywhere. */
export const serverTypes: readonly ServerType[] = [
  {
    ...serverType(104, "cx22", "x86", [2, 4, 40, 4.49], offers(europe, europe)),
    deprecation: { announced: "2025-10-16T00:00:00Z", unavailable_after: "2026-01-01T00:00:00Z" },
  },
  serverType(114, "cx23", "x86", [2, 4, 40, 5.49], offers(europe)),
  serverType(115, "cx33", "x86", [4, 8, 80, 8.49], offers(europe)),
  serverType(116, "cx43", "x86", [8, 16, 160, 15.99], offers(europe)),
  serverType(117, "cx53", "x86", [16, 32, 320, 29.49], offers(europe)),
  serverType(45, "cax11", "arm", [2, 4, 40, 5.99], offers(europe, ["hel1"])),
  serverType(93, "cax21", "arm", [4, 8, 80, 10.49], offers(europe)),
  serverType(108, "cpx12", "x86", [1, 2, 40, 11.49], offers(everywhere)),
  serverType(109, "cpx22", "x86", [2, 4, 80, 19.49], offers(everywhere)),
  serverType(110, "cpx32", "x86", [4, 8, 160, 35.49], offers(everywhere)),
  serverType(111, "cpx42", "x86", [8, 16, 320, 69.49], offers(everywhere)),
  serverType(96, "ccx13", "x86", [2, 8, 80, 42.99], offers(everywhere)),
  serverType(97, "ccx23", "x86", [4, 16, 160, 85.99], offers(everywhere)),
];

/** How the catalogue is named where something is computed from it. */
export const catalogueName = "the lab's catalogue: plausible net prices of autumn 2026 in the EU";

/** What else costs something: net prices in euro. */
export const resourcePrices = {
  primaryIpv4EuroPerMonth: 0.5,
  volumeEuroPerGibMonth: 0.0572,
} as const;

const price = (net: number) => ({
  net: net.toFixed(10),
  gross: (net * 1.19).toFixed(16),
});

/** The API's rendering of a server type. */
export function serverTypeJson(type: ServerType): unknown {
  return {
    id: type.id,
    name: type.name,
    description: type.name.toUpperCase(),
    category: type.cpuType === "shared" ? "cost_optimized" : "general_purpose",
    cores: type.cores,
    memory: type.memoryGib,
    disk: type.diskGib,
    deprecated: type.deprecation !== null,
    deprecation: type.deprecation,
    prices: type.offers.map(({ location }) => ({
      location,
      price_hourly: price(type.euroPerMonth / 624),
      price_monthly: price(type.euroPerMonth),
      included_traffic: europe.includes(location) ? 21990232555520 : 1099511627776,
      price_per_tb_traffic: price(europe.includes(location) ? 1 : 7.4),
    })),
    storage_type: "local",
    cpu_type: type.cpuType,
    architecture: type.architecture,
    locations: type.offers.map(({ location, available }) => ({
      id: locations.find(({ name }) => name === location)?.id ?? 0,
      name: location,
      available,
      recommended: available,
      deprecation: type.deprecation,
    })),
  };
}

/** A system image. */
export interface Image {
  readonly id: number;
  readonly name: string;
  readonly description: string;
  readonly flavor: "debian" | "ubuntu";
  readonly version: string;
  readonly architecture: Architecture;
  readonly created: string;
  /** When it was declared obsolete. */
  readonly deprecated: string | null;
}

function image(
  id: number,
  name: string,
  architecture: Architecture,
  created: string,
  deprecated: string | null = null,
): Image {
  const [flavor, version = ""] = name.split("-");
  const debian = flavor === "debian";
  return {
    id,
    name,
    description: `${debian ? "Debian" : "Ubuntu"} ${version}`,
    flavor: debian ? "debian" : "ubuntu",
    version,
    architecture,
    created,
    deprecated,
  };
}

/** All images; the same name stands for one image per architecture. */
export const images: readonly Image[] = [
  image(45557056, "debian-11", "x86", "2021-08-16T11:12:01Z", "2026-05-30T00:00:00Z"),
  image(114690387, "debian-12", "x86", "2023-06-13T06:00:22Z"),
  image(114690389, "debian-12", "arm", "2023-06-13T06:00:22Z"),
  image(310557660, "debian-13", "x86", "2025-08-12T08:00:00Z"),
  image(310557661, "debian-13", "arm", "2025-08-12T08:00:00Z"),
  image(161547269, "ubuntu-24.04", "x86", "2024-04-25T13:26:27Z"),
  image(161547270, "ubuntu-24.04", "arm", "2024-04-25T13:26:51Z"),
];

/** The API's rendering of an image. */
export function imageJson(image: Image): unknown {
  return {
    id: image.id,
    type: "system",
    status: "available",
    name: image.name,
    description: image.description,
    image_size: null,
    disk_size: 5,
    created: image.created,
    created_from: null,
    bound_to: null,
    os_flavor: image.flavor,
    os_version: image.version,
    rapid_deploy: true,
    protection: { delete: false },
    deprecated: image.deprecated,
    deleted: null,
    labels: {},
    architecture: image.architecture,
  };
}
