import type { Dashboard } from "./dashboard.js";
import { inference } from "./inference.js";
import { limits } from "./limits.js";
import { overview } from "./overview.js";
import { providers } from "./providers.js";

/** Every dashboard; each becomes `dashboards/UID.json`. */
export const dashboards: readonly Dashboard[] = [overview, inference, limits, providers];
