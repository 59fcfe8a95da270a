// `npm start`: whatever is missing, then the whole mesh in this very process, so that signals reach it.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { prepare, root } from "./prepare.js";

prepare();
const main = join(root, "dist/services/main.js");
process.argv = [process.argv[0], main, "serve", ...process.argv.slice(2)];
await import(pathToFileURL(main).href);
