/**
 * Ends this plugin, and all that it has started, when the engine is gone: one that is killed tells nobody,
 * and a program whose words reach nobody any more tries without a pause to say so. Every plugin leads a
 * process group of its own; the engine sees to that.
 */
export function endWithEngine(): void {
  const engine = process.ppid;
  setInterval(() => {
    if (process.ppid !== engine) process.kill(-process.pid, "SIGKILL");
  }, 1000).unref();
}
