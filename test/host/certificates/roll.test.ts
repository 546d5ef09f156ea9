// A change of the host's key under DANE: never before the next key's record has been public for two TTLs.
// Does not prove that other servers forget an answer when its TTL has passed.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  allShowWhatIsThere,
  authority,
  endWait,
  lookForDue,
  mailPorts,
  publish,
  shownCertificate,
  tlsaOf,
  waitOf,
  withWebNames,
} from "../../support/authority";
import { until } from "../../support/outage";
import { onHost, target } from "../../support/target";

const host = target.hostname;
const place = `_25._tcp.${host}`;
const noted = `/srv/mail-host/acme/${host}.next`;
const backup = "/srv/mail-host/before-roll";

const keys = (): string[] => JSON.parse(onHost("mail-certificates host 1")).tlsa;
const stateOf = () => onHost(`cd /srv/mail-host && sha256sum tls/${host}* acme/${host}.generation`);
const roll = (generation: number) => onHost(`mail-certificates host ${generation} 30`);
/** As if the record had been seen that long ago. */
const age = (seconds: number) =>
  void onHost(
    `awk '{ print $1, $2 - ${seconds}, $3 }' ${noted} >${noted}.aged && mv ${noted}.aged ${noted}`,
  );

let [used = "", next = ""]: string[] = [];

beforeAll(async () => {
  await withWebNames();
  [used = "", next = ""] = keys();
  onHost(`mkdir ${backup} && cp --archive /srv/mail-host/tls /srv/mail-host/acme ${backup}/`);
});
afterAll(async () => {
  await authority.startAcme();
  // The stack knows of no roll.
  onHost(`cd /srv/mail-host && rm -r acme && cp --archive ${backup}/* . && rm -r ${backup}
    systemctl reload postfix dovecot`);
  await until("the former certificate", 10, allShowWhatIsThere);
});

describe("a roll of the host's key", () => {
  it("is refused for any generation but the present and the next", () => {
    const before = stateOf();
    expect(() => roll(3)).toThrow(
      'host.keyGeneration: "3" is neither that of the key in use, 1, nor the next; set it with: pulumi config set --path mail-host:host.keyGeneration 1',
    );
    expect(() => roll(0)).toThrow('"0" is neither');
    expect(stateOf()).toBe(before);
  });

  it("is refused before the next key's record is public, and says which that is", async () => {
    const before = stateOf();
    if (!onHost(`dig +short +nosplit ${place} TLSA`).includes(next)) {
      expect(() => roll(2)).toThrow(`its record is not public: ${place} TLSA 3 1 1 ${next}`);
      expect(stateOf()).toBe(before);
      for (const certificate of [used, next]) {
        const data = { usage: 3, selector: 1, matching_type: 1, certificate };
        await publish({
          type: "TLSA",
          name: place,
          data,
        });
      }
      lookForDue();
    }
  });

  it("is refused until the record has been public for two TTLs, and says until when", () => {
    const before = stateOf();
    const now = Number(onHost("date +%s"));
    onHost(`awk '{ print $1, ${now}, $3 }' ${noted} >${noted}.new && mv ${noted}.new ${noted}`);
    const [, , ttl = ""] = onHost(`cat ${noted}`).trim().split(" ");
    const possible = onHost(`date --utc --date=@${now + 2 * Number(ttl)} '+%F %T UTC'`).trim();
    expect(Number(ttl)).toBeGreaterThanOrEqual(60);
    expect(() => roll(2)).toThrow(
      `others may keep an older answer for two TTLs of ${ttl} s; roll after ${possible}`,
    );
    age(2 * Number(ttl) - 20);
    expect(() => roll(2)).toThrow("roll after");
    expect(stateOf()).toBe(before);
  });

  it("leaves everything as it was when the authority refuses", async () => {
    const before = stateOf();
    age(3600);
    await authority.startAcme({ refusedNames: [host] });
    expect(() => roll(2)).toThrow("rejectedIdentifier");
    expect(stateOf()).toBe(before);
    expect(keys()).toEqual([used, next]);
    expect(() => roll(2)).toThrow(/rejectedIdentifier.*next attempt/s);
    expect(waitOf(host)).toMatch(/^\d+ 300\n/);
    await authority.startAcme();
    endWait(host);
  });

  it("puts the next key in use on every port, and makes another next key", async () => {
    const { tlsa } = JSON.parse(roll(2));
    expect(tlsa[0]).toBe(next);
    expect([used, next]).not.toContain(tlsa[1]);
    await until("the next key on every mail port", 10, allShowWhatIsThere);
    for (const port of mailPorts) {
      const { certificate, trusted } = shownCertificate(port) ?? {};
      expect({ key: certificate && tlsaOf(certificate), trusted }).toEqual({
        key: next,
        trusted: true,
      });
    }
    expect(() => roll(1)).toThrow('"1" is neither that of the key in use, 2, nor the next');
    expect(JSON.parse(roll(2)).tlsa).toEqual(tlsa);
    expect(() => roll(3)).toThrow(`TLSA 3 1 1 ${tlsa[1]}`);
  });

  it("is brought to its end when it was cut off after the new certificate came in", async () => {
    const file = `/srv/mail-host/tls/${host}`;
    const cutOff = onHost(
      `openssl pkey -in ${file}.pem | tee ${file}.next.key | openssl pkey -pubout -outform DER | sha256sum`,
    );
    onHost(`echo '1 ${used}' >/srv/mail-host/acme/${host}.generation`);
    const { tlsa } = JSON.parse(roll(2));
    expect(tlsa[0]).toBe(cutOff.slice(0, 64).toUpperCase());
    expect(tlsa[1]).not.toBe(tlsa[0]);
    expect(onHost(`cat /srv/mail-host/acme/${host}.generation`).trim()).toBe(`2 ${tlsa[0]}`);
  });
});
