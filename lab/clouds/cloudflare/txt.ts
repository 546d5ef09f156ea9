// TXT content: what the API stores of what it is sent, and the same text as RDATA.

const chunkBytes = 255;

/** Splits into character-strings of at most 255 bytes. */
function chunks(bytes: Buffer): readonly Buffer[] {
  const parts: Buffer[] = [];
  for (let start = 0; start < bytes.length; start += chunkBytes) {
    parts.push(bytes.subarray(start, start + chunkBytes));
  }
  return parts.length === 0 ? [bytes] : parts;
}

/** The character-strings of quoted content, or undefined when it is not quoted throughout. */
function quotedStrings(content: string): readonly Buffer[] | undefined {
  if (!/^"(?:[^"\\]|\\[\s\S])*"(?:\s+"(?:[^"\\]|\\[\s\S])*")*$/.test(content)) {
    return undefined;
  }
  return [...content.matchAll(/"((?:[^"\\]|\\[\s\S])*)"/g)].map(([, text = ""]) => {
    const pieces = text.match(/\\\d{3}|\\[\s\S]|[^\\]+/g) ?? [];
    return Buffer.concat(
      pieces.map((piece) => {
        if (!piece.startsWith("\\")) {
          return Buffer.from(piece);
        }
        const rest = piece.slice(1);
        return /^\d{3}$/.test(rest) ? Buffer.from([Number(rest) & 255]) : Buffer.from(rest);
      }),
    );
  });
}

/** One character-string in quotes; bytes outside printable ASCII become `\DDD`. */
function quote(bytes: Buffer): string {
  const text = [...bytes].map((byte) => {
    if (byte === 0x22 || byte === 0x5c) {
      return `\\${String.fromCharCode(byte)}`;
    }
    return byte >= 0x20 && byte < 0x7f
      ? String.fromCharCode(byte)
      : `\\${String(byte).padStart(3, "0")}`;
  });
  return `"${text.join("")}"`;
}

/** A value in quotes, as RDATA of CAA and URI records needs it. */
export function quoted(value: string): string {
  return quote(Buffer.from(value));
}

/** Content as the API returns it: unquoted text as sent, quoted text in strings of at most 255 bytes. */
export function canonicalTxt(content: string): string {
  const strings = quotedStrings(content);
  if (strings === undefined) {
    return content;
  }
  if (strings.every((bytes) => bytes.length <= chunkBytes)) {
    return content.replace(/"((?:[^"\\]|\\[\s\S])*)"\s*/g, '"$1" ').trim();
  }
  return strings
    .flatMap((bytes) => chunks(bytes))
    .map(quote)
    .join(" ");
}

/** RDATA of TXT content, quoted or not. */
export function txtRdata(content: string): string {
  const strings = quotedStrings(content) ?? [Buffer.from(content)];
  return strings
    .flatMap((bytes) => chunks(bytes))
    .map(quote)
    .join(" ");
}
