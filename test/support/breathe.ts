// Between two tests vitest's worker hears what has arrived for it. Tests that wait for programs with their thread held
// keep it from that, and after a minute without an answer it gives up.

import { setImmediate as turn } from "node:timers/promises";
import { afterEach } from "vitest";

// What has arrived is read between the first turn and the second.
afterEach(async () => {
  await turn();
  await turn();
});
