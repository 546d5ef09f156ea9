// What recovery looks for in both clouds: everything that carries the stack's marks, as the program would
// register it. Only reads.

import { stackLabels } from "../../components/existing";
import { isOurs } from "../../components/mail-records";
import { type Api, removalCommand } from "../clouds/api";
import { recordsAt, type Thing, thingsAt } from "../clouds/marked";
import { attachmentType, type Found } from "./placement";

/** Everything at Hetzner that carries the stack's labels, and the attachments of its volumes. */
export async function findAtHetzner(api: Api, stack: string): Promise<Found[]> {
  return (await thingsAt(api, stackLabels(stack))).flatMap((thing) => {
    const { id, name, word, type, path, usedBy } = thing;
    const one: Found = {
      what: `${word} "${name}" (${id})`,
      type,
      id: String(id),
      identity: { name },
      likeness: {},
      removal: removalCommand(api, path),
      ...(word === "server" ? inUse(api, thing) : {}),
    };
    const attachments = word === "volume" ? usedBy : [];
    return [
      one,
      ...attachments.map((serverId) => ({
        ...one,
        what: `attachment of ${one.what}`,
        type: attachmentType,
        identity: { volumeId: id, serverId },
      })),
    ];
  });
}

/** An imported server is replaced by the next `pulumi up`, which must not pull a volume from under it. */
function inUse(api: Api, { path, status, volumes }: Thing): Pick<Found, "obstacle"> | undefined {
  if (status === "off" || volumes.length === 0) return undefined;
  const shutdown = `${api.endpoint}/${path}/actions/shutdown`;
  return {
    obstacle: {
      reason: "it runs on its volume; the next `pulumi up` would replace it without a farewell",
      cure: `curl -X POST -H "Authorization: Bearer $${api.variable}" ${shutdown} && npm run recover`,
    },
  };
}

export const recordType = "cloudflare:index/dnsRecord:DnsRecord";

/** The records of these zones whose comments carry the stack's mark. */
export async function findAtCloudflare(
  api: Api,
  stack: string,
  zoneIds: readonly string[],
): Promise<Found[]> {
  const found: Found[] = [];
  for (const zoneId of zoneIds) {
    for (const { id, type, name, content, comment } of await recordsAt(api, zoneId)) {
      if (!isOurs(stack, comment ?? undefined)) continue;
      found.push({
        what: `${type} record of ${name} (${id})`,
        type: recordType,
        id: `${zoneId}/${id}`,
        identity: { zoneId, name, type },
        likeness: { content, comment },
        removal: removalCommand(api, `zones/${zoneId}/dns_records/${id}`),
      });
    }
  }
  return found;
}
