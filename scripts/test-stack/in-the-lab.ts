// What a lab gives a test stack that a real account cannot: a registrar that obeys at once, an authority of
// its own, and a world whose mail tests may read.

import { type Lab, openLab } from "../../lab/lab";
import { elsewhere } from "../../lab/network/addresses";
import { secureDelegations } from "../../lab/world/registrar";
import {
  impostorHost,
  smarthostDomain,
  smarthostLogin,
  smarthostPort,
} from "../../lab/world/smarthost";

/** Hands the DS records to the parent zones of the lab that this process runs in, as the operator of a real zone does once. */
export const register = (ds: Readonly<Record<string, string>>) => secureDelegations(openLab(), ds);

/** What tests may look into. */
export async function worldOf({ paths, status }: Lab): Promise<Record<string, unknown>> {
  return {
    caFile: (await status()).acme?.caFile,
    elsewhere: {
      domain: "elsewhere.test",
      ...elsewhere,
      inbox: paths.received,
      post: paths.control,
    },
    smarthost: {
      host: smarthostDomain,
      impostor: impostorHost,
      port: smarthostPort,
      ...smarthostLogin,
      inbox: paths.smarthost,
    },
  };
}
