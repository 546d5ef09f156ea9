// All checks, in the order of the report.

import { type Check, groups } from "../check";
import { authenticationChecks } from "./authentication";
import { certificateChecks } from "./certificate";
import { encryptionChecks } from "./encryption";
import { networkChecks } from "./network";
import { reputationChecks } from "./reputation";
import { serverChecks } from "./server";
import { serviceChecks } from "./services";
import { submissionChecks } from "./submission";

const all: readonly Check[] = [
  ...networkChecks,
  ...reputationChecks,
  ...authenticationChecks,
  ...encryptionChecks,
  ...certificateChecks,
  ...serviceChecks,
  ...serverChecks,
  ...submissionChecks,
];

export const checks: readonly Check[] = groups.flatMap((group) =>
  all.filter((check) => check.group === group),
);
