// The probes that touch the network, with a limit on how much of it they use at a time: the host under
// test counts connections of one client, and rightly so.

import type { Probes } from "./context";
import { resolverAt } from "./probes/dns";
import { hello } from "./probes/hello";
import { arrival, imapLogin } from "./probes/mailbox";
import { bounded, remembered } from "./probes/remembered";
import { reach, talk } from "./probes/smtp";
import { earlyData, sessionWith } from "./probes/tls";
import { pagesBy } from "./probes/web";

/** Connections at a time. Postfix allows a client fifty (smtpd_client_connection_count_limit). */
const connections = 20;

/** Probes by way of this resolver; `ca` are certificates to trust instead of the world's. */
export function liveProbes({ resolver, ca }: { resolver: string; ca?: string }): Probes {
  const inTurn = bounded(connections);
  const limited = <Q extends readonly unknown[], A>(probe: (...question: Q) => Promise<A>) =>
    remembered((...question: Q) => inTurn(() => probe(...question)));
  const ask = resolverAt(resolver);
  return {
    ask,
    talk: limited(talk),
    hello: limited(hello),
    session: limited(sessionWith(ca)),
    earlyData: limited(earlyData),
    // Costs the host nothing, and takes its time where a firewall drops it.
    reach: remembered(reach),
    page: limited(pagesBy(ask, ca)),
    arrival,
    imapLogin,
  };
}
