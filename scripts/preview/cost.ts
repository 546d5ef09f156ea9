// What the resources of a stack cost a month by the lab's catalogue. Traffic and backups are not in it. Pure.

import { catalogueName, resourcePrices, serverTypes } from "../../lab/clouds/hetzner/catalogue";
import type { State } from "./plan";

/** Net prices in euro a month. */
export interface Cost {
  readonly before: number;
  readonly after: number;
  /** Where the prices are from. */
  readonly catalogue: string;
  /** Server types that the catalogue does not have: they are not in the sums. */
  readonly unknown: readonly string[];
}

/** Of two sets of resources. */
export function costOf(before: readonly State[], after: readonly State[]): Cost {
  return {
    before: sumOf(before),
    after: sumOf(after),
    catalogue: catalogueName,
    unknown: [...new Set([...before, ...after].flatMap(unknownType))].sort(),
  };
}

const typeOf = ({ inputs }: State) => serverTypes.find(({ name }) => name === inputs.serverType);

const isServer = ({ type }: State) => type === "hcloud:index/server:Server";

function unknownType(state: State): string[] {
  return isServer(state) && typeOf(state) === undefined ? [String(state.inputs.serverType)] : [];
}

function priceOf(state: State): number {
  const { type, inputs } = state;
  if (isServer(state)) return typeOf(state)?.euroPerMonth ?? 0;
  if (type === "hcloud:index/volume:Volume")
    return Number(inputs.size) * resourcePrices.volumeEuroPerGibMonth;
  if (type === "hcloud:index/primaryIp:PrimaryIp" && inputs.type === "ipv4")
    return resourcePrices.primaryIpv4EuroPerMonth;
  return 0;
}

/** In whole cents: sums of thousands carry a binary rest. */
const sumOf = (states: readonly State[]): number =>
  Math.round(states.reduce((sum, state) => sum + priceOf(state), 0) * 100) / 100;
