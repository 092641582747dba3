// better-auth on node's own server, by its handler for node, with the benchmark's cost of passwords.
import { createServer } from "node:http";
import { createRequire } from "node:module";

// The packages are in the working directory of the server, not next to this file.
const load = createRequire(`${process.cwd()}/package.json`);
const from = async (name) => import(load.resolve(name));

const { betterAuth } = await from("better-auth");
const { toNodeHandler } = await from("better-auth/node");
const { bearer } = await from("better-auth/plugins");
const { getMigrations } = await from("better-auth/db/migration");
const Database = load("better-sqlite3");
const { hash, verify } = load("@node-rs/argon2");

const [timeCost, memoryCost, parallelism] = process.env.COST.split(",").map(Number);
const port = Number(process.env.PORT);
const database = new Database(process.env.DATABASE);
database.pragma("journal_mode = WAL");

const auth = betterAuth({
  database,
  baseURL: `http://127.0.0.1:${port}`,
  secret: "a secret of the benchmark that protects nothing at all",
  trustedOrigins: ["*"],
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { disabled: true },
  emailAndPassword: {
    enabled: true,
    password: {
      hash: (password) => hash(password, { timeCost, memoryCost, parallelism }),
      verify: ({ hash: stored, password }) => verify(stored, password),
    },
  },
  plugins: [bearer()],
});

await (await getMigrations(auth.options)).runMigrations();
const handle = toNodeHandler(auth);
createServer((request, response) => {
  if (request.url === "/ready") return response.end("ok");
  return handle(request, response);
}).listen(port, "127.0.0.1");
