// Whether a refused login tells an attacker which users exist, by its text or by its time. Does not
// prove that the host hides them elsewhere: port 25 must answer whether it knows a recipient.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { imapLogin, smtpLogin } from "../../support/conversation";
import { token } from "../../support/mail";
import { domain, onHost, openPorts, secondDomain, target } from "../../support/target";

const { ipv4, ipv6, elsewhere } = target;

async function logInOverSmtp(
  connection: { port: 465 | 587; address: string; from: string },
  user: string,
): Promise<string> {
  const { smtp, reply } = await smtpLogin({ user, password: token() }, connection);
  smtp.close();
  return reply.text;
}

async function logInOverImap(user: string): Promise<string> {
  const { imap, answer } = await imapLogin({ user, password: token() });
  imap.close();
  return answer;
}

/** Ways to log in, here with a wrong password: from different addresses, by which Dovecot counts failures. */
const services = {
  imap: logInOverImap,
  submissions: (user: string) =>
    logInOverSmtp({ port: 465, address: ipv4, from: elsewhere.ipv4 }, user),
  submission: (user: string) =>
    logInOverSmtp({ port: 587, address: ipv6, from: elsewhere.ipv6 }, user),
};
type Service = keyof typeof services;

interface Refusal {
  readonly kind: string;
  readonly service: Service;
  readonly text: string;
  readonly seconds: number;
}

/** Dovecot delays the second failure more than the first: after this, the next is a first one. */
const forgetFailures = () => onHost("systemctl restart dovecot");

/** Dovecot's delay is in whole seconds of the clock: attempts compare when they start alike. */
const nextSecond = () => new Promise((resolve) => setTimeout(resolve, 1000 - (Date.now() % 1000)));

async function refuse(kind: string, user: string): Promise<Refusal[]> {
  forgetFailures();
  await nextSecond();
  const start = performance.now();
  const attempt = async (service: Service) => {
    const text = await services[service](user);
    return { kind, service, text, seconds: (performance.now() - start) / 1000 };
  };
  return Promise.all([attempt("imap"), attempt("submissions"), attempt("submission")]);
}

const median = (values: readonly number[]) =>
  [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;

describe("a refused login", () => {
  const seen: Refusal[] = [];
  const secondsOf = (kind: string, of: Service) =>
    seen.filter((one) => one.kind === kind && one.service === of).map(({ seconds }) => seconds);

  // Known has the article's hash, whose 5000 rounds take the most time of all hashes of the stack.
  const [known, unknown] = [`dave@${secondDomain}`, `nobody@${secondDomain}`];
  beforeAll(async () => {
    for (let round = 0; round < 3; round += 1) {
      seen.push(...(await refuse("known", known)), ...(await refuse("unknown", unknown)));
    }
    seen.push(...(await refuse("alias", `sales@${domain}`)));
    seen.push(...(await refuse("odd characters", `o'dave@${secondDomain}`)));
  });
  afterAll(() => onHost("systemctl restart dovecot && /usr/local/sbin/mail-wait 60"));

  it.each([
    ["imap", "a NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"],
    ["submissions", "535 5.7.8 Error: authentication failed: (reason unavailable)\r\n"],
    ["submission", "535 5.7.8 Error: authentication failed: (reason unavailable)\r\n"],
  ] as const)("reads the same over %s whatever was wrong", (service, text) => {
    const texts = seen.filter((one) => one.service === service).map((one) => [one.kind, one.text]);
    expect(texts.length).toBe(8);
    expect(texts).toEqual(texts.map(([kind]) => [kind, text]));
  });

  it.each(["imap", "submissions", "submission"] as const)(
    "takes the same time over %s whether the user exists or not",
    (service) => {
      const [one, other] = [secondsOf("known", service), secondsOf("unknown", service)];
      expect(Math.min(...one, ...other)).toBeGreaterThan(1);
      const ratio = median(one) / median(other);
      expect(Math.max(ratio, 1 / ratio), `${one} against ${other}`).toBeLessThan(1.15);
    },
  );
});

describe("a login", () => {
  it("can begin on no port in the clear", async () => {
    const ports = [110, 143, 993];
    const open = await Promise.all([ipv4, ipv6].map((address) => openPorts(address, ports)));
    expect(open).toEqual([[993], [993]]);
  });
});
