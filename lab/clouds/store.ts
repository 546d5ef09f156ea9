// The state of the emulated clouds: one JSON file per lab, read at start and replaced in one step after
// each change, so that a restarted supervisor finds what it left. Also the journal of requests, which is
// kept in memory only and never holds bodies or tokens.

import * as fs from "node:fs";
import * as path from "node:path";
import { z } from "zod";

/** One request that a cloud has answered. */
export interface JournalEntry {
  readonly at: string;
  /** Which cloud answered: `hetzner` or `cloudflare`. */
  readonly cloud: string;
  readonly method: string;
  /** Path with its query string. */
  readonly path: string;
  readonly status: number;
}

/** Keeps the sections of a lab's state and the journal. */
export interface Store {
  /**
   * The live object of one section: what was saved, or `initial` when nothing was. Callers change it in
   * place and then call `save`.
   */
  section<Section>(name: string, schema: z.ZodType<Section>, initial: () => Section): Section;
  /** Writes all sections; returns when they are on disk. */
  save(): void;
  readonly journal: readonly JournalEntry[];
  record(entry: JournalEntry): void;
  clearJournal(cloud: string): void;
}

const journalLimit = 20_000;

function createStore(
  saved: Readonly<Record<string, unknown>>,
  write: (text: string) => void,
): Store {
  const sections: Record<string, unknown> = { ...saved };
  const opened = new Set<string>();
  let journal: JournalEntry[] = [];
  return {
    section(name, schema, initial) {
      if (opened.has(name)) {
        throw new Error(`store: section "${name}" is open already; each cloud opens its own once`);
      }
      opened.add(name);
      const section = name in sections ? schema.parse(sections[name]) : initial();
      sections[name] = section;
      return section;
    },
    save() {
      write(JSON.stringify(sections));
    },
    get journal() {
      return journal;
    },
    record(entry) {
      journal.push(entry);
      if (journal.length > journalLimit) {
        journal = journal.slice(-journalLimit / 2);
      }
    },
    clearJournal(cloud) {
      journal = journal.filter((entry) => entry.cloud !== cloud);
    },
  };
}

/** A store that forgets everything with the process; for tests. */
export function memoryStore(): Store {
  return createStore({}, () => {});
}

/** A store in one file, which only its owner may read and which is never half written. */
export function fileStore(file: string): Store {
  const saved = fs.existsSync(file)
    ? z.record(z.string(), z.unknown()).parse(JSON.parse(fs.readFileSync(file, "utf8")))
    : {};
  fs.mkdirSync(path.dirname(file), { recursive: true });
  return createStore(saved, (text) => {
    const replacement = `${file}.new`;
    fs.writeFileSync(replacement, text, { mode: 0o600, flush: true });
    fs.renameSync(replacement, file);
  });
}
