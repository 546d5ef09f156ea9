// What a receiving host that checks everything finds of a message: SPF, DKIM, DMARC and ARC.

import { authenticate, type DKIMResult } from "mailauth";
import { z } from "zod";
import { lookUp } from "./lookups";
import type { Verdicts } from "./mail";

/** What is known of the session that a message came in. */
export interface Session {
  readonly clientAddress: string;
  readonly helo: string;
  readonly sender: string;
  /** The host that checks. */
  readonly host: string;
}

/** mailauth's options for a message of that session. */
export const authentication = ({ clientAddress, helo, sender, host }: Session) => ({
  ip: clientAddress,
  helo,
  sender,
  mta: host,
  resolver: lookUp,
  disableBimi: true,
});

const headerSchema = z.object({ a: z.string() }).optional();

const signature = ({ signingDomain, selector, status }: DKIMResult) => ({
  domain: signingDomain,
  selector: selector ?? "",
  algorithm: headerSchema.parse(status.header)?.a ?? "",
  result: status.result,
  comment: status.comment ?? "",
});

/** Checks a message. */
export async function verdictsOf(raw: Buffer, session: Session): Promise<Verdicts> {
  const { spf, dkim, dmarc, arc } = await authenticate(raw, authentication(session));
  return {
    spf:
      spf === false
        ? { result: "none", domain: "" }
        : { result: spf.status.result, domain: spf.domain },
    // mailauth says "none" of a message without signatures.
    dkim: dkim.results.filter(({ signingDomain }) => signingDomain).map(signature),
    dmarc:
      dmarc === false
        ? { result: "none", policy: "none", domain: "" }
        : { result: dmarc.status.result, policy: dmarc.policy ?? "none", domain: dmarc.domain },
    arc:
      arc === false
        ? { result: "none", seals: 0, comment: "" }
        : { result: arc.status.result, seals: arc.i || 0, comment: arc.status.comment ?? "" },
  };
}
