// The recipe for Node.js with tokens of a real server.
import { strict as assert } from "node:assert";
import { identify } from "./identify.js";

const post = async (path, body) => {
  const headers = { "Content-Type": "application/json" };
  return (await fetch(process.env.SERVER + path, { method: "POST", headers, body: JSON.stringify(body) })).json();
};
const ada = { username: "ada", name: "Ada", email: "ada@example.com", password: "the engine weaves algebra" };
const { id } = await post("/register/", ada);
const { token, session } = await post("/login/", { username: "ada", password: ada.password });

const found = await identify(`Bearer ${token}`);
assert.deepEqual([found.account, found.session], [id, session]);
assert.deepEqual([found.claims.username, found.claims.email_verified, "email" in found.claims], ["ada", false, false]);
assert.equal(found.claims.exp - found.claims.iat, Number(process.env.ACCESS_SECONDS));
assert.equal(await identify(undefined), null);
assert.equal(await identify("Basic YTpi"), null);

const [head, body, signature] = token.split(".");
const other = Buffer.from(JSON.stringify({ ...found.claims, sub: "2" })).toString("base64url");
const plain = Buffer.from(JSON.stringify({ alg: "none", typ: "at+jwt" })).toString("base64url");
for (const forged of [`${head}.${other}.${signature}`, `${plain}.${body}.`, `${head}.${body}`]) {
  await assert.rejects(identify(`Bearer ${forged}`), { name: /^J/ });
}
