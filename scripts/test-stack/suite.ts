// Which of the host tests need a world that answers to them. Against real accounts there is none: a foreign
// mail domain whose mail they may read, an authority that they may stop. Pure.

/** What a test file's own text shows that it needs, and why nobody has it outside a lab. */
const needs: readonly (readonly [RegExp, string])[] = [
  [
    /support\/(authority|certificate-scanner|tls-scanner)"|target\.caFile/,
    "needs the lab's certificate authority, which it stops, rolls or trusts",
  ],
  [
    /support\/elsewhere"|target\.(elsewhere|smarthost)|\bdeliver(Raw)?\(|\/lab\//,
    "needs foreign mail domains: it sends in their name and reads what they received",
  ],
  [
    /\bsmtpDialogue\(|\bConversation\.open\(|support\/survival"/,
    "speaks to port 25 from the address of a foreign mail server",
  ],
];

/** Why a test file can only run in a lab; undefined when it runs against any host. */
export const needsLab = (text: string): string | undefined =>
  needs.find(([sign]) => sign.test(text))?.[1];
