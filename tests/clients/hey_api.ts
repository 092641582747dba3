// The README's conversation by the client of @hey-api/openapi-ts.
import { client } from "./hey/client.gen.js";
import {
  changeAccount, listSessions, login, logout, otp, readAccount, refreshToken, register, registerOrLogIn, uploadImage,
} from "./hey/sdk.gen.js";
import type { TokenSet } from "./hey/types.gen.js";
import { check, code, image, server } from "./support.js";

let tokens: TokenSet | undefined;
client.setConfig({ baseUrl: server, auth: () => tokens?.token });

const ada = { username: "ada", name: "Ada Lovelace", email: "ada@example.com", password: "the engine weaves algebra" };
const registered = await register({ body: { ...ada, mobile: "+442079460958" } });
check(registered.data?.email_verified === false);

const wrong = await login({ body: { username: "ada", password: "a wrong password" } });
check(wrong.error?.type === "urn:vestibule:problem:invalid-credentials" && wrong.response?.status === 401);
tokens = (await login({ body: { username: "ada", password: ada.password } })).data;
check(tokens?.expires_in === 300 && tokens.created === undefined);

const sent = await otp({ body: { destination: "ada@example.com" } });
check(sent.data && "reference" in sent.data);
const verify_otp = await code("ada@example.com", sent.data.reference);
const verified = await otp({ body: { destination: "ada@example.com", verify_otp } });
check(verified.data && "proof" in verified.data && verified.data.proof.length > 10);
const refused = await otp({ body: { destination: "ada@example.com", verify_otp, is_login: true } });
check(refused.response?.status === 403 && refused.error?.type.endsWith(":invalid-code"));

tokens = (await refreshToken({ body: { refresh: tokens.refresh_token } })).data;
const account = (await readAccount()).data;
check(account?.email_verified === true && account.mobile === "+442079460958" && account.profile_image === null);
const renamed = await changeAccount({ body: { name: "Ada King", mobile: null } });
check(renamed.data?.name === "Ada King" && renamed.data.mobile === null);
const mistake = await changeAccount({ body: { email: "no email" } });
check(mistake.error?.errors?.["email"]?.length === 1);

const uploaded = await uploadImage({ body: { profile_image: image } });
check(uploaded.data?.profile_image.startsWith(server));
const sessions = (await listSessions()).data?.sessions ?? [];
check(sessions.length === 1 && sessions[0]?.current && new Date(sessions[0].created_at).getFullYear() > 2000);
check((await logout()).response?.status === 204);
tokens = undefined;
check((await readAccount()).error?.status === 401);

const bob = { name: "Bob", email: "bob@example.com", mobile: "+442079460959" };
const asked = await registerOrLogIn({ body: bob });
check(asked.data && "reference" in asked.data);
const entered = await registerOrLogIn({ body: { ...bob, verify_otp: await code(bob.email, asked.data.reference) } });
check(entered.data && "token" in entered.data && entered.data.created === true);
