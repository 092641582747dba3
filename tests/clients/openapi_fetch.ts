// The README's conversation by the types of openapi-typescript and the client of openapi-fetch.
import createClient from "openapi-fetch";
import type { components, paths } from "./vestibule.js";
import { check, code, image, server } from "./support.js";

type TokenSet = components["schemas"]["TokenSet"];

let tokens: TokenSet | undefined;
const client = createClient<paths>({ baseUrl: server });
client.use({
  onRequest({ request }) {
    if (tokens) request.headers.set("Authorization", `Bearer ${tokens.token}`);
  },
});

const ada = { username: "ada", name: "Ada Lovelace", email: "ada@example.com", password: "the engine weaves algebra" };
const registered = await client.POST("/register/", { body: { ...ada, mobile: "+442079460958" } });
check(registered.data?.email_verified === false);

const wrong = await client.POST("/login/", { body: { username: "ada", password: "a wrong password" } });
check(wrong.error?.type === "urn:vestibule:problem:invalid-credentials" && wrong.response.status === 401);
tokens = (await client.POST("/login/", { body: { username: "ada", password: ada.password } })).data;
check(tokens?.expires_in === 300 && tokens.created === undefined);

// Three bodies and three responses of one call.
const sent = await client.POST("/otp/", { body: { destination: "ada@example.com" } });
check(sent.data && "reference" in sent.data);
const verify_otp = await code("ada@example.com", sent.data.reference);
const verified = await client.POST("/otp/", { body: { destination: "ada@example.com", verify_otp } });
check(verified.data && "proof" in verified.data && verified.data.proof.length > 10);
const refused = await client.POST("/otp/", { body: { destination: "ada@example.com", verify_otp, is_login: true } });
check(refused.response.status === 403 && refused.error?.type.endsWith(":invalid-code"));

tokens = (await client.POST("/refresh-token/", { body: { refresh: tokens.refresh_token } })).data;
const account = (await client.GET("/account/")).data;
check(account?.email_verified === true && account.mobile === "+442079460958" && account.profile_image === null);
const renamed = await client.PATCH("/account/", { body: { name: "Ada King", mobile: null } });
check(renamed.data?.name === "Ada King" && renamed.data.mobile === null);
const mistake = await client.PATCH("/account/", { body: { email: "no email" } });
check(mistake.error?.errors?.["email"]?.length === 1);

// The type of a file is a string there: the serializer sends the form instead.
const form = new FormData();
form.append("profile_image", image, "ada.png");
const uploaded = await client.POST("/upload-image/", { body: { profile_image: "" }, bodySerializer: () => form });
check(uploaded.data?.profile_image.startsWith(server));

const sessions = (await client.GET("/sessions/")).data?.sessions ?? [];
check(sessions.length === 1 && sessions[0]?.current && new Date(sessions[0].created_at).getFullYear() > 2000);
check((await client.POST("/logout/")).response.status === 204);
tokens = undefined;
check((await client.GET("/account/")).error?.status === 401);

// Registering by a code: two bodies, two responses.
const bob = { name: "Bob", email: "bob@example.com", mobile: "+442079460959" };
const asked = await client.POST("/otpreglogin/", { body: bob });
check(asked.data && "reference" in asked.data);
const entered = await client.POST("/otpreglogin/", {
  body: { ...bob, verify_otp: await code(bob.email, asked.data.reference) },
});
check(entered.data && "token" in entered.data && entered.data.created === true);
