// Reads the one file of a ZIP archive that nobody vouches for. Writes nothing to disk, so that no name and
// no link in the archive means anything; reads no encrypted, split or ZIP64 archives.

import { inflateRawSync } from "node:zlib";

const endOfDirectory = 0x06054b50;
const directoryEntry = 0x02014b50;
const localEntry = 0x04034b50;
const stored = 0;
const deflated = 8;

function refuse(why: string): never {
  throw new Error(`archive: ${why}`);
}

/** Its one file, of this name and at most this size; throws for everything else. */
export function onlyFile(
  archive: Buffer,
  { name, limitBytes }: { readonly name: string; readonly limitBytes: number },
): Buffer {
  try {
    return read(archive, name, limitBytes);
  } catch (error) {
    if (error instanceof RangeError) refuse(`broken, or larger than ${limitBytes} bytes`);
    throw error;
  }
}

function read(archive: Buffer, name: string, limitBytes: number): Buffer {
  // The end is found from the end: a comment of up to 64 KiB may stand behind it.
  let end = archive.length - 22;
  while (end >= 0 && archive.readUInt32LE(end) !== endOfDirectory) end -= 1;
  if (end < 0) refuse("is not a ZIP archive");
  const files = archive.readUInt16LE(end + 10);
  if (files !== 1) refuse(`holds ${files} files instead of one`);
  const entry = archive.readUInt32LE(end + 16);
  if (archive.readUInt32LE(entry) !== directoryEntry) refuse("has no directory");
  const flags = archive.readUInt16LE(entry + 8);
  const method = archive.readUInt16LE(entry + 10);
  const packedSize = archive.readUInt32LE(entry + 20);
  const nameLength = archive.readUInt16LE(entry + 28);
  const found = archive.toString("utf8", entry + 46, entry + 46 + nameLength);
  if (found !== name) refuse(`holds ${JSON.stringify(found)} instead of "${name}"`);
  if ((flags & 1) !== 0) refuse("is encrypted");
  const local = archive.readUInt32LE(entry + 42);
  if (archive.readUInt32LE(local) !== localEntry) refuse("has no file where its directory says");
  const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
  const packed = archive.subarray(start, start + packedSize);
  if (packed.length !== packedSize) refuse("is cut short");
  if (method === stored) {
    if (packed.length > limitBytes) refuse(`broken, or larger than ${limitBytes} bytes`);
    return packed;
  }
  if (method !== deflated) refuse(`is packed by method ${method}`);
  return inflateRawSync(packed, { maxOutputLength: limitBytes });
}
