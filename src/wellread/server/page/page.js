// Shows /openapi.json. Whatever comes from there is put in as text, never as markup.

const main = document.getElementById("main");

function element(name, ...inside) {
  const made = document.createElement(name);
  made.append(...inside.filter((each) => each !== null));
  return made;
}

function marked(kind, name, ...inside) {
  const made = element(name, ...inside);
  made.className = kind;
  return made;
}

// A schema in a line: string, "up" | "down", [ {name, model} ], ...
function shape(schema, depth = 0) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((each) => JSON.stringify(each)).join(" | ");
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.format === "binary") return "bytes";
  if (schema.type === "array") return `[${shape(schema.items ?? {}, depth)}, ...]`;
  if (schema.properties) {
    const needed = new Set(schema.required ?? []);
    const pad = "  ".repeat(depth + 1);
    const rows = Object.entries(schema.properties).map(([name, inner]) => `${pad}${name}${needed.has(name) ? "" : "?"}: ${shape(inner, depth + 1)}`);
    return `{\n${rows.join(",\n")}\n${"  ".repeat(depth)}}`;
  }
  const limits = [];
  if ("minimum" in schema && schema.minimum !== 0) limits.push(`from ${schema.minimum}`);
  if ("maximum" in schema) limits.push(`to ${schema.maximum}`);
  const type = Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type ?? "anything";
  return [type, ...limits].join(" ");
}

function parameters(rows) {
  if (!rows.length) return null;
  const table = element("table", ...rows.map((row) => element("tr", element("th", element("code", row.name), ` in the ${row.in}`), element("td", row.description ?? ""))));
  return element("section", element("h3", "Parameters"), table);
}

function contents(title, content) {
  const made = element("section", element("h3", title));
  for (const [type, { schema }] of Object.entries(content ?? {})) made.append(element("p", element("code", type)), element("pre", shape(schema)));
  return made;
}

function operation(path, method, told) {
  const head = element("summary", marked("method", "code", method.toUpperCase()), element("code", path), element("span", told.summary));
  const inside = element("div", parameters(told.parameters ?? []));
  if (told.requestBody) inside.append(contents("Send", told.requestBody.content));
  for (const [status, { description, content }] of Object.entries(told.responses)) {
    if (status.startsWith("2")) inside.append(contents(`${status} ${description}`, content));
  }
  const made = element("details", head, inside);
  made.dataset.words = `${method} ${path} ${told.summary}`.toLowerCase();
  return made;
}

function show(described) {
  document.getElementById("version").textContent = described.info.version;
  const groups = new Map();
  for (const [path, methods] of Object.entries(described.paths)) {
    for (const [method, told] of Object.entries(methods)) {
      const tag = told.tags[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation(path, method, told));
    }
  }
  main.replaceChildren(...[...groups].map(([tag, rows]) => element("section", element("h2", tag), ...rows)));
}

document.getElementById("find").addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  for (const row of main.querySelectorAll("details")) row.hidden = !row.dataset.words.includes(wanted);
  for (const group of main.querySelectorAll(":scope > section")) group.hidden = !group.querySelector("details:not([hidden])");
  document.getElementById("none").hidden = !main.querySelector("details") || Boolean(main.querySelector("details:not([hidden])"));
});

function askForToken(wrong) {
  const form = document.getElementById("token").content.cloneNode(true).querySelector("form");
  form.querySelector(".wrong").textContent = wrong;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    load(form.elements.token.value, "This is not one of its tokens.");
  });
  main.replaceChildren(form);
  form.elements.token.focus();
}

// The token stays in this function: it is kept nowhere.
async function load(token, wrong) {
  const answer = await fetch("/openapi.json", { headers: token ? { authorization: `Bearer ${token}` } : {} });
  if (answer.status === 401) askForToken(wrong);
  else if (!answer.ok) main.replaceChildren(marked("wrong", "p", `The server said ${answer.status}.`));
  else show(await answer.json());
}

load("", "").catch(() => main.replaceChildren(marked("wrong", "p", "The server does not answer.")));
