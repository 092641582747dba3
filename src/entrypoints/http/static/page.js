"use strict";

const root = document.body.dataset.root; // of the API, seen from this page
const token = document.getElementById("token");

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/* Text between backticks is code. */
function prose(text) {
  return text.split("`").map((part, at) => (at % 2 ? element("code", {}, part) : part));
}

function paragraphs(text) {
  return text.split("\n\n").filter(Boolean).map((one) => element("p", {}, ...prose(one)));
}

function table(rows) {
  return element("table", {}, ...rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, ...cell)))));
}

function resolved(schema, components) {
  return schema.$ref ? components.schemas[schema.$ref.split("/").pop()] : schema;
}

function responseTable(responses) {
  const rows = Object.entries(responses).map(([status, { description }]) =>
    [[element("code", {}, status)], description.split(" · ").map((one) => element("p", {}, ...prose(one)))]);
  return element("details", {}, element("summary", {}, `Responses: ${Object.keys(responses).join(", ")}`), table(rows));
}

/* A nullable field has its keywords one level down. */
function keyword(property, name) {
  return property[name] ?? (property.anyOf || []).map((one) => one[name]).find((found) => found !== undefined);
}

function add(name, example, area) {
  const button = element("button", { type: "button", className: "add", title: `Add ${name} to the body` }, `+ ${name}`);
  button.addEventListener("click", () => {
    try {
      area.value = JSON.stringify({ ...JSON.parse(area.value), [name]: example }, null, 2);
    } catch {
      area.focus();
    }
  });
  return button;
}

function fieldNotes(schema, area) {
  const required = new Set(schema.required || []);
  return table(Object.entries(schema.properties).map(([name, property]) => {
    const example = (keyword(property, "examples") || ["text"])[0];
    const label = required.has(name) || !area ? element("code", {}, name) : add(name, example, area);
    const notes = [required.has(name) ? "required" : "optional", keyword(property, "description")];
    return [[label], prose(notes.filter(Boolean).join(" · "))];
  }));
}

function input(operation, components) {
  const content = operation.requestBody?.content;
  if (content?.["application/json"]) {
    const { schema, example } = content["application/json"];
    const text = JSON.stringify(example, null, 2);
    const area = element("textarea", { rows: text.split("\n").length + 1, value: text, spellcheck: false });
    return {
      shown: [fieldNotes(resolved(schema, components), area), element("label", {}, "Body", area)],
      read: () => ({ body: area.value, type: "application/json" }),
    };
  }
  if (content) {
    const schema = resolved(content["multipart/form-data"].schema, components);
    const [name] = Object.keys(schema.properties);
    const file = element("input", { type: "file" });
    const read = () => {
      const form = new FormData();
      if (file.files[0]) form.append(name, file.files[0]);
      return { body: form };
    };
    return { shown: [fieldNotes(schema), element("label", {}, "File ", file)], read };
  }
  return { shown: [], read: () => ({}) };
}

function parameters(operation) {
  return (operation.parameters || []).map(({ name }) => ({ name, box: element("input", { required: true, autocomplete: "off" }) }));
}

/* A login fills in the tokens for the next calls; a logout clears the access token. */
function remember(path, answer) {
  if (answer.token) {
    token.value = answer.token;
    const refresh = document.querySelector("#refresh-token textarea");
    if (refresh) refresh.value = JSON.stringify({ refresh: answer.refresh_token }, null, 2);
  }
  if (path === "/logout/") token.value = "";
}

function show(output, good, title, text) {
  output.className = `answer ${good ? "good" : "bad"}`;
  output.replaceChildren(element("strong", {}, title), text);
}

async function send(method, path, given, output) {
  const headers = {};
  if (given.type) headers["Content-Type"] = given.type;
  if (token.value.trim()) headers.Authorization = `Bearer ${token.value.trim()}`;
  output.replaceChildren("…");
  try {
    const response = await fetch(root + path, { method, headers, body: given.body, cache: "no-store" });
    const isJson = (response.headers.get("Content-Type") || "").includes("json");
    const answer = isJson ? await response.json() : `${(await response.blob()).size} bytes`;
    if (response.ok) remember(path, answer);
    const wait = response.headers.get("Retry-After");
    const title = `${response.status} ${response.statusText}${wait ? ` · retry after ${wait} s` : ""}`;
    show(output, response.ok, title, isJson ? JSON.stringify(answer, null, 2) : answer);
  } catch (error) {
    show(output, false, "No response", String(error));
  }
}

function login(security) {
  if (!security) return [];
  const isNeeded = security.every((one) => Object.keys(one).length);
  return [element("span", { className: "login" }, isNeeded ? "login required" : "login optional")];
}

function shown(method, path, operation, components) {
  const { shown: fields, read } = input(operation, components);
  const inPath = parameters(operation);
  const output = element("pre", { hidden: true, className: "answer", ariaLive: "polite" });
  const form = element("form", {},
    ...inPath.map(({ name, box }) => element("label", {}, name, box)), ...fields,
    element("button", { className: "send" }, "Send"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    output.hidden = false;
    const filled = inPath.reduce((whole, { name, box }) => whole.replace(`{${name}}`, encodeURIComponent(box.value)), path);
    send(method.toUpperCase(), filled, read(), output);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  const label = element("summary", {},
    element("code", { className: "method" }, method.toUpperCase()), element("code", { className: "path" }, path),
    element("span", { className: "summary" }, operation.summary), ...login(operation.security));
  return element("details", { id: operation.operationId }, label, ...paragraphs(operation.description || ""), form, output,
    responseTable(operation.responses));
}

function openNamed() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named?.localName === "details") {
    named.open = true;
    named.scrollIntoView();
  }
}

async function main() {
  const about = document.getElementById("about");
  const response = await fetch(`${root}/openapi.json`);
  if (!response.ok) {
    about.append(element("p", {}, `openapi.json cannot be read: ${response.status} ${response.statusText}`));
    return;
  }
  const { info, paths, components } = await response.json();
  about.append(...paragraphs(info.description));
  about.append(element("p", { className: "hint" }, "Ctrl+Enter sends the body that is being edited."));
  const sections = new Map();
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags[0];
      if (!sections.has(tag)) sections.set(tag, element("section", {}, element("h2", {}, tag)));
      sections.get(tag).append(shown(method, path, operation, components));
    }
  }
  document.getElementById("operations").append(...sections.values());
  openNamed();
}

window.addEventListener("hashchange", openNamed);
main();
