// Actions: what a call sets going, how long it takes, and what it locks meanwhile.

import type { Faults } from "../lab-control";
import type { Store } from "../store";
import { HetznerError } from "./errors";
import type { Action, HetznerState } from "./state";

/** One thing to be done in the background. */
export interface Work {
  readonly command: string;
  readonly resources: readonly { readonly id: number; readonly type: string }[];
  /** Servers that answer `locked` to other work until this is done. */
  readonly locks?: readonly number[];
  /** Starts only when this action has succeeded; fails when it has failed. */
  readonly after?: Action;
  /** The effect in the lab; its rejection is the action's error. */
  readonly effect: () => Promise<void>;
  /** Changes the state once the effect is in place, before the action is seen to have ended. */
  readonly succeed?: () => void;
  /** Takes back what the call had changed in the state. */
  readonly fail?: () => void;
}

/** Runs actions and remembers them. */
export interface Actions {
  run(work: Work): Action;
  /** Throws `locked` when an action that is running has locked the server. */
  requireUnlocked(serverId: number): void;
  isLocked(serverId: number): boolean;
  /** True when a test has ordered that clients do not find this action again. */
  isLost(action: Action): boolean;
  /** Resolves when no action is running. */
  idle(): Promise<void>;
}

const sleep = (milliseconds: number) =>
  new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

const now = () => new Date().toISOString();

/** How many ended actions are remembered. */
const rememberedActions = 2000;

/** Starts the book of actions; what ran when the supervisor ended is closed as failed. */
export function createActions(
  state: HetznerState,
  store: Store,
  faults: Faults,
  actionMilliseconds: number,
): Actions {
  for (const action of state.actions.filter(({ status }) => status === "running")) {
    action.status = "error";
    action.finished = now();
    action.error = { code: "action_failed", message: "the lab was stopped while the action ran" };
  }
  const endings = new Map<number, Promise<void>>();
  const lost = new Set<number>();

  async function perform(action: Action, work: Work): Promise<void> {
    try {
      if (work.after !== undefined) {
        await endings.get(work.after.id);
        if (work.after.status !== "success") {
          throw new Error(`${work.after.command} failed`);
        }
      }
      const fault = faults.takeAction(work.command);
      if (fault?.lost) lost.add(action.id);
      const wait = sleep(Math.max(actionMilliseconds, fault?.delayMilliseconds ?? 0));
      if (fault?.error !== undefined) {
        await wait;
        work.fail?.();
        end(action, fault.error);
        return;
      }
      action.progress = 10;
      await Promise.all([work.effect(), wait]);
      work.succeed?.();
      end(action, null);
    } catch (error) {
      work.fail?.();
      const message = error instanceof Error ? error.message : String(error);
      end(action, { code: "action_failed", message });
    }
  }

  function end(action: Action, error: Action["error"]): void {
    action.status = error === null ? "success" : "error";
    action.progress = 100;
    action.error = error;
    action.finished = now();
    action.locks = [];
    endings.delete(action.id);
    store.save();
  }

  const isLocked = (serverId: number) =>
    state.actions.some(({ status, locks }) => status === "running" && locks.includes(serverId));

  return {
    run(work) {
      const id = state.nextId;
      state.nextId += 1;
      state.actions.push({
        id,
        command: work.command,
        status: "running",
        progress: 0,
        started: now(),
        finished: null,
        resources: [...work.resources],
        error: null,
        locks: [...(work.locks ?? [])],
      });
      if (state.actions.length > rememberedActions) {
        const oldest = state.actions.findIndex(({ status }) => status !== "running");
        state.actions.splice(oldest, oldest < 0 ? 0 : 1);
      }
      const action = state.actions.at(-1);
      if (action === undefined) {
        throw new Error("actions: the action that was just added is missing");
      }
      endings.set(id, perform(action, work));
      store.save();
      return action;
    },
    isLocked,
    isLost: ({ id }) => lost.has(id),
    requireUnlocked(serverId) {
      if (isLocked(serverId)) {
        throw new HetznerError("locked", "server is locked");
      }
    },
    async idle() {
      while (endings.size > 0) {
        await Promise.all(endings.values());
      }
    },
  };
}

/** The API's rendering of an action. */
export function actionJson(action: Action): unknown {
  const { locks: _locks, ...rest } = action;
  return rest;
}
