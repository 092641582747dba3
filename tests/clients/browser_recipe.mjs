// Two tabs of the browser recipe, with the two browser interfaces that Node.js lacks.
import { strict as assert } from "node:assert";

const stored = new Map();
globalThis.localStorage = {
  getItem: (key) => stored.get(key) ?? null,
  setItem: (key, value) => void stored.set(key, value),
  removeItem: (key) => void stored.delete(key),
};
let last = Promise.resolve();
const locks = {
  request(_, run) {
    const mine = last.then(run);
    last = mine.catch(() => undefined);
    return mine;
  },
};
Object.defineProperty(globalThis, "navigator", { value: { locks }, configurable: true });

let refreshes = 0;
const { fetch } = globalThis;
globalThis.fetch = (url, options) => {
  refreshes += String(url).endsWith("/refresh-token/") ? 1 : 0;
  return fetch(url, options);
};

const [one, two] = [await import("./accounts.js?tab=1"), await import("./accounts.js?tab=2")];
const ada = { username: "ada", name: "Ada", email: "ada@example.com", password: "the engine weaves algebra" };
const json = { method: "POST", headers: { "Content-Type": "application/json" } };
await one.result(await one.call("/register/", { ...json, body: JSON.stringify(ada) }));
await assert.rejects(one.logIn("/login/", { username: "ada", password: "a wrong password" }), {
  type: "urn:vestibule:problem:invalid-credentials",
});
await one.logIn("/login/", { username: "ada", password: ada.password });

const change = (fields) => stored.set("vestibule", JSON.stringify({ ...JSON.parse(stored.get("vestibule")), ...fields }));
const accounts = async () => {
  const calls = [one, two, one, two, one, two].map(async (tab) => tab.result(await tab.call("/account/")));
  for (const account of await Promise.all(calls)) assert.equal(account.username, "ada");
};
await accounts();
assert.equal(refreshes, 0);
change({ until: 0 }); // the access token is at its end
await accounts();
assert.equal(refreshes, 1);
change({ token: "refused" }); // the service refuses the access token
await accounts();
assert.equal(refreshes, 2);

const told = new Promise((resolve) => two.onLogOut.addEventListener("logout", resolve));
await one.logOut();
await told;
assert.equal((await two.call("/account/")).status, 401);

await one.logIn("/login/", { username: "ada", password: ada.password });
change({ until: 0, refresh_token: "ended" });
assert.equal((await two.call("/account/")).status, 401);
assert.equal(stored.size, 0);
process.exit(0); // the channels of the tabs are open
