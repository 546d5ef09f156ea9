// A command of the repository, run again where `pulumi` and the clouds' tokens are a lab's.

import { openLab } from "../lab/lab";

/** Runs the script with this process's arguments, but for `--lab`, inside the lab that MAIL_HOST_LAB names. */
export function enterLab(script: string, ...more: readonly string[]): Promise<number> {
  const args = process.argv.slice(2).filter((arg) => arg !== "--lab");
  return openLab().onTerminal([process.execPath, "--import", "tsx", script, ...args, ...more]);
}
