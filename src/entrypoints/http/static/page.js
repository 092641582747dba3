"use strict";

const prefix = document.body.dataset.prefix;
const token = document.getElementById("token");

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function resolved(schema, components) {
  return schema.$ref ? components.schemas[schema.$ref.split("/").pop()] : schema;
}

function answers(responses) {
  const rows = Object.entries(responses).map(([status, response]) =>
    element("tr", {}, element("td", {}, element("code", {}, status)), element("td", {}, response.description)));
  return element("table", {}, ...rows);
}

function fieldNotes(schema) {
  const required = new Set(schema.required || []);
  const rows = Object.entries(schema.properties).map(([name, property]) => {
    const notes = [required.has(name) ? "required" : "optional", property.description || ""];
    return element("tr", {}, element("td", {}, element("code", {}, name)), element("td", {}, notes.filter(Boolean).join(" · ")));
  });
  return element("table", {}, ...rows);
}

function input(operation, components) {
  const content = operation.requestBody?.content;
  if (content?.["application/json"]) {
    const { schema, example } = content["application/json"];
    const area = element("textarea", { rows: 8, value: JSON.stringify(example, null, 2), spellcheck: false });
    return { shown: [fieldNotes(resolved(schema, components)), area], read: () => ({ body: area.value, type: "application/json" }) };
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
    return { shown: [fieldNotes(schema), file], read };
  }
  return { shown: [], read: () => ({}) };
}

function parameters(operation) {
  return (operation.parameters || []).map((parameter) =>
    ({ name: parameter.name, box: element("input", { placeholder: parameter.name }) }));
}

async function send(method, path, given, output) {
  const headers = {};
  if (given.type) headers["Content-Type"] = given.type;
  if (token.value) headers.Authorization = `Bearer ${token.value.trim()}`;
  output.textContent = "…";
  try {
    const response = await fetch(prefix + path, { method, headers, body: given.body, cache: "no-store" });
    const isJson = (response.headers.get("Content-Type") || "").includes("json");
    const answer = isJson ? await response.json() : `${(await response.blob()).size} bytes`;
    if (isJson && response.ok && answer.token) token.value = answer.token;
    output.textContent = `${response.status} ${response.statusText}\n${isJson ? JSON.stringify(answer, null, 2) : answer}`;
  } catch (error) {
    output.textContent = String(error);
  }
}

function shown(method, path, operation, components) {
  const { shown: fields, read } = input(operation, components);
  const inPath = parameters(operation);
  const output = element("pre", { hidden: true });
  const button = element("button", { type: "button" }, "Send");
  button.addEventListener("click", () => {
    output.hidden = false;
    const filled = inPath.reduce((whole, { name, box }) => whole.replace(`{${name}}`, encodeURIComponent(box.value)), path);
    send(method.toUpperCase(), filled, read(), output);
  });
  const label = element("summary", { className: operation.security ? "locked" : "" },
    element("code", { className: "method" }, method.toUpperCase()), element("code", {}, path), ` — ${operation.summary}`);
  return element("details", { id: operation.operationId }, label, element("p", {}, operation.description || ""),
    ...inPath.map(({ box }) => box), ...fields, button, output, answers(operation.responses));
}

async function main() {
  const document_ = await (await fetch(`${prefix}/openapi.json`)).json();
  document.getElementById("about").textContent = document_.info.description;
  const main = document.getElementById("operations");
  const sections = new Map();
  for (const [path, methods] of Object.entries(document_.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags[0];
      if (!sections.has(tag)) sections.set(tag, main.appendChild(element("section", {}, element("h2", {}, tag))));
      sections.get(tag).append(shown(method, path, operation, document_.components));
    }
  }
}

main();
