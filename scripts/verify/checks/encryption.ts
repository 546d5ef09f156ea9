// internet.nl's group STARTTLS for port 25, and the same demands on the ports of this host's users.

import {
  type Check,
  each,
  type Fault,
  fail,
  faultsOf,
  notApplicable,
  notJudged,
  pass,
  type Result,
} from "../check";
import { addressesOf, type Context, mailHosts, type Place } from "../context";
import type { Offer, ServerHello, Version } from "../probes/hello";
import { ancient, cipherName, ciphers, groupName, groups, modern, signatures } from "../tls-lists";

const modernVersions = ["TLS 1.3", "TLS 1.2"] as const;
const oldVersions: readonly Version[] = ["TLS 1.1", "TLS 1.0", "SSL 3.0"];
const mend =
  "compare the TLS settings of main.cf and dovecot.conf with docs/article.md; was the host changed by hand?";

/** One address of every mail host: all addresses of one lead to the same daemon. */
async function mailPlaces(context: Context): Promise<Place[]> {
  const places = (await mailHosts(context)).map(async (name) =>
    (await addressesOf(context, name)).slice(0, 1).map((address) => ({ address, port: 25, name })),
  );
  return (await Promise.all(places)).flat();
}

const where = ({ name, port }: Place) => `${name} port ${port}`;
const fault = (place: Place, seen: string, wanted: string): Fault => ({
  seen: `${where(place)}: ${seen}`,
  wanted,
  mend,
});

type Judgement = (context: Context, place: Place) => Promise<Result>;

/** The agreement when a modern client asks in TLS 1.2, which shows more of itself than TLS 1.3. */
const inTls12 = async ({ hello }: Context, place: Place) =>
  (await hello(place, modern("TLS 1.2"))).agreed;

/** Asks the host to agree to what it must refuse; the agreements that it made. */
async function agreements(
  { hello }: Context,
  place: Place,
  offers: readonly Offer[],
): Promise<NonNullable<ServerHello["agreed"]>[]> {
  const answers = await Promise.all(offers.map((offer) => hello(place, offer)));
  return answers.flatMap(({ agreed }) => agreed ?? []);
}

const versions: Judgement = async (context, place) => {
  const [newest, newer] = await Promise.all(
    modernVersions.map((version) => context.hello(place, modern(version))),
  );
  const old = await agreements(context, place, oldVersions.map(ancient));
  const spoken = old.map(({ version }) => version);
  return faultsOf([
    ...(newest?.agreed?.version === "TLS 1.3" ? [] : [fault(place, "no TLS 1.3", "TLS 1.3")]),
    ...(newest?.agreed || newer?.agreed
      ? []
      : [fault(place, "no TLS 1.2 either", "TLS 1.2 or 1.3")]),
    ...(spoken.length === 0
      ? []
      : [fault(place, spoken.join(", "), "TLS 1.2 and 1.3 only (RFC 8996)")]),
  ]);
};

const goodCiphersOnly: Judgement = async (context, place) => {
  const offers = modernVersions.map((version) => ({
    ...modern(version),
    ciphers: ciphers.bad[version],
    groups: [...groups.good, ...groups.bad["TLS 1.3"]],
    signatures: [...signatures.good, ...signatures.bad],
  }));
  const taken = await agreements(context, place, offers);
  return faultsOf(
    taken.map(({ cipher }) =>
      fault(place, `takes ${cipherName(cipher)}`, "AEAD ciphers with ECDHE only"),
    ),
  );
};

/** Of an order only whether the host has one: with nothing but good ciphers it does not matter. */
const cipherOrder: Judgement = async (context, place) => {
  const bad = await goodCiphersOnly(context, place);
  if (bad.verdict === "pass")
    return notApplicable("there are none but good ciphers to choose from");
  const both = [...ciphers.bad["TLS 1.2"], ...ciphers.good["TLS 1.2"]];
  const offer = { ...modern("TLS 1.2"), ciphers: both };
  const [taken] = await agreements(context, place, [offer]);
  if (taken === undefined || ciphers.good["TLS 1.2"].includes(taken.cipher)) return pass;
  return fail(
    fault(place, `prefers ${cipherName(taken.cipher)} when the client does`, "an order of its own"),
  );
};

const goodGroupsOnly: Judgement = async (context, place) => {
  const offers = modernVersions.map((version) => ({
    ...modern(version),
    groups: groups.bad[version],
  }));
  const taken = await agreements(context, place, offers);
  return faultsOf(
    taken.map(({ group = 0 }) =>
      fault(place, `takes ${groupName(group)}`, "x25519, secp256r1 and better"),
    ),
  );
};

const goodHashesOnly: Judgement = async (context, place) => {
  const usual = await inTls12(context, place);
  const weak = await agreements(context, place, [
    { ...modern("TLS 1.2"), signatures: signatures.bad },
  ]);
  if (usual === undefined && weak.length === 0)
    return notApplicable("TLS 1.2 is not spoken, and TLS 1.3 has no weak hash");
  const sound: readonly number[] = signatures.good;
  const unsound = usual?.signature !== undefined && !sound.includes(usual.signature);
  return faultsOf([
    ...(unsound ? [fault(place, "signs its key exchange with a weak hash", "SHA-2")] : []),
    ...weak.map(() => fault(place, "signs its key exchange with SHA-1 when asked", "a refusal")),
  ]);
};

/** One property of what is agreed to in TLS 1.2. */
const property =
  (
    has: (agreed: NonNullable<ServerHello["agreed"]>) => boolean,
    seen: string,
    wanted: string,
  ): Judgement =>
  async (context, place) => {
    const agreed = await inTls12(context, place);
    if (agreed === undefined)
      return notApplicable("TLS 1.2 is not spoken; TLS 1.3 needs no such thing");
    return has(agreed) ? pass : fail(fault(place, seen, wanted));
  };

const clientRenegotiation: Judgement = async ({ session }, place) => {
  const { renegotiations } = await session(place);
  if (renegotiations <= 10) return pass;
  return fail(
    fault(place, `${renegotiations} renegotiations by the client and no end`, "10 at most"),
  );
};

const noEarlyData: Judgement = async ({ earlyData }, place) => {
  const octets = await earlyData(place);
  if (octets === undefined)
    return notJudged("openssl is not installed here, or got no TLS 1.3 session");
  return octets === 0 ? pass : fail(fault(place, `takes ${octets} octets of early data`, "none"));
};

const starttls: Judgement = async ({ talk }, place) => {
  const replies = await talk({ ...place, lines: ["EHLO", "STARTTLS"] });
  const [, ehlo, answer] = replies;
  const offered = /^250[- ]STARTTLS$/m.test(ehlo?.text.replaceAll("\r", "") ?? "");
  if (offered && answer?.code === 220) return pass;
  return fail(
    fault(
      place,
      offered
        ? `STARTTLS is answered with "${answer?.text ?? ""}"`
        : "EHLO does not offer STARTTLS",
      "STARTTLS (RFC 3207)",
    ),
  );
};

const numbered: readonly (readonly [id: string, sentence: string, judge: Judgement])[] = [
  ["14", "Every mail host offers STARTTLS", starttls],
  ["15", "It speaks TLS 1.3, perhaps 1.2, and nothing older", versions],
  ["16", "It takes good cipher suites only: AEAD with ECDHE", goodCiphersOnly],
  ["17", "It chooses among them in an order of its own", cipherOrder],
  ["18", "It exchanges keys on good groups only", goodGroupsOnly],
  ["19", "It signs the key exchange with SHA-2 only", goodHashesOnly],
  [
    "20",
    "It does not compress",
    property(({ compressed }) => !compressed, "compresses", "no compression (CRIME)"),
  ],
  [
    "21",
    "It renegotiates securely",
    property(({ secureRenegotiation }) => secureRenegotiation, "no renegotiation_info", "RFC 5746"),
  ],
  ["22", "Clients cannot renegotiate without end", clientRenegotiation],
  ["23", "It takes no early data (0-RTT)", noEarlyData],
  [
    "24",
    "It binds sessions to their handshake (Extended Master Secret)",
    property(
      ({ extendedMasterSecret }) => extendedMasterSecret,
      "no extended_master_secret",
      "RFC 7627",
    ),
  ],
];

/** The same demands, in one, on a port where users log in. */
const wholePort =
  (port: number): Check["judge"] =>
  async (context) => {
    const [address] = await addressesOf(context, context.subject.hostname);
    if (address === undefined) return notJudged("the host's name has no address");
    const place = { address, port, name: context.subject.hostname };
    return each(
      [versions, goodCiphersOnly, goodGroupsOnly, goodHashesOnly, clientRenegotiation, noEarlyData],
      (judgement) => judgement(context, place),
    );
  };

export const encryptionChecks: readonly Check[] = [
  ...numbered.map(
    ([id, sentence, judgement]): Check => ({
      id,
      group: "STARTTLS",
      sentence,
      judge: async (context) =>
        each(await mailPlaces(context), (place) => judgement(context, place)),
    }),
  ),
  ...[465, 587, 993].map(
    (port): Check => ({
      id: `tls-${port}`,
      group: "TLS of every port",
      sentence: `Port ${port}: TLS 1.2 and 1.3, AEAD with ECDHE, good groups, SHA-2, no 0-RTT`,
      judge: wholePort(port),
    }),
  ),
];
