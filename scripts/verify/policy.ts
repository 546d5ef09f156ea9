// An MTA-STS policy as a sender reads it (RFC 8461 3.2). Pure.

export interface Policy {
  readonly mode: string;
  readonly maxAgeSeconds: number;
  readonly mx: readonly string[];
}

/** Throws with what is wrong with it. */
export function parsePolicy(text: string): Policy {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  const fields = lines.map((line) => {
    const [, key = "", value = ""] = /^([A-Za-z0-9_.-]+):\s*(.*?)\s*$/.exec(line) ?? [];
    if (key === "") throw new Error(`"${line}" is no field of a policy`);
    return { key, value };
  });
  const only = (wanted: string) => {
    const values = fields.filter(({ key }) => key === wanted).map(({ value }) => value);
    const [value] = values;
    if (value === undefined || values.length > 1)
      throw new Error(`${values.length} fields "${wanted}", not one`);
    return value;
  };
  if (only("version") !== "STSv1") throw new Error(`version "${only("version")}", not STSv1`);
  return {
    mode: only("mode"),
    maxAgeSeconds: Number(only("max_age")),
    mx: fields.filter(({ key }) => key === "mx").map(({ value }) => value.toLowerCase()),
  };
}

/** Whether a policy's pattern means a host; `*` stands for one label. */
export const meansHost = (pattern: string, host: string): boolean =>
  pattern === host ||
  (pattern.startsWith("*.") && host.slice(host.indexOf(".")) === pattern.slice(1));
